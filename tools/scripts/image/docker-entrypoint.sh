#!/bin/sh
# The image's commands: `master` and `secondary` are the services; anything else is run as it is, for a look inside. It becomes
# what it starts, so that signals and exit codes are the service's own. The container's port is the role's default, and the
# health check must know it.
set -eu
case "${1:-}" in
  master) export HTTP_PORT="${HTTP_PORT:-8000}" ;;
  secondary) export HTTP_PORT="${HTTP_PORT:-8001}" ;;
  *) exec "$@" ;;
esac
exec node "dist/services/$1/main.js"
