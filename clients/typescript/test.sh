#!/usr/bin/env bash
# Installs what the TypeScript client is built and tested with, checks it, builds it, and tests it against the real server, which
# cargo has built before, with the real CLI (agent-cli) and in a real Chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Unless exactly that is installed already. No install script is needed: esbuild's program comes in a package of its own.
stamp=node_modules/.installed
if ! { [ -f "$stamp" ] && cmp -s "$stamp" package-lock.json; }; then
  echo "installing what the TypeScript client is built with (clients/typescript/package-lock.json)…"
  npm ci --ignore-scripts --loglevel=error
  cp package-lock.json "$stamp"
fi
npm run --silent format:check
# The tests are written against the built package, so their types are there only after it.
npm run --silent build
npm run --silent lint
npm run --silent test
