#!/usr/bin/env bash
# Makes the Debian package of a server that is built already: scripts/package_deb.sh BINARY OUTPUT_FOLDER [--fast …]
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$(readlink -f "$1")
mkdir -p "$2"
output=$(readlink -f "$2")
cd "$project"
. deploy/setup.sh
install_cargo_program cargo-deb 3.8.0

# cargo-deb takes it from where a build would put it.
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
mkdir -p "$target/release"
cp "$binary" "$target/release/claude-code-server"
CARGO_TARGET_DIR="$target" .tools/cargo/bin/cargo-deb --quiet --no-build --strip --package claude-code-server --output "$output" "${@:3}"
