#!/usr/bin/env bash
# Builds the server, the stub agent and the bench, sets up the CLI, Redis and the service in Python where they are missing, and measures:
# `testing/bench/run.sh --help`. Writes target/bench.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/setup.sh

install_cli "$PWD"
unpack_package "$PWD" redis-server redis-server redis-tools liblzf1 libjemalloc2
. testing/bench/python-service/install.sh
install_python_service "$PWD" >/dev/null
cargo build --locked --release -p claude-code-server -p stub-agent -p bench
exec "${CARGO_TARGET_DIR:-target}/release/bench" run --output "${CARGO_TARGET_DIR:-target}/bench.json" "$@"
