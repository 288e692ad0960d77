"""Programs that are stopped with Ctrl-C while they follow a task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .test_generated import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_code_server_client import SyncClaudeServerClient

    from .running_server import RunningServer

# Who runs the tests may have started them in the background, with the signal ignored.
HEAR = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
FOLLOW_SYNC = """
from claude_code_server_client import SyncClaudeServerClient
with SyncClaudeServerClient() as client:
    for event in client.stream_progress("followed"):
        print(event["seq"], flush=True)
"""
FOLLOW_ASYNC = """
import asyncio
from claude_code_server_client import ClaudeServerClient
async def main():
    async with ClaudeServerClient() as client:
        async for event in client.stream_progress("followed"):
            print(event["seq"], flush=True)
asyncio.run(main())
"""
WAIT = """
from claude_code_server_client import SyncClaudeServerClient
with SyncClaudeServerClient() as client:
    print(client.get_task_status("followed")["status"], flush=True)
    client.wait_for_task("followed")
"""

# The signal is delivered to another thread, as it is in effect when it comes right before the main thread waits.
FOLLOW_DEAF = """
import threading
from claude_code_server_client import SyncClaudeServerClient
def interrupt():
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
with SyncClaudeServerClient() as client:
    for event in client.stream_progress("followed"):
        print(event["seq"], flush=True)
        if event["type"] == "message":
            threading.Timer(0.2, interrupt).start()
"""


@contextmanager
def started(program: str, server: RunningServer) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", HEAR + program],
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(PACKAGE.parent),
            "CLAUDE_SERVER_URL": server.url,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def assert_interrupted(process: subprocess.Popen[str]) -> None:
    _, complaints = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    assert complaints.rstrip().endswith("KeyboardInterrupt")
    assert "Warning" not in complaints
    assert "ignored" not in complaints


def test_ctrl_c_ends_the_program_at_once_and_not_the_task(
    server: RunningServer, client: SyncClaudeServerClient
) -> None:
    client.submit_task("followed", "say at work;hold", server.workspace)
    next(client.stream_progress("followed"))
    for program in (FOLLOW_SYNC, FOLLOW_ASYNC, WAIT):
        with started(program, server) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert_interrupted(process)
    with started(FOLLOW_DEAF, server) as process:
        assert_interrupted(process)
    assert client.get_task_status("followed")["status"] == "running"
    client.interrupt_task("followed")


pytestmark = pytest.mark.timeout(30)
