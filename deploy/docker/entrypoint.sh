#!/bin/sh
# Starts the server in a container, as process 1.
set -eu

# Docker and Podman give secrets as files. A file can be read by agents, too (they run as the same user), where the server's
# environment cannot: docs/security.md says which to use when.
for name in CLAUDE_API_KEY ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN API_API_KEY API_JWT_SECRET \
  STORAGE_REDIS_PASSWORD STORAGE_REDIS_SENTINEL_PASSWORD STORAGE_REDIS_URL OTEL_EXPORTER_OTLP_HEADERS; do
  eval "file=\${${name}_FILE:-} value=\${$name:-}"
  [ -n "$file" ] || continue
  if [ -n "$value" ]; then
    echo "entrypoint: $name and ${name}_FILE are both set: leave one out" >&2
    exit 2
  fi
  if ! value=$(cat -- "$file"); then
    echo "entrypoint: ${name}_FILE=$file cannot be read by user $(id -u)" >&2
    exit 2
  fi
  export "$name=$value"
  unset "${name}_FILE"
done

# In a container the server listens on all addresses, and without authentication it refuses to. PUBLISHED_ON is the address of the
# host that its port is published on; where that is the host itself, only the host's own programs can call.
case "${PUBLISHED_ON:-}" in
  127.0.0.1 | ::1 | '[::1]' | localhost) export SERVER_ALLOW_INSECURE="${SERVER_ALLOW_INSECURE:-true}" ;;
esac
unset PUBLISHED_ON

# Servers that share Redis share conversations, too. Any other storage is one server's own, and keeps them with its data.
if [ "${STORAGE_TYPE:-}" = redis ] && [ -n "${AGENTS_DIR_WITH_REDIS:-}" ]; then
  export STORAGE_AGENTS_DIR="${STORAGE_AGENTS_DIR:-$AGENTS_DIR_WITH_REDIS}"
fi
unset AGENTS_DIR_WITH_REDIS

exec "$@"
