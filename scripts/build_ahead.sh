#!/usr/bin/env bash
# Builds what the last steps of test.sh need while its tests run, with what those leave of the processors: much of their time is
# waiting. For test.sh only, in a session of its own.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

# The least weight, also against the sessions that tests begin (sched(7), "The autogroup feature").
{ echo 19 >/proc/self/autogroup; } 2>/dev/null || true
renice -n 19 -p $$ >/dev/null

cargo build --quiet --release --locked -p claude-code-server
install_mdbook
[ "$(id -u)" -ne 0 ] || install_cargo_deb
