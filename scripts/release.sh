#!/usr/bin/env bash
# Builds a release into dist/: static programs (claude-code-server, agent-worker), the Debian package, an SBOM and checksums.
#   scripts/release.sh [TARGET…]     default: x86_64-unknown-linux-musl
# PROFILE=dev builds quickly what is not meant to be shipped. First the dependencies' licences and sources are checked (deny.toml),
# and that the changelog knows the version.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$project"
. deploy/setup.sh

targets=("$@")
[ "$#" -gt 0 ] || targets=(x86_64-unknown-linux-musl)
profile=${PROFILE:-dist}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
grep -q "^## $version" CHANGELOG.md || { echo "CHANGELOG.md says nothing of $version" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || { echo "there are changes that are not committed" >&2; exit 1; }

install_cargo_program cargo-deny 0.20.2
install_cargo_program cargo-cyclonedx 0.5.9
# The C and assembler parts of TLS, SQLite and the allocator.
install_package musl-gcc musl-tools
.tools/cargo/bin/cargo-deny check bans licenses sources

# Where the programs of a target are, once built. Cargo's folder of the profile dev is called debug.
built() {
  echo "${CARGO_TARGET_DIR:-target}/$1/${profile/#dev/debug}"
}

is_static() {
  ldd "$1" 2>&1 | grep -q "statically linked\|not a dynamic executable"
}

rm -rf dist
mkdir dist
for target in "${targets[@]}"; do
  rustup target add "$target" >/dev/null 2>&1 || {
    echo "missing: Rust's library for $target — rustup target add $target" >&2
    exit 1
  }
  cargo build --locked --profile "$profile" --target "$target" -p claude-code-server -p agent-worker
  for program in claude-code-server agent-worker; do
    case "$target" in
      *-musl) is_static "$(built "$target")/$program" || { echo "$program for $target is not static" >&2; exit 1; } ;;
    esac
  done
  scripts/pack.sh "$(built "$target")" "$target" dist
done
scripts/package_deb.sh "$(built "${targets[0]}")" dist
scripts/sbom.sh dist
(cd dist && sha256sum -- * >SHA256SUMS)
echo "dist/ holds $version; to publish: git tag v$version, and upload what is in it"
