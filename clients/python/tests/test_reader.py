"""Cursors, without connections."""

from __future__ import annotations

import json

import pytest
from httpx_sse import ServerSentEvent

from claude_code_server_client import ConnectionFailedError, NotFoundError
from claude_code_server_client._reader import FeedReader, TaskReader


def event(seq: int, kind: str = "message") -> str:
    return json.dumps({"type": kind, "seq": seq, "task_id": "one", "data": {}})


def test_events_are_taken_once_and_complete_is_the_last() -> None:
    reader = TaskReader("one", 0)
    taken = [reader.take_text(event(seq)) is not None for seq in (1, 2, 1, 2, 3)]
    assert (taken, reader.after, reader.ended) == ([True, True, False, False, True], 3, False)
    assert reader.take_text(event(4, "complete")) == json.loads(event(4, "complete"))
    assert (reader.after, reader.ended, reader.parameters()) == (4, True, {"after": "4"})


def test_a_missing_event_is_noticed_and_the_cursor_stays() -> None:
    reader = TaskReader("one", 5)
    with pytest.raises(ConnectionFailedError, match="event 7 came after event 5: some are missing"):
        reader.take_text(event(7))
    assert reader.after == 5


def test_what_a_newer_server_adds_is_passed_on_or_passed_over() -> None:
    reader = TaskReader("one", 0)
    new = {"type": "new", "seq": 1, "data": {"new": [1]}, "new": None}
    assert reader.take_text(json.dumps(new)) == new
    assert reader.take_text('{"type": "new without a seq"}') is None
    assert reader.take_text('{"type": "error"}') is None
    assert reader.after == 1


def test_an_error_outside_of_the_log_refuses_the_stream() -> None:
    data = {"code": "task_not_found", "error": "there is no task", "retryable": True}
    refusal = {"type": "error", "seq": 0, "task_id": "one", "session_id": None, "data": data}
    reader = TaskReader("one", 5)
    with pytest.raises(NotFoundError) as missing:
        reader.take_text(json.dumps(refusal))
    assert (missing.value.code, missing.value.detail, reader.after) == ("task_not_found", "there is no task", 5)
    # An older server gives it no number.
    del refusal["seq"]
    with pytest.raises(NotFoundError):
        reader.take_text(json.dumps(refusal))
    refusal["data"] = {"code": "internal", "error": "no storage", "retryable": True}
    with pytest.raises(ConnectionFailedError, match="no storage"):
        TaskReader("one", 0).take_text(json.dumps(refusal))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", b"\xff"])
def test_what_is_no_event_breaks_the_connection_and_nothing_else(text: str | bytes) -> None:
    for reader in (TaskReader("one", 0), FeedReader(0, {})):
        with pytest.raises(ConnectionFailedError):
            reader.take_text(text)


def test_the_feed_moves_on_with_cursors_that_bring_no_event() -> None:
    reader = FeedReader(3, {"type": "complete"})
    one = json.loads(event(1))
    assert reader.take_text('{"cursor": 9}') is None
    assert reader.take_text(json.dumps({"cursor": 9, "event": one})) is None
    assert reader.take_text(json.dumps({"cursor": 12, "event": one})) == {"cursor": 12, "event": one}
    assert reader.take_sse(ServerSentEvent("cursor", "{}", "15", None)) is None
    assert reader.take_sse(ServerSentEvent("message", event(1), "15", None)) is None
    assert reader.take_sse(ServerSentEvent("message", event(1), "17", None)) == {"cursor": 17, "event": one}
    assert reader.take_sse(ServerSentEvent("", "", "", 1000)) is None
    assert (reader.parameters(), reader.ended) == ({"type": "complete", "after": "17"}, False)
    with pytest.raises(ConnectionFailedError):
        reader.take_text("{}")
