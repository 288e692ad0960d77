#!/usr/bin/env bash
# Checks the Python client: style, types, and tests against the real server. Tools go into .tools of the repository.
# The server and the stub agent are what cargo has built, or CLAUDE_CODE_SERVER_BIN and what is beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../../scripts/setup.sh

install_cli "$PWD/../.."
install_python "$PWD/../.." python-client "$PWD/requirements-dev.txt"
tools="$PWD/../../.tools/python-client/bin"

"$tools/ruff" check --quiet .
"$tools/ruff" format --quiet --check .
"$tools/mypy" --strict
"$tools/python" -m pytest
