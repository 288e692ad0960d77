#!/usr/bin/env bash
# Builds a release into dist/: a static server, its Debian package, an SBOM and checksums.
#   scripts/release.sh [TARGET…]     default: x86_64-unknown-linux-musl (rustup target add, and musl-tools)
# First the dependencies' licences and sources are checked (deny.toml), and that the changelog knows the version.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

targets=("$@")
[ "$#" -gt 0 ] || targets=(x86_64-unknown-linux-musl)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
grep -q "^## $version" CHANGELOG.md || { echo "CHANGELOG.md says nothing of $version" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || { echo "there are changes that are not committed" >&2; exit 1; }

install_cargo_program cargo-deny 0.20.2
install_cargo_program cargo-cyclonedx 0.5.9
.tools/cargo/bin/cargo-deny check bans licenses sources

rm -rf dist
mkdir dist
for target in "${targets[@]}"; do
  rustup target list --installed | grep -qx "$target" || { echo "missing: rustup target add $target" >&2; exit 1; }
  cargo build --locked --profile dist --target "$target" -p claude-code-server
  binary="target/$target/dist/claude-code-server"
  case "$target" in
    *-musl) ldd "$binary" 2>&1 | grep -q "statically linked\|not a dynamic executable" || { echo "$binary is not static" >&2; exit 1; } ;;
  esac
  scripts/pack.sh "$binary" "$target" dist
done
scripts/package_deb.sh "target/${targets[0]}/dist/claude-code-server" dist
scripts/sbom.sh dist
(cd dist && sha256sum -- * >SHA256SUMS)
echo "dist/ holds $version; to publish: git tag v$version, and upload what is in it"
