"""Reads streams to their end, with either client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from claude_code_server_client import ClaudeServerClient, Event, RetryPolicy, SyncClaudeServerClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

# Tests need not be gentle with the server.
QUICK = RetryPolicy(max_retries=100, first_delay=0.01, longest_delay=0.25)


class Read(Protocol):
    """Reads a task's stream to its end; tells of each event as it comes."""

    def __call__(
        self,
        url: str,
        task_id: str,
        heard: Callable[[Event], object] = ...,
        /,
        **options: Any,  # noqa: ANN401
    ) -> list[Event]: ...


def read_async(
    url: str,
    task_id: str,
    heard: Callable[[Event], object] = id,
    /,
    context: SSLContext | None = None,
    **options: Any,  # noqa: ANN401
) -> list[Event]:
    """With the client for asyncio."""

    async def read() -> list[Event]:
        events = []
        async with ClaudeServerClient(url, reconnects=QUICK, ssl_context=context) as client:
            async for event in client.stream_progress(task_id, **options):
                events.append(event)
                heard(event)
        return events

    return asyncio.run(read())


def read_sync(
    url: str,
    task_id: str,
    heard: Callable[[Event], object] = id,
    /,
    **options: Any,  # noqa: ANN401
) -> list[Event]:
    """With the client for threads."""
    events = []
    with SyncClaudeServerClient(url, reconnects=QUICK) as client:
        for event in client.stream_progress(task_id, **options):
            events.append(event)
            heard(event)
    return events


def all_events(client: SyncClaudeServerClient, task_id: str) -> list[Event]:
    """What the server has, read as pages."""
    events: list[Event] = []
    after = 0
    while True:
        page = client.get_events_page(task_id, after=after, wait=10)
        events += page["events"]
        after = page["next_after"]
        if page["complete"]:
            return events
