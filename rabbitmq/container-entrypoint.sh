#!/bin/sh
# Prepares what RabbitMQ reads at its start from what the container's environment says, then goes on as the public image does.
#
#   RLOG_PASSWORD, RLOG_MONITOR_PASSWORD, RLOG_ADMIN_PASSWORD   of the users in definitions.json; unset: those written there
#   RLOG_ERLANG_COOKIE                                          the secret that the brokers of a cluster share
#   RLOG_PEERS                                                  hosts of all brokers of the cluster, this one among them
#   RLOG_MEMORY_MIB                                             the container's memory limit
#
# RabbitMQ stores salted hashes, never passwords; Erlang makes them, because it is there in every RabbitMQ image.
set -eu
umask 077
data=/var/lib/rabbitmq
definitions=$data/definitions.json

# base64(salt ‖ SHA-256(salt ‖ password)), see rabbitmq.com/docs/passwords. By the environment: arguments are seen in `ps`.
hash_password() {
  password=$1 erl -noinput -boot start_clean -eval '
    Password = unicode:characters_to_binary(os:getenv("password")),
    Salt = crypto:strong_rand_bytes(4),
    io:format("~s", [base64:encode(<<Salt/binary, (crypto:hash(sha256, <<Salt/binary, Password/binary>>))/binary>>)]),
    halt().'
}

# The hash of a user stands between its name and the end of its object. Base64 holds nothing that sed would take for its own but "/".
set_password() {
  [ -n "$2" ] || return 0
  hash=$(hash_password "$2")
  sed -i "/\"name\": \"$1\"/,/}/ s|\"password_hash\": \"[^\"]*\"|\"password_hash\": \"$hash\"|" "$definitions"
}

cat /etc/rabbitmq/definitions.json >"$definitions"
set_password rlog "${RLOG_PASSWORD:-}"
set_password monitor "${RLOG_MONITOR_PASSWORD:-}"
set_password admin "${RLOG_ADMIN_PASSWORD:-}"

if [ -n "${RLOG_ERLANG_COOKIE:-}" ]; then
  rm -f "$data/.erlang.cookie"
  printf '%s' "$RLOG_ERLANG_COOKIE" >"$data/.erlang.cookie"
  chmod 400 "$data/.erlang.cookie"
fi

# Who may be in the cluster. A broker that starts for the first time joins those of them that it reaches. Only those that have an
# address now are named: RabbitMQ would wait a dozen seconds for the others, and alone it would wait for nobody.
peers() {
  echo 'cluster_formation.peer_discovery_backend = classic_config'
  number=1
  for host in $RLOG_PEERS; do
    if [ "$host" = "$(hostname)" ] || getent hosts "$host" >/dev/null; then
      echo "cluster_formation.classic_config.nodes.$number = rabbit@$host"
      number=$((number + 1))
    fi
  done
}

# RabbitMQ takes the machine's memory for its own where it cannot read the container's limit, and would never block a publisher.
{
  if [ -n "${RLOG_MEMORY_MIB:-}" ]; then echo "total_memory_available_override_value = ${RLOG_MEMORY_MIB}MiB"; fi
  if [ -n "${RLOG_PEERS:-}" ]; then peers; fi
} >/etc/rabbitmq/conf.d/70-environment.conf

# The server runs as this user, which the public entry point changes to.
if [ "$(id -u)" = 0 ]; then chown -R rabbitmq:rabbitmq "$data" /etc/rabbitmq/conf.d/70-environment.conf; fi
unset RLOG_PASSWORD RLOG_MONITOR_PASSWORD RLOG_ADMIN_PASSWORD RLOG_ERLANG_COOKIE
exec docker-entrypoint.sh "$@"
