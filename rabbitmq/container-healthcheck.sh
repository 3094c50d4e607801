#!/usr/bin/env bash
# The broker's health check: AMQP clients are served. RabbitMQ opens its listeners as the last step of a start, after the
# definitions are in, so an accepted connection says so; the management UI must answer too. `rabbitmq-diagnostics` would say the
# same by starting a virtual machine, which costs a second of a core each time.
set -eu
: </dev/tcp/127.0.0.1/5672
exec 3<>/dev/tcp/127.0.0.1/15672
printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[ "$status" = 200 ]
