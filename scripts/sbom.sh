#!/usr/bin/env bash
# Writes what the server is made of (CycloneDX 1.5, JSON): scripts/sbom.sh OUTPUT_FOLDER
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
output=$(readlink -f "$1")
cd "$project"
. deploy/setup.sh
install_cargo_program cargo-cyclonedx 0.5.9

# It writes a file beside each manifest of the workspace; the server's is the one that is shipped.
name=claude-code-server.cdx
trap 'find . -name "$name.json" -not -path "./dist/*" -not -path "./.tools/*" -delete' EXIT
.tools/cargo/bin/cargo-cyclonedx cyclonedx --manifest-path Cargo.toml --format json --spec-version 1.5 --override-filename "$name" \
  --target x86_64-unknown-linux-gnu
# Not where it was built.
sed "s|path+file://$project/|path+file:///|g" "server/$name.json" >"$output/$name.json"
