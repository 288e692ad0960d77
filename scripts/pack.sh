#!/usr/bin/env bash
# Packs programs that are built already, the same bytes from the same commit: scripts/pack.sh FOLDER TARGET OUTPUT_FOLDER
# FOLDER holds claude-code-server and agent-worker.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=$(readlink -f "$1")
target=$2
mkdir -p "$3"
output=$(readlink -f "$3")
cd "$project"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
name=claude-code-server-$version-$target

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/$name/agent-cli"
install -m 755 "$programs"/{claude-code-server,agent-worker} "$folder/$name/"
install -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE docs/configuration.md .env.example docs/claude-code-server.example.toml \
  deploy/systemd/claude-code-server.service "$folder/$name/"
# The server finds the CLI that `npm ci --ignore-scripts` installs there.
install -m 644 agent-cli/package.json agent-cli/package-lock.json "$folder/$name/agent-cli/"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" --directory "$folder" "$name" |
  gzip --no-name >"$output/$name.tar.gz"
echo "$output/$name.tar.gz"
