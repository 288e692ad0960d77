#!/usr/bin/env bash
# Has anything become worse since the committed baseline? Measures (or takes the run that is given), compares ratios, and where something seems
# worse builds the baseline's server and measures both in turns. Ends with 1 when something is worse.
#   testing/bench/check.sh [RUN.json]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
baseline=testing/bench/baseline.json
run="${1:-$target/bench.json}"

if (($# == 0)); then testing/bench/run.sh --output "$run"; fi
# All at once, always: what is built together decides which features libraries have.
build() { cargo build --locked --release --target-dir "$target" -p claude-code-server -p stub-agent -p bench; }
build
if "$target/release/bench" compare "$baseline" "$run"; then exit; else code=$?; fi
if ((code != 1)); then exit "$code"; fi

# The libraries are compiled once for both: only our own crates lie elsewhere.
commit="$(sed -n 's/^ *"commit": "\([0-9a-f]*\)".*/\1/p' "$baseline")"
if [[ -z $commit ]]; then echo "$baseline was made of a tree with changes: make it of a commit" >&2 && exit 2; fi
source="$target/baseline/source"
if [[ -e $source ]]; then git worktree remove --force "$source"; fi
git worktree prune
git worktree add --quiet --detach "$source" "$commit"
trap 'git worktree remove --force "$source"' EXIT
(cd "$source" && build)
cp "$target/release/claude-code-server" "$target/baseline/claude-code-server"
build
"$target/release/bench" judge "$baseline" "$run" --before "$target/baseline/claude-code-server"
