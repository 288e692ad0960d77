"""Streams of events, over as many connections as it takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar
from urllib.parse import urlencode

import httpx
from httpx_sse import EventSource, SSEError

from .._address import segment
from .._call import Call, commas, given
from .._reader import FeedReader, TaskReader
from .._socket import FAILURES, NoWebSocketError, RefusedError, failure
from ..errors import ApiError, ConnectionFailedError, StreamLostError, api_error
from ..retry import Tries
from . import io
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .._reader import FeedEvent, Reader
    from ..models import Event, EventKind, EventsPage, TaskEventsPage, TaskStatus

E = TypeVar("E")

Transport: TypeAlias = Literal["auto", "websocket", "sse"]
"""How events come: over a WebSocket, as Server-Sent Events, or as these where no WebSocket gets through."""

_LOG = logging.getLogger("claude_code_server_client")

# The server shows every 15 s that it is there.
_LONGEST_SILENCE = 45.0


class Streams(Connection):
    """The events of one task, and of all."""

    def stream_progress(
        self, task_id: str, *, after: int = 0, transport: Transport = "auto"
    ) -> AsyncGenerator[Event, None]:
        """A task's events from the first on, then live, until its `complete`: each once, in order.

        A connection that breaks is made again, and goes on after the last event.

        Args:
            task_id: The task. One that is just being submitted is waited for, about a second.
            after: Only what comes after the event with this `seq`.
            transport: How they come.

        Raises:
            NotFoundError: There is no such task.
            AuthenticationError: The server wants an API key.
            PermissionDeniedError: The key is wrong, or may not read tasks.
            StreamLostError: Connecting again failed too often.
        """
        return self._follow(TaskReader(task_id, after), transport)

    async def stream_all_events(
        self,
        *,
        after: int | None = None,
        task_id: str | None = None,
        session_id: str | None = None,
        workspace: str | None = None,
        status: TaskStatus | Sequence[TaskStatus] | None = None,
        types: EventKind | Sequence[EventKind] | None = None,
        transport: Transport = "auto",
    ) -> AsyncGenerator[FeedEvent, None]:
        """The events of all tasks that the caller may see, each once, in order. It does not end by itself.

        Args:
            after: Only what comes after this cursor; 0 begins with the oldest event that is kept, None with now.
            task_id: Only this task's.
            session_id: Only this session's.
            workspace: Only this workspace's: an absolute path.
            status: Only of tasks that are in one of these.
            types: Only events of these types.
            transport: How they come.

        Raises:
            ApiError: The server refuses them.
            StreamLostError: Connecting again failed too often.
        """
        filters = given(
            task_id=task_id,
            session_id=session_id,
            workspace=workspace,
            status=commas(status),
            type=commas(types),
        )
        if after is None:
            # A cursor of now, so that a connection that breaks before its first event misses none.
            after = (await self.get_all_events_page(wait=0))["next_after"]
        async with io.aclosing(self._follow(FeedReader(after, filters), transport)) as events:
            async for event in events:
                yield event

    async def get_events_page(self, task_id: str, *, after: int = 0, wait: int = 0) -> TaskEventsPage:
        """Some of a task's events after a cursor; waits up to `wait` seconds (0 to 60) for the first."""
        call: Call[TaskEventsPage] = Call(
            "GET",
            f"/api/v1/tasks/{segment('task_id', task_id)}/events",
            {"after": after, "wait": wait},
            patience=wait,
        )
        return await self._send(call)

    async def get_all_events_page(self, *, after: int | None = None, wait: int = 0) -> EventsPage:
        """Some of all tasks' events after a cursor, or now; waits up to `wait` seconds (0 to 60) for the first."""
        call: Call[EventsPage] = Call("GET", "/api/v1/events", {"after": after, "wait": wait}, patience=wait)
        return await self._send(call)

    async def _follow(self, reader: Reader[E], transport: Transport) -> AsyncGenerator[E, None]:
        tries = Tries(self._reconnects)
        by_socket = transport != "sse"
        while not reader.ended:
            connection = self._by_socket(reader, tries) if by_socket else self._by_sse(reader, tries)
            try:
                async with io.aclosing(connection) as events:
                    async for event in events:
                        tries.brought()
                        yield event
            except NoWebSocketError as error:
                if transport == "websocket":
                    raise StreamLostError(f"no WebSocket: {error}", after=reader.after) from error
                _LOG.info("no WebSocket, so Server-Sent Events: %s", error)
                by_socket = False
            except (ApiError, ConnectionFailedError) as error:
                delay = tries.pause(error, reader.after)
                _LOG.info("%s, again in %.1f s", error, delay)
                await io.sleep(delay)

    async def _by_socket(self, reader: Reader[E], tries: Tries) -> AsyncGenerator[E, None]:
        """What one WebSocket brings. Ends without an exception only when the stream has ended."""
        url = f"{self._address.websocket}{reader.socket_path}?{urlencode(reader.parameters())}"
        try:
            async with io.open_socket(url, self._address.headers, self._context, self._timeout) as socket:
                tries.opened()
                async for text in socket:
                    event = reader.take_text(text)
                    if event is not None:
                        yield event
                    if reader.ended:
                        return
        except RefusedError as refusal:
            raise refusal.meaning() from refusal
        except FAILURES as error:
            raise failure(error) from error
        await self._check_ended(reader)

    async def _by_sse(self, reader: Reader[E], tries: Tries) -> AsyncGenerator[E, None]:
        """What one response of Server-Sent Events brings. Ends without an exception only when the stream has ended."""
        url = f"{self._address.http}{reader.page_path}?{urlencode(reader.parameters())}"
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        timeout = httpx.Timeout(self._timeout, read=_LONGEST_SILENCE)
        try:
            async with self._http().stream("GET", url, headers=headers, timeout=timeout) as response:
                if response.status_code == httpx.codes.NO_CONTENT:
                    reader.ended = True
                    return
                if not response.is_success:
                    raise api_error(response.status_code, response.headers, await response.aread())
                tries.opened()
                async for sent in EventSource(response).aiter_sse():
                    event = reader.take_sse(sent)
                    if event is not None:
                        yield event
                    if reader.ended:
                        return
        except (httpx.RequestError, SSEError) as error:
            raise ConnectionFailedError(f"the stream was cut: {str(error) or type(error).__name__}") from error
        raise ConnectionFailedError("the server ended the stream before the task ended")

    async def _check_ended(self, reader: Reader[E]) -> None:
        """A stream that was closed in order has nothing after the cursor, unless something on the way closed it."""
        if not isinstance(reader, TaskReader):
            raise ConnectionFailedError("the server closed the stream")
        page = await self.get_events_page(reader.task_id, after=reader.after)
        if page["events"] or not page["complete"]:
            raise ConnectionFailedError("the stream was closed before the task ended")
        reader.ended = True
