"""What can go wrong, as exceptions. All derive from `ClaudeServerError`."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .models import Fault, TaskStatusResponse

# An answer that is no problem document, such as a proxy's page, is quoted so far.
_QUOTED_CHARACTERS = 200


class ClaudeServerError(Exception):
    """Whatever this client raises on its own."""


class ConnectionFailedError(ClaudeServerError):
    """No answer came: no connection, a connection that broke, a timeout, or an answer that makes no sense.

    Attributes:
        sent: Whether the server may have had the request, so that it may have done what was asked.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        """Says what failed, and whether the request was on its way."""
        super().__init__(message)
        self.sent = sent


class StreamLostError(ConnectionFailedError):
    """A stream broke, and connecting again failed too often. The task is not affected by that.

    Attributes:
        after: The cursor of the last event that was delivered: give it as `after` to go on from there.
    """

    def __init__(self, message: str, *, after: int | None) -> None:
        """Says what failed, and where to go on."""
        super().__init__(message)
        self.after = after


class WaitTimeoutError(ClaudeServerError, TimeoutError):
    """A task did not end in the time that was given. It goes on.

    Attributes:
        status: Where the task is.
    """

    def __init__(self, status: TaskStatusResponse) -> None:
        """Says which task is not over."""
        super().__init__(f"task {status['task_id']} has not ended in that time: it is {status['status']}")
        self.status = status


class ApiError(ClaudeServerError):
    """The server refused a request.

    Attributes:
        status: The HTTP status.
        code: What happened, for programs, such as `task_not_found`; None when the answer is not the server's own.
        detail: What happened and what to do, for people.
        request_id: Names the request in the server's log.
        faults: Each fault of a body that does not match the schema.
        retry_after: When to try again, in seconds, if the server says so.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        faults: list[Fault] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Holds what the server said."""
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.faults = faults or []
        self.retry_after = retry_after
        # The detail names the faults, too.
        super().__init__(f"{status} {code}: {detail}" if code else f"{status}: {detail}")


class BadRequestError(ApiError):
    """400: the request cannot be read, or its workspace is missing or not allowed."""


class AuthenticationError(ApiError):
    """401: the server wants an API key."""


class PermissionDeniedError(ApiError):
    """403: the key is wrong, or may not do that."""


class NotFoundError(ApiError):
    """404: there is no such thing, or it is somebody else's."""


class ConflictError(ApiError):
    """409: it cannot be done as things are, such as an interrupt of a task that has ended."""


class RequestTooLargeError(ApiError):
    """413: the body is too large."""


class InvalidRequestError(ApiError):
    """422: the request does not match the schema; `faults` says where."""


class RateLimitedError(ApiError):
    """429: too many requests, or a budget is used up."""


class ServerError(ApiError):
    """5xx: the server failed."""


class UnavailableError(ServerError):
    """503: the server is full, about to stop, or without storage."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: InvalidRequestError,
    429: RateLimitedError,
    503: UnavailableError,
}


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception for an answer that is no success."""
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)  # noqa: PLR2004
    retry_after = _retry_after(headers.get("retry-after"))
    problem = _problem(headers, body)
    if problem is None:
        return kind(status, _quoted(headers, body), retry_after=retry_after)
    code, detail, request_id = (problem.get(name) for name in ("code", "detail", "request_id"))
    return kind(
        status,
        str(detail),
        code=code if isinstance(code, str) else None,
        request_id=request_id if isinstance(request_id, str) else None,
        faults=_faults(problem.get("errors")),
        retry_after=retry_after,
    )


def _problem(headers: Mapping[str, str], body: bytes) -> dict[str, object] | None:
    if not headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    return problem if isinstance(problem, dict) else None


def _faults(errors: object) -> list[Fault]:
    if not isinstance(errors, list):
        return []
    return [
        {"pointer": str(error.get("pointer")), "detail": str(error.get("detail"))}
        for error in errors
        if isinstance(error, dict)
    ]


def _quoted(headers: Mapping[str, str], body: bytes) -> str:
    if location := headers.get("location"):
        return f"the server redirects to {location}, which is not followed: give the right base_url"
    text = " ".join(body.decode("utf-8", "replace").split())
    return f"not Claude Code Server's own answer: {text[:_QUOTED_CHARACTERS]!r}"


def _retry_after(value: str | None) -> float | None:
    """Seconds from now: the header holds them, or a date."""
    if value is None:
        return None
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())
