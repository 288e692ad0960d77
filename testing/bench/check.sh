#!/usr/bin/env bash
# Has anything become worse since the committed baseline? Measures (or takes the run that is given), compares ratios, and where something seems
# worse builds the baseline's server and measures both in turns. Ends with 1 when something is worse.
#   testing/bench/check.sh [RUN.json]
set -euo pipefail
run="${1:+$(realpath "$1")}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
baseline=testing/bench/baseline.json

commit="$(sed -n 's/^ *"commit": "\([0-9a-f]*\)".*/\1/p' "$baseline")"
if ! git cat-file -e "$commit^{commit}"; then
  echo "$baseline is not of a commit that is here: fetch it, or make a baseline of a commit without changes" >&2
  exit 2
fi
build() { cargo build --locked --release --target-dir "$1" -p claude-code-server -p stub-agent -p bench; }

if [[ -z $run ]]; then
  run="$target/bench.json"
  # What failed is in the run as well.
  testing/bench/run.sh --output "$run" || (($? == 1))
fi
build "$target"
if "$target/release/bench" compare "$baseline" "$run"; then exit; else code=$?; fi
if ((code != 1)); then exit "$code"; fi

# In a target folder of its own: cargo takes crates at the same place of two workspaces for the same.
source="$target/baseline/source"
end_worktree() { git worktree remove --force "$source" 2>/dev/null || rm -rf "$source"; }
end_worktree
trap end_worktree EXIT
git worktree add --quiet --force --detach "$source" "$commit"
(cd "$source" && build "$target/baseline/target")
"$target/release/bench" judge "$baseline" "$run" --before "$target/baseline/target/release/claude-code-server"
