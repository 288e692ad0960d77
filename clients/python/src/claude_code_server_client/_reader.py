"""Cursors: which of the events that connections bring are new. Knows nothing of connections."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from typing_extensions import TypedDict

from ._address import segment
from .errors import ConnectionFailedError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx_sse import ServerSentEvent

    from .models import Event

E_co = TypeVar("E_co", covariant=True)


class FeedEvent(TypedDict):
    """An event of the feed of all tasks."""

    cursor: int
    """Where the reader is after it: `after` to go on from there."""
    event: Event
    """The event."""


class Reader(Protocol, Generic[E_co]):
    """Follows one stream over any number of connections."""

    socket_path: str
    page_path: str
    after: int
    ended: bool

    def parameters(self) -> Mapping[str, str]:
        """The query that goes on from here."""

    def take_text(self, text: str | bytes) -> E_co | None:
        """A WebSocket frame's event, if it is new."""

    def take_sse(self, sent: ServerSentEvent) -> E_co | None:
        """A Server-Sent Event's, if it is new."""


class TaskReader:
    """Reads one task's events, whose `seq` counts from 1 without holes."""

    def __init__(self, task_id: str, after: int) -> None:
        """Starts after an event."""
        part = segment("task_id", task_id)
        self.task_id = task_id
        self.socket_path = f"/ws/tasks/{part}"
        self.page_path = f"/api/v1/tasks/{part}/events"
        self.after = after
        self.ended = False

    def parameters(self) -> Mapping[str, str]:
        """The query that goes on from here."""
        return {"after": str(self.after)}

    def take_text(self, text: str | bytes) -> Event | None:
        """A frame's event, if it is new.

        Raises:
            NotFoundError: There is no such task.
            ConnectionFailedError: It does not follow on the last one.
        """
        event = _parsed(text)
        seq = event.get("seq")
        if not isinstance(seq, int) or seq < 1:
            _check_refused(event)
            return None
        if seq <= self.after:
            return None
        if seq != self.after + 1:
            raise ConnectionFailedError(f"event {seq} came after event {self.after}: some are missing")
        self.after = seq
        self.ended = event.get("type") == "complete"
        return cast("Event", event)

    def take_sse(self, sent: ServerSentEvent) -> Event | None:
        """A Server-Sent Event's, if it is new."""
        return self.take_text(sent.data) if sent.data else None


class FeedReader:
    """Reads all tasks' events, whose cursors grow and have gaps. Never ends."""

    socket_path = "/ws/events"
    page_path = "/api/v1/events"

    def __init__(self, after: int, filters: Mapping[str, str]) -> None:
        """Starts after a cursor."""
        self._filters = filters
        self.after = after
        self.ended = False

    def parameters(self) -> Mapping[str, str]:
        """The query that goes on from here."""
        return {**self._filters, "after": str(self.after)}

    def take_text(self, text: str | bytes) -> FeedEvent | None:
        """A frame's event, if it is new."""
        frame = _parsed(text)
        return self._take(frame.get("cursor"), frame.get("event"))

    def take_sse(self, sent: ServerSentEvent) -> FeedEvent | None:
        """A Server-Sent Event's, if it is new. One of type `cursor` only tells how far was looked."""
        if not sent.data or not sent.id.isdecimal():
            return None
        return self._take(int(sent.id), None if sent.event == "cursor" else _parsed(sent.data))

    def _take(self, cursor: object, event: object) -> FeedEvent | None:
        if not isinstance(cursor, int):
            raise ConnectionFailedError("a frame of the feed has no cursor")
        if cursor <= self.after:
            return None
        self.after = cursor
        return FeedEvent(cursor=cursor, event=cast("Event", event)) if isinstance(event, dict) else None


def _parsed(text: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConnectionFailedError("an event is not JSON") from error
    if not isinstance(value, dict):
        raise ConnectionFailedError("an event is no JSON object")
    return value


def _check_refused(event: Mapping[str, Any]) -> None:
    """An error outside of the task's log refuses the stream. Anything else there is a newer server's."""
    data = event.get("data")
    if event.get("type") != "error" or not isinstance(data, dict):
        return
    code, text = str(data.get("code")), str(data.get("error"))
    if code == "task_not_found":
        raise NotFoundError(404, text, code=code)
    raise ConnectionFailedError(text)
