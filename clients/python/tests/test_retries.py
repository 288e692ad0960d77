"""Requests that fail, and whether they are made again."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import (
    ClaudeServerClient,
    ConnectionFailedError,
    RetryPolicy,
    StreamLostError,
    SyncClaudeServerClient,
    UnavailableError,
)
from claude_code_server_client.errors import ApiError, api_error
from claude_code_server_client.retry import Tries, may_repeat

from .proxy import Proxy
from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_submission_whose_answers_were_lost_is_made_again_and_is_one_task(
    server: RunningServer, client: SyncClaudeServerClient
) -> None:
    with Proxy(server.port, lose_answers=2) as proxy, SyncClaudeServerClient(proxy.url) as unlucky:
        task = unlucky.submit_task(prompt="say hello", workspace=server.workspace, labels={"lost": "answer"})
        assert len(proxy.heads) == 3
    client.wait_for_task(task["task_id"])
    assert [each["task_id"] for each in client.iter_tasks(label="lost")] == [task["task_id"]]


def test_what_must_not_be_done_twice_is_not_sent_twice(server: RunningServer, client: SyncClaudeServerClient) -> None:
    task = client.submit_task(prompt="say at work;hold", workspace=server.workspace)
    next(client.stream_progress(task["task_id"]))
    with Proxy(server.port, lose_answers=1) as proxy, SyncClaudeServerClient(proxy.url) as unlucky:
        with pytest.raises(ConnectionFailedError) as failed:
            unlucky.interrupt_task(task["task_id"])
        assert len(proxy.heads) == 1
    assert failed.value.sent
    assert client.wait_for_task(task["task_id"])["status"] == "interrupted"


def test_a_full_queue_is_said_with_when_to_come_again(tmp_path: Path) -> None:
    variables = {"SESSION_MAX_CONCURRENT": "1", "TASK_MAX_QUEUE_SIZE": "1"}
    hasty = RetryPolicy(longest_retry_after=1)
    with (
        RunningServer(tmp_path, variables=variables) as server,
        SyncClaudeServerClient(server.url, retries=hasty) as client,
    ):
        client.submit_task("busy", "say at work;hold", server.workspace)
        next(client.stream_progress("busy"))
        client.submit_task("waiting", "say hello", server.workspace)
        assert not client.is_ready()
        with pytest.raises(UnavailableError) as full:
            client.submit_task("refused", "say hello", server.workspace)
        assert (full.value.code, full.value.retry_after) == ("queue_full", 10)
        client.interrupt_task("busy")
        assert client.wait_for_task("waiting")["status"] == "completed"


async def ask_async(url: str, enough: Callable[[], bool]) -> None:
    async with ClaudeServerClient(url) as client:
        while not enough():
            await client.list_sessions()


def ask_sync(url: str, enough: Callable[[], bool]) -> None:
    with SyncClaudeServerClient(url) as client:
        while not enough():
            client.list_sessions()


@pytest.mark.parametrize("ask", [lambda *given: asyncio.run(ask_async(*given)), ask_sync], ids=["async", "sync"])
def test_who_asks_too_often_waits_as_long_as_the_server_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ask: Callable[[str, Callable[[], bool]], None]
) -> None:
    caplog.set_level(logging.INFO, "claude_code_server_client")

    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "claude_code_server_client"]

    with RunningServer(tmp_path, variables={"API_RATE_LIMIT_PER_MINUTE": "60"}) as server:
        ask(server.url, lambda: len(said()) > 0)
    assert len(said()) == 1
    assert re.fullmatch(r"429 rate_limited: .*, again in 1\.[0-3] s", said()[0])


def test_pauses_grow_and_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    policy = RetryPolicy(max_retries=5, first_delay=1, longest_delay=4, longest_retry_after=10)
    broken = ConnectionFailedError("cut")
    assert [policy.delay(broken, retries) for retries in range(6)] == [1, 2, 4, 4, 4, None]
    assert policy.delay(ApiError(429, "later", retry_after=10), 0) == 11
    assert policy.delay(ApiError(429, "later", retry_after=11), 0) is None


@pytest.mark.parametrize(
    ("error", "repeatable", "otherwise"),
    [
        (ConnectionFailedError("cut", sent=True), True, False),
        (ConnectionFailedError("refused", sent=False), True, True),
        (api_error(429, {"content-type": "application/problem+json"}, b'{"code": "rate_limited"}'), True, True),
        (api_error(503, {"content-type": "application/problem+json"}, b'{"code": "queue_full"}'), True, True),
        (api_error(503, {}, b"a proxy's"), True, False),
        (api_error(502, {}, b"a proxy's"), True, False),
        (api_error(504, {}, b"a proxy's"), True, False),
        (api_error(408, {}, b""), True, False),
        (api_error(500, {}, b""), False, False),
        (api_error(404, {}, b""), False, False),
        (api_error(409, {}, b""), False, False),
    ],
)
def test_what_is_made_again(error: ApiError | ConnectionFailedError, *, repeatable: bool, otherwise: bool) -> None:
    assert may_repeat(error, repeatable=True) is repeatable
    assert may_repeat(error, repeatable=False) is otherwise


def test_a_connection_that_held_is_no_failure_and_one_that_did_not_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    broken = ConnectionFailedError("cut")
    tries = Tries(RetryPolicy(max_retries=2))
    for _ in range(10):
        # Such as a proxy does with a stream on which nothing comes for a minute.
        tries.opened()
        now += 60
        tries.pause(broken, 7)
    tries.opened()
    now += 1
    tries.pause(broken, 7)
    tries.brought()
    for _ in range(2):
        tries.pause(broken, 8)
    now += 60
    with pytest.raises(StreamLostError, match=r"cut \(after 2 further tries\)") as lost:
        tries.pause(broken, 8)
    assert lost.value.after == 8
