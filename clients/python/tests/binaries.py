"""Where the server and the agents are."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


@cache
def server_binary() -> Path:
    """The server: what `CLAUDE_CODE_SERVER_BIN` names, else what cargo has built."""
    named = os.environ.get("CLAUDE_CODE_SERVER_BIN")
    binary = Path(named) if named else _target() / "debug" / "claude-code-server"
    assert binary.is_file(), f"{binary} is not there: run `cargo build`, or set CLAUDE_CODE_SERVER_BIN"
    return binary


def stub_agent() -> Path:
    """The stub agent, which is built beside the server."""
    binary = server_binary().parent / "stub-agent"
    assert binary.is_file(), f"{binary} is not there: run `cargo build -p stub-agent`"
    return binary


def pinned_cli() -> Path:
    """The real CLI that the project pins."""
    packages = REPOSITORY / "agent-cli" / "node_modules" / "@anthropic-ai"
    found = sorted(packages.glob("claude-code-linux-*/claude"))
    assert found, "the Claude Code CLI is not installed: run `npm ci` in the folder agent-cli"
    return found[0]


def _target() -> Path:
    if folder := os.environ.get("CARGO_TARGET_DIR"):
        return Path(folder)
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--offline"]
    answer = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return Path(json.loads(answer.stdout)["target_directory"])
