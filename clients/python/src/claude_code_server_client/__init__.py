"""Client of Claude Code Server: submit coding tasks, follow them live, stop them, go on with their conversations.

`ClaudeServerClient` is for asyncio, `SyncClaudeServerClient` for everything else; they have the same methods.
"""

from ._async.client import ClaudeServerClient
from ._async.streams import Transport
from ._printing import print_event
from ._reader import FeedEvent
from ._sync.client import SyncClaudeServerClient
from ._version import __version__
from .errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ClaudeServerError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTooLargeError,
    ServerError,
    StreamLostError,
    UnavailableError,
    WaitTimeoutError,
)
from .models import Event, TaskRequest, TaskResponse, TaskStatusResponse
from .retry import RetryPolicy

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BadRequestError",
    "ClaudeServerClient",
    "ClaudeServerError",
    "ConflictError",
    "ConnectionFailedError",
    "Event",
    "FeedEvent",
    "InvalidRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitedError",
    "RequestTooLargeError",
    "RetryPolicy",
    "ServerError",
    "StreamLostError",
    "SyncClaudeServerClient",
    "TaskRequest",
    "TaskResponse",
    "TaskStatusResponse",
    "Transport",
    "UnavailableError",
    "WaitTimeoutError",
    "__version__",
    "print_event",
]
