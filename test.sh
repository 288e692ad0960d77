#!/usr/bin/env bash
# Sets up what the tests need and runs all of them: format, lints, unit tests, the death suite of child processes,
# the real server binary with the real Claude Code CLI behind the scripted model, and the clients.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
started=$SECONDS
. scripts/setup.sh

require_tools
install_cli "$PWD"
# The API's reference is opened in a real browser.
install_package chromium chromium
# The API is tested by its own document.
install_schemathesis "$PWD"
# A real Prometheus reads the metrics.
unpack_package "$PWD" prometheus
# The distributed store runs against a real Redis, which needs two libraries that few machines have.
unpack_package "$PWD" redis-server redis-server redis-tools liblzf1 libjemalloc2

echo "== format"
cargo fmt --all --check
echo "== lints"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
echo "== scripts"
for script in quickstart.sh test.sh scripts/*.sh testing/bench/{run,check}.sh .ci/run clients/*/test.sh; do bash -n "$script"; done
echo "== tests"
cargo test --quiet --locked --workspace --no-run
ahead=$(mktemp)
setsid scripts/build_ahead.sh >"$ahead" 2>&1 &
builder=$!
trap 'kill -- -$builder 2>/dev/null || true; rm -f "$ahead"' EXIT
env -u CLAUDE_CLI_PATH cargo test --locked --workspace
echo "== Python client"
env -u CLAUDE_CODE_SERVER_BIN clients/python/test.sh
echo "== TypeScript client"
env -u CLAUDE_CODE_SERVER_BIN clients/typescript/test.sh
echo "== deployment"
wait "$builder" || { cat "$ahead" >&2; exit 1; }
deploy/test.sh
if [ "$(id -u)" -eq 0 ]; then
  # Makes namespaces and mounts.
  deploy/try.sh
else
  echo "not tried, for want of root: the image and the Debian package (deploy/try.sh)"
fi
echo "== quickstart"
# As a newcomer would: without a key, so in demo mode.
env -u CLAUDE_API_KEY -u ANTHROPIC_API_KEY -u ANTHROPIC_AUTH_TOKEN -u CLAUDE_CODE_OAUTH_TOKEN ./quickstart.sh --once

echo "all tests passed in $((SECONDS - started)) s"
