"""Conversations, and the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import (
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    SyncClaudeServerClient,
    __version__,
)

if TYPE_CHECKING:
    from .running_server import RunningServer


def test_a_session_is_made_used_copied_and_ended(server: RunningServer, client: SyncClaudeServerClient) -> None:
    made = client.create_session(server.workspace, "talk")
    assert (made["session_id"], made["workspace"], made["tasks"]) == ("talk", str(server.workspace), [])
    with pytest.raises(ConflictError) as taken:
        client.create_session(server.workspace, "talk")
    assert taken.value.code == "session_id_taken"
    with pytest.raises(ConflictError) as empty:
        client.fork_session("talk")
    assert empty.value.code == "nothing_to_fork"
    client.submit_task("spoken", "say hello", server.workspace, session={"reuse_existing": True, "session_id": "talk"})
    client.wait_for_task("spoken")
    assert client.get_session("talk")["tasks"] == ["spoken"]
    assert client.fork_session("talk", "copy")["session_id"] == "copy"
    assert {"talk", "copy"} <= {session["session_id"] for session in client.list_sessions()["sessions"]}
    assert client.delete_session("copy") == {"message": "Session copy deleted"}
    with pytest.raises(NotFoundError) as gone:
        client.get_session("copy")
    assert gone.value.code == "session_not_found"


def test_a_busy_session_is_ended_by_force_only(server: RunningServer, client: SyncClaudeServerClient) -> None:
    task = client.submit_task(prompt="say at work;hold", workspace=server.workspace)
    next(client.stream_progress(task["task_id"]))
    with pytest.raises(ConflictError) as busy:
        client.delete_session(task["session_id"])
    assert busy.value.code == "session_busy"
    assert client.delete_session(task["session_id"], force=True) == {"message": f"Session {task['session_id']} deleted"}
    assert client.wait_for_task(task["task_id"])["status"] == "interrupted"


def test_the_server_says_how_it_is_and_what_it_can(client: SyncClaudeServerClient) -> None:
    health = client.health_check()
    assert (health["status"], health["version"]) == ("healthy", __version__)
    assert client.is_ready()
    capabilities = client.get_capabilities()
    assert capabilities["version"] == health["version"]
    assert capabilities["caller"]["scopes"] == ["admin"]


def test_a_server_that_shares_no_storage_is_no_instance(client: SyncClaudeServerClient) -> None:
    assert client.list_instances() == {"instances": []}
    for change in (client.drain_instance, client.undrain_instance):
        with pytest.raises(NotFoundError):
            change("one")


def test_where_no_server_is_that_is_said_at_once() -> None:
    with SyncClaudeServerClient("http://127.0.0.1:1") as client, pytest.raises(ConnectionFailedError) as failed:
        client.health_check()
    assert str(failed.value) == "GET http://127.0.0.1:1/health: [Errno 111] Connection refused"
    assert not failed.value.sent
