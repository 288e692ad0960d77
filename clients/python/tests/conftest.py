"""What tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import SyncClaudeServerClient

from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the settings of whoever runs it."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, *(name.lower() for name in names), "CLAUDE_SERVER_URL", "CLAUDE_SERVER_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with stub agents."""
    with RunningServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[SyncClaudeServerClient]:
    """A client of it."""
    with SyncClaudeServerClient(server.url) as made:
        yield made
