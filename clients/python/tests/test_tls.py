"""A server with https, whose certificate is of a private authority."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from claude_code_server_client import ConnectionFailedError, RetryPolicy, StreamLostError, SyncClaudeServerClient

from .reading import all_events, read_async
from .running_server import RunningServer

if TYPE_CHECKING:
    from pathlib import Path


def test_requests_and_streams_trust_what_the_caller_trusts_and_nobody_else(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    files = {name: str(tmp_path / "server.pem") for name in ("SERVER_TLS_CERT_FILE", "SERVER_TLS_KEY_FILE")}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    once = RetryPolicy(max_retries=0)
    with RunningServer(tmp_path / "server", variables=files) as server:
        assert server.url.startswith("https://")
        with SyncClaudeServerClient(server.url, ssl_context=context) as client:
            task = client.submit_task(prompt="say hello", workspace=server.workspace)
            expected = all_events(client, task["task_id"])
            for transport in ("websocket", "sse"):
                assert list(client.stream_progress(task["task_id"], transport=transport)) == expected
                assert read_async(server.url, task["task_id"], transport=transport, context=context) == expected
        with SyncClaudeServerClient(server.url, retries=once, reconnects=once) as client:
            with pytest.raises(ConnectionFailedError, match="certificate verify failed"):
                client.health_check()
            with pytest.raises(StreamLostError, match="certificate verify failed"):
                next(client.stream_progress(task["task_id"]))
