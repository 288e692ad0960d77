"""Programs that were written for the example client of the Python service."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import print_event

from .test_generated import PACKAGE

if TYPE_CHECKING:
    from .running_server import RunningServer


OLD_PROGRAM = """
import asyncio, os
from claude_code_server_client import ClaudeServerClient, print_event

client = ClaudeServerClient(base_url=os.environ["URL"], api_key=None)
workspace = os.environ["WORKSPACE"]

async def example_task():
    result = await client.submit_task(
        task_id="example-1",
        prompt="say Hello;tool Write {}",
        workspace=workspace,
        options={"allowed_tools": ["Write"], "permission_mode": "acceptEdits", "max_turns": 10, "timeout": 300},
        session={"reuse_existing": False},
    )
    print(result["task_id"], result["websocket_url"])
    async for event in client.stream_progress(result["task_id"]):
        print_event(event)
        if event.get("type") == "complete":
            print(event.get("data", {}).get("exit_code"))

async def consume(task_id):
    async for event in client.stream_progress(task_id):
        pass
    return event["type"]

async def example_interrupt():
    await client.submit_task("interrupt-1", "say at work;hold", workspace)
    await anext(client.stream_progress("interrupt-1"))
    consuming = asyncio.create_task(consume("interrupt-1"))
    print((await client.interrupt_task("interrupt-1"))["status"], await consuming)

asyncio.run(example_task())
asyncio.run(example_interrupt())
print(asyncio.run(client.get_task_status("interrupt-1"))["result"]["exit_code"])
print(asyncio.run(client.health_check())["status"])
print(len(asyncio.run(client.list_sessions())["sessions"]) >= 2)
print(asyncio.run(client.delete_session("session-example-1"))["message"])
"""


def test_an_old_program_works_as_it_is(server: RunningServer) -> None:
    """It closes nothing, because the old client had nothing to close, and uses one client in many event loops."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(PACKAGE.parent),
        "URL": server.url,
        "WORKSPACE": str(server.workspace),
    }
    ran = subprocess.run(
        [sys.executable, "-c", OLD_PROGRAM], env=environment, check=False, capture_output=True, text=True
    )
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == f"example-1 {server.url.replace('http', 'ws')}/ws/tasks/example-1"
    assert "[assistant] Hello" in lines
    assert "-> Write {}" in lines
    assert lines[-7:] == [
        "completed (0): Hello",
        "0",
        "interrupted complete",
        "130",
        "healthy",
        "True",
        "Session session-example-1 deleted",
    ]


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("message", {"message_type": "assistant", "content": "a\n b"}, "[assistant] a b"),
        ("message", {"message_type": "user", "content": "x" * 101}, f"[user] {'x' * 100}…"),
        ("message", {"message_type": "user", "content": "\x1b[2Jgone\u202e"}, "[user] \ufffd[2Jgone\ufffd"),
        ("message", {"message_type": "user", "content": "\U0001f469\u200d💻"}, "[user] \U0001f469\u200d💻"),
        ("message", {"message_type": "system", "content": "", "subtype": "init"}, "[system] init"),
        ("message", {"message_type": "system", "content": "", "subtype": None}, "[system] "),
        ("tool_use", {"tool_name": "Bash", "tool_input": {"command": "ls"}}, "-> Bash {'command': 'ls'}"),
        ("tool_result", {"content": "ok", "is_error": False}, "<- ok"),
        ("tool_result", {"content": "no", "is_error": True}, "<- error: no"),
        (
            "progress",
            {"turns": 1, "tokens_used": 2, "files_modified": 3, "elapsed_time_ms": 4},
            "progress: 1 turns, 2 tokens, 3 files, 4 ms",
        ),
        ("complete", {"status": "failed", "exit_code": 1, "summary": "it broke"}, "failed (1): it broke"),
        ("error", {"error": "no model", "code": "model", "retryable": True}, "error: no model"),
        ("status", {"status": "running"}, "status: {'status': 'running'}"),
        ("new", [1], "new: [1]"),
    ],
)
def test_an_event_is_one_line(capsys: pytest.CaptureFixture[str], kind: str, data: object, line: str) -> None:
    print_event({"type": kind, "seq": 1, "data": data})
    assert capsys.readouterr().out == f"{line}\n"


def test_an_event_is_printed_whatever_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding="latin-1"))
    print_event({"type": "error", "data": {"error": "Grüße, 世界"}})
    # It is there at once.
    assert screen.getvalue() == "error: Grüße, ??\n".encode("latin-1")
