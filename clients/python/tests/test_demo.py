"""With the real CLI, behind the scripted model of the server's demo mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import ConflictError, SyncClaudeServerClient

from .binaries import pinned_cli
from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose agents are the real CLI."""
    with RunningServer(tmp_path_factory.mktemp("demo"), cli=pinned_cli()) as running:
        yield running


def test_a_task_is_worked_on_and_its_conversation_goes_on_in_a_copy(demo: RunningServer) -> None:
    with SyncClaudeServerClient(demo.url) as client:
        task = client.submit_task(prompt="Create hello.py that prints a greeting and run it", workspace=demo.workspace)
        events = list(client.stream_progress(task["task_id"]))
        assert [event["data"]["tool_name"] for event in events if event["type"] == "tool_use"] == ["Write", "Bash"]
        last = events[-1]
        assert last["type"] == "complete"
        assert (last["data"]["status"], last["data"]["exit_code"]) == ("completed", 0)
        assert (demo.workspace / "hello.py").is_file()
        said = client.get_transcript(task["session_id"])
        assert said[0]["message"]["content"][0]["text"] == "Create hello.py that prints a greeting and run it"
        copy = client.fork_session(task["session_id"])
        more = client.submit_task(
            prompt="[[history]]",
            workspace=demo.workspace,
            session={"reuse_existing": True, "session_id": copy["session_id"]},
        )
        result = client.wait_for_task(more["task_id"]).get("result")
        assert result is not None
        assert "Create hello.py" in result["summary"]


def test_a_question_is_answered(demo: RunningServer) -> None:
    with SyncClaudeServerClient(demo.url) as client:
        task = client.submit_task(
            prompt="[[write answered.txt allowed]]",
            workspace=demo.workspace,
            options={"on_question": "ask", "permission_mode": "default", "allowed_tools": []},
        )
        for event in client.stream_progress(task["task_id"]):
            if event["type"] == "message" and event["data"].get("subtype") == "agent_question":
                question = client.get_task_status(task["task_id"]).get("question")
                assert question is not None
                assert question["tool_name"] == "Write"
                # What is told to the agent is a script for the model.
                again = "[[write answered.txt allowed]] [[say done]]"
                client.answer_question(task["task_id"], question["question_id"], "allow", message=again)
                with pytest.raises(ConflictError) as answered:
                    client.answer_question(task["task_id"], question["question_id"], "deny")
                assert answered.value.code == "already_answered"
        assert (demo.workspace / "answered.txt").read_text() == "allowed"
