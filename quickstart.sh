#!/usr/bin/env bash
# Builds the server, installs the Claude Code CLI, starts the server and runs an example task.
#   ./quickstart.sh          goes on serving until Ctrl-C
#   ./quickstart.sh --once   ends after the task, with 0 if it succeeded and 1 if not
# With CLAUDE_API_KEY set the real model API is used; without it the demo, which needs no key and no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$PWD
. scripts/setup.sh

once=no
case "${1:-}" in
  --once) once=yes ;;
  "") ;;
  *) echo "usage: ./quickstart.sh [--once]" >&2; exit 2 ;;
esac

require_tools
install_cli "$root"
echo "building (some minutes the first time)…"
cargo build --quiet --release --locked -p claude-code-server
server=$root/target/release/claude-code-server

place=$root/.demo
workspace=$place/workspaces/hello-$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$workspace"
log=$place/server.log
arguments=(serve)
has_credential() {
  [ -n "${CLAUDE_API_KEY:-}${ANTHROPIC_API_KEY:-}${ANTHROPIC_AUTH_TOKEN:-}${CLAUDE_CODE_OAUTH_TOKEN:-}" ] ||
    grep -qsE '^(export )?(CLAUDE_API_KEY|ANTHROPIC_API_KEY|ANTHROPIC_AUTH_TOKEN|CLAUDE_CODE_OAUTH_TOKEN)=.' .env
}
if has_credential; then
  echo "A model credential is set: the real model API is used, and costs money."
else
  echo "CLAUDE_API_KEY is not set: demo mode. The real Claude Code CLI runs; its answers come from a script."
  arguments+=(--demo)
fi
# A single run must not collide with a server that is already there.
[ "$once" = yes ] && arguments+=(--port 0)

export STORAGE_DATA_DIR="${STORAGE_DATA_DIR:-$place/data}"
export WORKSPACE_ROOTS="${WORKSPACE_ROOTS:+$WORKSPACE_ROOTS:}$place/workspaces"
MONITORING_LOGGING_FORMAT=json SERVER_LOG_LEVEL=info "$server" "${arguments[@]}" >"$log" 2>"$place/server.err" &
pid=$!
stop() { kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; }
trap stop EXIT
trap 'exit 130' INT TERM

# The log says where the server listens.
url=""
deadline=$((SECONDS + 60))
while [ -z "$url" ]; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    echo "the server did not start within a minute; its log:" >&2
    cat "$log" "$place/server.err" >&2
    exit 1
  fi
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "the server did not start:" >&2
    cat "$place/server.err" >&2
    exit 1
  fi
  url=$(sed -n 's/.*"message":"listening".*"url":"\([^"]*\)".*/\1/p' "$log" | head -n 1)
  [ -n "$url" ] || sleep 0.05
done
echo "the server listens at $url (log: .demo/server.log)"
echo

code=0
CLAUDE_SERVER_API_KEY="${API_API_KEY:-}" "$server" run --server "$url" --workspace "$workspace" \
  'Create a Python script hello.py that prints "Hello, World!" and run it.' || code=$?

echo
if [ -f "$workspace/hello.py" ]; then
  echo "--- ${workspace#"$root"/}/hello.py"
  cat "$workspace/hello.py"
  echo "--- python3 hello.py"
  python3 "$workspace/hello.py" || code=1
else
  echo "hello.py was not made" >&2
  code=1
fi
[ "$code" -eq 0 ] && echo "the task completed" || echo "the task failed (exit code $code)"

if [ "$once" = yes ]; then
  [ "$code" -eq 0 ] && exit 0 || exit 1
fi
echo
echo "The server goes on at $url. Try, in another terminal:"
echo "  curl -s $url/api/v1/tasks -H 'content-type: application/json' \\"
echo "    -d '{\"prompt\": \"Create notes.md\", \"workspace\": \"$workspace\"}'"
echo "Ctrl-C stops it."
wait "$pid"
