#!/usr/bin/env bash
# Runs one task by a server and by the CLI itself, in turn, behind one scripted model, and prints the table of
# docs/agent-worker.md. No key and no network are needed.
#   scripts/compare-execution-modes.sh [RUNS]    20 runs of each mode unless told otherwise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
. scripts/setup.sh
require_tools
install_cli "$root"
runs=${1:-20}
programs=${CARGO_TARGET_DIR:-$root/target}/release
cargo build --quiet --release --locked -p claude-code-server -p agent-worker -p scripted-model
cli=$(ls "$root"/agent-cli/node_modules/@anthropic-ai/claude-code-linux-*/claude | head -n 1)

place=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  rm -rf "$place"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Nothing of this machine's environment reaches them.
clean=(env -i "PATH=$PATH" "HOME=$place/home" "CLAUDE_CLI_PATH=$cli" ANTHROPIC_API_KEY=no-key)
mkdir -p "$place/home" "$place/repositories/project"
line() { # the first line of a file that holds a pattern, once it is there
  local deadline=$((SECONDS + 30))
  until grep -m 1 -o "$2" "$1" 2>/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "not started: $(cat "$1")" >&2; exit 1; }
    sleep 0.05
  done
}
"${clean[@]}" "$programs/scripted-model" --port 0 >"$place/model.log" 2>&1 & pids+=($!)
model=$(line "$place/model.log" 'http://[^ ]*')
"${clean[@]}" CLAUDE_BASE_URL="$model" CLAUDE_GATEWAY=off SERVER_PORT=0 MONITORING_PROMETHEUS_ENABLED=false \
  MONITORING_LOGGING_FORMAT=json STORAGE_DATA_DIR="$place/data" WORKSPACE_ROOTS="$place/repositories" \
  "$programs/claude-code-server" serve >"$place/server.log" 2>&1 & pids+=($!)
server=$(line "$place/server.log" '"url":"http[^"]*' | cut -d'"' -f4)

cd "$place/repositories/project"
git init --quiet --initial-branch=main
seq 1 200 >numbers.txt
git add --all
git -c user.name=Somebody -c user.email=somebody@localhost commit --quiet --message=first
cd "$place"
task='[[write greet.py print("Hello")\n]] [[read numbers.txt]] [[edit numbers.txt \n100\n=>\none hundred\n]] [[bash python3 greet.py > greeting.txt]] [[say Done.]]'
once() {
  "${clean[@]}" ANTHROPIC_BASE_URL="$model" CLAUDE_SERVER_URL="$server" "$programs/agent-worker" \
    --project repositories/project --worktree --execution-mode "$1" --task "$task" >"$place/worker.log" ||
    { cat "$place/worker.log" >&2; exit 1; }
}
# The first of each reads the CLI from disk and fills the model's prompt cache.
once server; once cli
rm -rf .agent_runs
for _ in $(seq "$runs"); do once server; once cli; done
python3 "$root/scripts/compare_execution_modes.py" .agent_runs
