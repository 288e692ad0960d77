"""What can be done with tasks."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import ConflictError, NotFoundError, SyncClaudeServerClient, WaitTimeoutError

from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[SyncClaudeServerClient]:
    """A client of a server with one agent, which is busy with the task `busy`."""
    with (
        RunningServer(tmp_path, variables={"SESSION_MAX_CONCURRENT": "1"}) as server,
        SyncClaudeServerClient(server.url) as client,
    ):
        client.submit_task("busy", "say at work;hold", server.workspace)
        next(client.stream_progress("busy"))
        yield client


def test_a_task_is_submitted_and_waited_for(server: RunningServer, client: SyncClaudeServerClient) -> None:
    task = client.submit_task(
        prompt="say hello;cost 0.5",
        workspace=server.workspace,
        options={"timeout": 60},
        labels={"team": "a"},
        metadata={"row": [1]},
        priority=3,
    )
    done = client.wait_for_task(task["task_id"])
    assert done["result"] == {
        "exit_code": 0,
        "summary": "hello",
        "errors": [],
        "total_cost_usd": 0.5,
        "structured_output": None,
    }
    said = (done["task_id"], done["session_id"], done["status"], done["labels"], done["metadata"], done["priority"])
    assert said == (task["task_id"], f"session-{task['task_id']}", "completed", {"team": "a"}, {"row": [1]}, 3)
    assert client.get_task_status(task["task_id"]) == done


def test_the_same_submission_again_is_the_same_task(server: RunningServer, client: SyncClaudeServerClient) -> None:
    first = client.submit_task("twice", "say hello", server.workspace)
    client.wait_for_task("twice")
    again = client.submit_task("twice", "say hello", server.workspace)
    assert (again["task_id"], again["created_at"]) == (first["task_id"], first["created_at"])
    with pytest.raises(ConflictError) as taken:
        client.submit_task("twice", "say something else", server.workspace)
    assert taken.value.code == "task_id_taken"


def test_a_task_that_takes_longer_than_one_waits_goes_on(server: RunningServer, client: SyncClaudeServerClient) -> None:
    task = client.submit_task(prompt="say at work;hold", workspace=server.workspace)
    next(client.stream_progress(task["task_id"]))
    with pytest.raises(WaitTimeoutError) as late:
        client.wait_for_task(task["task_id"], timeout=0.5)
    assert late.value.status["status"] == "running"
    stopped = client.interrupt_task(task["task_id"])
    assert (stopped["task_id"], stopped["status"]) == (task["task_id"], "interrupted")
    ended = client.wait_for_task(task["task_id"], timeout=0)
    assert ended["status"] == "interrupted"
    with pytest.raises(ConflictError) as finished:
        client.interrupt_task(task["task_id"])
    assert finished.value.code == "task_finished"


def test_a_batch_has_a_result_for_each_task(server: RunningServer, client: SyncClaudeServerClient) -> None:
    workspace = str(server.workspace)
    answer = client.submit_batch(
        [
            {"task_id": "in-a-batch", "prompt": "say one", "workspace": workspace},
            {"prompt": "say two", "workspace": workspace},
            {"prompt": "say three", "workspace": str(server.folder)},
        ]
    )
    results = answer["results"]
    assert [result["status"] for result in results] == [200, 200, 400]
    first, second, third = results
    assert first.get("task") is not None
    assert client.wait_for_task("in-a-batch")["status"] == "completed"
    task, problem = second.get("task"), third.get("problem")
    assert task is not None
    assert task["task_id"].startswith("task-")
    assert problem is not None
    assert problem["code"] == "workspace_not_allowed"


def test_lists_are_read_page_by_page(server: RunningServer, client: SyncClaudeServerClient) -> None:
    for number in range(5):
        client.submit_task(f"listed-{number}", "say hello", server.workspace, labels={"list": "this"})
    for number in range(5):
        client.wait_for_task(f"listed-{number}")
    page = client.list_tasks(label=["list=this"], order="oldest", limit=2)
    assert [task["task_id"] for task in page["tasks"]] == ["listed-0", "listed-1"]
    listed = client.iter_tasks(label="list", order="oldest", limit=2, status=["completed", "failed"])
    assert [task["task_id"] for task in listed] == [f"listed-{number}" for number in range(5)]
    assert list(client.iter_tasks(label="list", status="failed")) == []


def test_what_waits_can_be_made_urgent_and_what_ended_be_forgotten(narrow: SyncClaudeServerClient) -> None:
    workspace = narrow.get_task_status("busy")["workspace"]
    narrow.submit_task("waiting", "say hello", workspace)
    narrow.submit_task("urgent", "say hello", workspace)
    changed = narrow.change_priority("urgent", 5)
    assert (changed["task_id"], changed["priority"], changed.get("queue_position")) == ("urgent", 5, 1)
    with pytest.raises(ConflictError) as running:
        narrow.delete_task("busy")
    assert running.value.code == "task_state"
    narrow.interrupt_task("busy")
    narrow.wait_for_task("waiting")
    assert narrow.delete_task("waiting") == {"message": "Task waiting deleted"}
    with pytest.raises(NotFoundError):
        narrow.get_task_status("waiting")


def test_the_agent_hears_what_is_said_to_it_while_it_works(
    server: RunningServer, client: SyncClaudeServerClient
) -> None:
    task = client.submit_task(prompt="say at work;sleep 1000;say done", workspace=server.workspace)
    events = client.stream_progress(task["task_id"])
    for event in events:
        if event["type"] == "message" and event["data"]["content"] == "at work":
            break
    receipt = client.send_message(task["task_id"], "say heard")
    assert receipt["task_id"] == task["task_id"]
    assert client.send_message(task["task_id"], "say heard", message_id=receipt["message_id"]) == receipt
    said = [
        event["data"]["content"]
        for event in events
        if event["type"] == "message" and event["data"]["message_type"] == "assistant"
    ]
    assert said == ["done", "heard"]


def test_threads_share_a_client(server: RunningServer, client: SyncClaudeServerClient) -> None:
    ended = []

    def run(number: int) -> None:
        client.submit_task(f"thread-{number}", f"say {number}", server.workspace)
        result = client.wait_for_task(f"thread-{number}").get("result")
        ended.append(result and result["summary"])

    threads = [Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(summary) for summary in ended) == [str(number) for number in range(8)]
