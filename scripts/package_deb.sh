#!/usr/bin/env bash
# Makes the Debian package of programs that are built already: scripts/package_deb.sh FOLDER OUTPUT_FOLDER [--fast …]
# FOLDER holds claude-code-server and agent-worker. Options go to cargo-deb, such as --fast: quicker, and larger.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=$(readlink -f "$1")
mkdir -p "$2"
output=$(readlink -f "$2")
cd "$project"
. deploy/setup.sh
install_cargo_deb

# cargo-deb takes them from where a build would put them.
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
mkdir -p "$target/release"
cp "$programs"/{claude-code-server,agent-worker} "$target/release/"
CARGO_TARGET_DIR="$target" .tools/cargo/bin/cargo-deb --quiet --no-build --strip --package claude-code-server --output "$output" "${@:3}"
