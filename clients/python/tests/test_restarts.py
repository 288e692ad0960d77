"""A server that dies, or is stopped, while somebody listens."""

from __future__ import annotations

import signal
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import Event, SyncClaudeServerClient

from .reading import QUICK, Read, all_events, read_async, read_sync
from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from claude_code_server_client.models import OnRestart

READERS = pytest.mark.parametrize("read", [read_async, read_sync])


def in_between(event: Event, at: int, what: Callable[[], object], started: list[Thread]) -> None:
    """Does something beside the reader when it hears its event `at`."""
    if event.get("seq") == at:
        started.append(Thread(target=what))
        started[0].start()


@READERS
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(("on_restart", "end"), [("interrupt", "interrupted"), ("resume", "completed")])
def test_a_stream_goes_on_when_the_server_is_ended_and_started_again_in_mid_stream(
    tmp_path: Path, read: Read, how: signal.Signals, on_restart: OnRestart, end: str
) -> None:
    with RunningServer(tmp_path) as server, SyncClaudeServerClient(server.url, reconnects=QUICK) as client:

        def restart() -> None:
            server.end(how)
            server.start()

        restarts: list[Thread] = []
        task = client.submit_task(
            prompt="rate 500 40 1;say done", workspace=server.workspace, options={"on_restart": on_restart}
        )
        events = read(server.url, task["task_id"], lambda event: in_between(event, 100, restart, restarts))
        restarts[0].join()
        assert events == all_events(client, task["task_id"])
        assert [event.get("seq") for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["type"] == "complete"
        assert events[-1]["data"]["status"] == end


def test_who_waits_for_a_task_does_so_over_a_restart(tmp_path: Path) -> None:
    with RunningServer(tmp_path) as server, SyncClaudeServerClient(server.url, reconnects=QUICK) as client:
        task = client.submit_task(
            prompt="say begun;sleep 1000;say done", workspace=server.workspace, options={"on_restart": "resume"}
        )
        begun = next(client.stream_progress(task["task_id"]))
        assert begun.get("seq") == 1
        found = []
        waiter = Thread(target=lambda: found.append(client.wait_for_task(task["task_id"])))
        waiter.start()
        server.end(signal.SIGKILL)
        server.start()
        waiter.join(timeout=30)
        assert [(status["status"], status["attempt"]) for status in found] == [("completed", 2)]
