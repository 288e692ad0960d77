"""What the server refuses, and how that is said."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from claude_code_server_client import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ClaudeServerClient,
    ClaudeServerError,
    ConflictError,
    ConnectionFailedError,
    Event,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTooLargeError,
    ServerError,
    SyncClaudeServerClient,
    UnavailableError,
)
from claude_code_server_client._address import Address
from claude_code_server_client._call import Call
from claude_code_server_client.errors import api_error

from .proxy import Proxy
from .running_server import RunningServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_code_server_client import Transport

KEY = "a-key-that-nobody-guesses-0123456789"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that wants a key."""
    variables = {"API_AUTH_ENABLED": "true", "API_API_KEY": KEY}
    with RunningServer(tmp_path_factory.mktemp("locked"), variables=variables) as running:
        yield running


def test_a_body_with_faults_is_refused_with_all_of_them(client: SyncClaudeServerClient) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        client.submit_task(prompt=" ", workspace="/", options={"timeout": 0})
    error = refused.value
    assert (error.status, error.code) == (422, "invalid_request")
    assert [fault["pointer"] for fault in error.faults] == ["/prompt", "/options/timeout"]
    assert error.request_id
    assert str(error) == f"422 invalid_request: {error.detail}"


def test_a_workspace_has_to_be_there_and_permitted(server: RunningServer, client: SyncClaudeServerClient) -> None:
    missing = server.workspace / "missing"
    for workspace, code in [(missing, "workspace_not_found"), (server.folder, "workspace_not_allowed")]:
        with pytest.raises(BadRequestError) as refused:
            client.submit_task(prompt="say hello", workspace=workspace)
        assert refused.value.code == code


@pytest.mark.parametrize("transport", ["websocket", "sse", "auto"])
@pytest.mark.parametrize(
    ("key", "kind", "code"),
    [(None, AuthenticationError, "unauthorized"), ("wrong", PermissionDeniedError, "forbidden")],
)
def test_without_the_right_key_there_is_nothing(
    locked: RunningServer, transport: Transport, key: str | None, kind: type[ApiError], code: str
) -> None:
    async def follow() -> Event:
        async with ClaudeServerClient(locked.url, key) as client:
            return await anext(client.stream_progress("one", transport=transport))

    with pytest.raises(kind) as refused:
        asyncio.run(follow())
    assert refused.value.code == code
    with SyncClaudeServerClient(locked.url, key) as client:
        with pytest.raises(kind):
            next(client.stream_progress("one", transport=transport))
        with pytest.raises(kind):
            client.list_sessions()
        assert client.health_check()["status"] == "healthy"


def test_the_key_is_in_a_header_and_never_in_a_url(locked: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_SERVER_API_KEY", KEY)
    with Proxy(locked.port) as proxy:
        monkeypatch.setenv("CLAUDE_SERVER_URL", proxy.url)
        with SyncClaudeServerClient() as client:
            task = client.submit_task(prompt="say hello", workspace=locked.workspace)
            assert list(client.stream_progress(task["task_id"]))[-1]["type"] == "complete"
            assert list(client.stream_progress(task["task_id"], transport="sse"))[-1]["type"] == "complete"
        heads = [head.decode().split("\r\n") for head in proxy.heads]
    assert len(heads) >= 2
    for request, *headers in heads:
        assert KEY not in request
        assert f"authorization: Bearer {KEY}".lower() in [header.lower() for header in headers]
        assert any(header.lower().startswith("user-agent: claude-code-server-client/") for header in headers)


def test_a_redirect_is_not_followed_and_the_key_is_shown_to_nobody_else(server: RunningServer) -> None:
    with Proxy(server.port) as elsewhere:
        moved = f"HTTP/1.1 302 Found\r\nlocation: {elsewhere.url}/\r\ncontent-length: 0\r\n\r\n".encode()
        with Proxy(server.port, refuse_websockets=moved) as proxy:

            async def follow() -> Event:
                async with ClaudeServerClient(proxy.url, KEY) as client:
                    return await anext(client.stream_progress("one"))

            # Events come by the other way, on which there is no such task.
            with pytest.raises(NotFoundError):
                asyncio.run(follow())
            with SyncClaudeServerClient(proxy.url, KEY) as client, pytest.raises(NotFoundError):
                next(client.stream_progress("one"))
        assert elsewhere.heads == []


def test_a_ticket_opens_a_stream_in_place_of_a_key(locked: RunningServer) -> None:
    with SyncClaudeServerClient(locked.url, KEY) as client:
        task = client.submit_task(prompt="say hello", workspace=locked.workspace)
        ticket = client.issue_ticket(task["task_id"])
        assert set(ticket) == {"ticket", "expires_at"}
        with pytest.raises(NotFoundError):
            client.issue_ticket("no-such-task")


def test_an_id_cannot_name_another_path(client: SyncClaudeServerClient) -> None:
    with pytest.raises(NotFoundError) as refused:
        client.get_task_status("one/../../sessions?x=#y")
    assert refused.value.code == "task_not_found"
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="task_id must not be"):
            client.get_task_status(name)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, RequestTooLargeError),
        (418, ApiError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, UnavailableError),
    ],
)
def test_each_status_has_its_exception(status: int, kind: type[ApiError]) -> None:
    error = api_error(status, {"content-type": "text/html"}, b"<p>no\nway</p>")
    assert type(error) is kind
    assert isinstance(error, ClaudeServerError)
    assert str(error) == f"{status}: not Claude Code Server's own answer: '<p>no way</p>'"
    assert (error.status, error.code, error.request_id, error.faults, error.retry_after) == (
        status,
        None,
        None,
        [],
        None,
    )


def test_retry_after_is_seconds_or_a_date() -> None:
    assert api_error(503, {"retry-after": "7"}, b"").retry_after == 7
    assert api_error(503, {"retry-after": "soon"}, b"").retry_after is None
    then = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100), usegmt=True)
    in_seconds = api_error(503, {"retry-after": then}, b"").retry_after
    assert in_seconds is not None
    assert 90 < in_seconds <= 100


def test_a_problem_of_a_newer_server_is_understood() -> None:
    body = b'{"code": "new_code", "detail": "new", "errors": [{"pointer": "/a", "detail": "b", "new": 1}], "new": {}}'
    error = api_error(499, {"content-type": "application/problem+json; charset=utf-8"}, body)
    assert (type(error), error.code, error.faults) == (ApiError, "new_code", [{"pointer": "/a", "detail": "b"}])


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://localhost", "http://", "http://localhost?x=1", "http://me:secret@localhost"]
)
def test_a_url_that_is_none_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as refused:
        SyncClaudeServerClient(url)
    assert "secret" not in str(refused.value)


def test_a_server_may_be_below_a_path() -> None:
    address = Address("https://host:1/path/", None)
    assert (address.http, address.websocket, address.secure) == ("https://host:1/path", "wss://host:1/path", True)


def test_an_answer_that_is_no_json_is_not_the_servers() -> None:
    call: Call[object] = Call("GET", "/api/v1/sessions")
    with pytest.raises(ConnectionFailedError) as failed:
        call.answer(httpx.Response(200, text="<p>hello</p>"))
    assert str(failed.value) == "GET /api/v1/sessions: status 200 without JSON: is that Claude Code Server?"


@pytest.mark.parametrize("key", ["hush\nhush", "hush hush", "hush\u00e4"])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as refused:
        SyncClaudeServerClient("http://localhost:1", key)
    assert "hush" not in str(refused.value)
    assert Address("http://localhost:1", "hush\n").headers["Authorization"] == "Bearer hush"
