"""What it means when a WebSocket cannot be had. Knows nothing of how it is opened."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed, InvalidHeader, WebSocketException

from .errors import ApiError, ConnectionFailedError, api_error

if TYPE_CHECKING:
    from websockets.http11 import Response

# Whatever opening a WebSocket and reading from it may raise. A connection that ends in the handshake is an EOFError.
FAILURES = (OSError, EOFError, WebSocketException)

# Above the longest event.
MAX_EVENT_BYTES = 256 * 1024 * 1024
# How often each connection is tried, and how long the other end may take to answer that, in seconds.
PING_EVERY = 20.0
# How long the other end may take to answer a close, in seconds. All that we wanted to read has been read by then.
CLOSE_WITHIN = 0.25

# A proxy that has lost the server says so. Anything else that is not the server's own word comes from something that
# does not let WebSockets through.
_PASSING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
# The server itself says that the handshake reached it without what makes it one.
_STRIPPED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED})


class NoWebSocketError(Exception):
    """Something on the way lets no WebSocket through: Server-Sent Events may still come."""


class RefusedError(Exception):
    """The handshake was answered with something else than a WebSocket."""

    def __init__(self, response: Response) -> None:
        """Holds the answer."""
        super().__init__(f"status {response.status_code}")
        self.response = response

    def meaning(self) -> ApiError | NoWebSocketError:
        """What follows from it."""
        error = api_error(self.response.status_code, self.response.headers, bytes(self.response.body or b""))
        if error.code is None:
            return error if error.status in _PASSING else NoWebSocketError(str(error))
        return NoWebSocketError(str(error)) if error.status in _STRIPPED else error


def failure(error: Exception) -> ConnectionFailedError | NoWebSocketError:
    """The exception for a WebSocket that did not open, or broke."""
    if isinstance(error, InvalidHeader):
        return NoWebSocketError(str(error))
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return ConnectionFailedError(f"the server closed the stream: {error.rcvd.code} {error.rcvd.reason}".rstrip())
    return ConnectionFailedError(f"the stream was cut: {str(error) or type(error).__name__}")
