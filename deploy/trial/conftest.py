"""What is tried: the server's binary and the CLI that the project has pinned."""

import os
from pathlib import Path

import pytest

from dockerfile import Image
from machine import PROJECT

CLI = "node_modules/@anthropic-ai/claude-code-linux-x64/claude"


@pytest.fixture(scope="session")
def server_binary():
    """The server, as cargo built it for this machine."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    path = Path(os.environ.get("SERVER_BINARY", target / "debug/claude-code-server"))
    assert path.is_file(), f"{path} is not there: cargo build, or set SERVER_BINARY"
    return path


@pytest.fixture(scope="session")
def agent_cli():
    """The CLI's program."""
    path = PROJECT / "agent-cli" / CLI
    assert path.is_file(), f"{path} is not there: ./test.sh installs it"
    return path


@pytest.fixture(scope="session")
def image(tmp_path_factory, server_binary, agent_cli):
    """The image that the Dockerfile makes."""
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    return Image(folder / "root", {"/claude": agent_cli, "/claude-code-server": server_binary})
