"""Every event once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

import pytest

from claude_code_server_client import (
    ClaudeServerClient,
    Event,
    NotFoundError,
    RetryPolicy,
    StreamLostError,
    SyncClaudeServerClient,
)

from .proxy import Proxy
from .reading import QUICK, Read, all_events, read_async, read_sync

if TYPE_CHECKING:
    from claude_code_server_client import Transport
    from claude_code_server_client.models import EventsPage

    from .running_server import RunningServer

READERS = pytest.mark.parametrize("read", [read_async, read_sync])
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "sse"])


def texts(events: list[Event]) -> list[str]:
    return [
        event["data"]["content"]
        for event in events
        if event["type"] == "message" and event["data"]["message_type"] == "assistant"
    ]


@READERS
@TRANSPORTS
def test_ten_thousand_events_come_once_and_in_order_through_a_proxy_that_cuts_every_200(
    server: RunningServer, client: SyncClaudeServerClient, read: Read, transport: Transport
) -> None:
    task = client.submit_task(prompt="emit 10000 20", workspace=server.workspace)
    with Proxy(server.port, cut_after=200) as proxy:
        events = read(proxy.url, task["task_id"], transport=transport)
        connections = len(proxy.heads)
    assert events == all_events(client, task["task_id"])
    assert [event.get("seq") for event in events] == list(range(1, len(events) + 1))
    assert [int(text[:10]) for text in texts(events)] == list(range(10_000))
    assert events[-1]["type"] == "complete"
    assert connections > 50


@READERS
@TRANSPORTS
def test_a_stream_begins_after_the_cursor(
    server: RunningServer, client: SyncClaudeServerClient, read: Read, transport: Transport
) -> None:
    task = client.submit_task(prompt="say one;say two", workspace=server.workspace)
    events = read(server.url, task["task_id"], transport=transport)
    assert read(server.url, task["task_id"], transport=transport, after=3) == events[3:]
    assert read(server.url, task["task_id"], transport=transport, after=len(events)) == []


@READERS
@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 11\r\ncontent-type: text/html\r\n\r\n<p>no</p>\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_where_no_websocket_gets_through_events_come_as_server_sent_events(
    server: RunningServer, client: SyncClaudeServerClient, read: Read, refusal: bytes
) -> None:
    task = client.submit_task(prompt="emit 500 20", workspace=server.workspace)
    with Proxy(server.port, cut_after=200, refuse_websockets=refusal) as proxy:
        events = read(proxy.url, task["task_id"])
        paths = [head.split(b" ")[1].partition(b"?")[0].decode() for head in proxy.heads]
        with pytest.raises(StreamLostError, match="no WebSocket"):
            read(proxy.url, task["task_id"], transport="websocket")
    assert events == all_events(client, task["task_id"])
    assert paths[0] == f"/ws/tasks/{task['task_id']}"
    assert set(paths[1:]) == {f"/api/v1/tasks/{task['task_id']}/events"}
    # A connection that is cut may lose what the client has not read of it yet.
    assert len(paths) >= 4


@READERS
@TRANSPORTS
def test_a_task_that_is_not_there_is_an_error(server: RunningServer, read: Read, transport: Transport) -> None:
    with pytest.raises(NotFoundError, match="no-such-task") as refused:
        read(server.url, "no-such-task", transport=transport)
    assert (refused.value.status, refused.value.code) == (404, "task_not_found")


@TRANSPORTS
def test_a_server_that_stays_away_is_given_up_with_the_cursor(transport: Transport) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        # Bound, so that nobody else listens there, and no longer listening once it is closed.
        port = taken.getsockname()[1]
    policy = RetryPolicy(max_retries=2, first_delay=0.01)
    with SyncClaudeServerClient(f"http://127.0.0.1:{port}", reconnects=policy) as client:
        stream = client.stream_progress("one", after=7, transport=transport)
        with pytest.raises(StreamLostError, match="after 2 further tries") as lost:
            next(stream)
    assert lost.value.after == 7


def test_who_leaves_a_stream_early_leaves_nothing_open(server: RunningServer, client: SyncClaudeServerClient) -> None:
    task = client.submit_task(prompt="emit 10000 200", workspace=server.workspace)

    async def first() -> Event | None:
        async with ClaudeServerClient(server.url) as one, aclosing(one.stream_progress(task["task_id"])) as events:
            async for event in events:
                return event
        return None

    expected = all_events(client, task["task_id"])[0]
    assert asyncio.run(asyncio.wait_for(first(), 5)) == expected
    with closing(client.stream_progress(task["task_id"])) as events:
        assert next(events) == expected


def test_a_stream_waits_for_a_task_that_is_just_being_submitted(
    server: RunningServer, client: SyncClaudeServerClient
) -> None:
    async def follow_first() -> list[Event]:
        async with ClaudeServerClient(server.url) as one:
            following = asyncio.create_task(anext(one.stream_progress("followed-first")))
            # It has its turn, and connects, before the task is submitted.
            await asyncio.sleep(0)
            await one.submit_task("followed-first", "say hello", server.workspace)
            return [await following]

    assert asyncio.run(follow_first()) == all_events(client, "followed-first")[:1]


@TRANSPORTS
def test_the_feed_of_all_tasks_goes_on_over_cuts(
    server: RunningServer, client: SyncClaudeServerClient, transport: Transport
) -> None:
    start = client.get_all_events_page()["next_after"]
    task = client.submit_task(prompt="emit 1000 20", workspace=server.workspace)
    seen = []
    with (
        Proxy(server.port, cut_after=200) as proxy,
        SyncClaudeServerClient(proxy.url, reconnects=QUICK) as cut,
        closing(cut.stream_all_events(after=start, task_id=task["task_id"], transport=transport)) as feed,
    ):
        for entry in feed:
            seen.append(entry)
            if entry["event"]["type"] == "complete":
                break
    cursors = [entry["cursor"] for entry in seen]
    assert cursors == sorted(set(cursors))
    of_the_task = [entry["event"] for entry in seen if entry["event"]["type"] != "status"]
    assert of_the_task == all_events(client, task["task_id"])


class BegunClient(ClaudeServerClient):
    """Tells when it knows where the feed begins."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.begun = asyncio.Event()

    async def get_all_events_page(self, *, after: int | None = None, wait: int = 0) -> EventsPage:
        page = await super().get_all_events_page(after=after, wait=wait)
        self.begun.set()
        return page


def test_the_feed_begins_now_and_brings_only_what_is_wanted(server: RunningServer) -> None:
    async def watch() -> list[tuple[str, str]]:
        async with BegunClient(server.url) as client:
            old = await client.submit_task(prompt="say old", workspace=server.workspace)
            await client.wait_for_task(old["task_id"])
            feed = client.stream_all_events(workspace=str(server.workspace), types=["complete", "tool_use"])
            async with aclosing(feed) as entries:
                first = asyncio.create_task(anext(entries))
                await client.begun.wait()
                await client.submit_task("watched", "tool Read {};say new", server.workspace)
                seen = [await first, await anext(entries)]
        return [(entry["event"]["task_id"], entry["event"]["type"]) for entry in seen]

    assert asyncio.run(asyncio.wait_for(watch(), 30)) == [("watched", "tool_use"), ("watched", "complete")]
