"""When a request is made again, and after how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from .errors import (
    ApiError,
    ClaudeServerError,
    ConnectionFailedError,
    RateLimitedError,
    StreamLostError,
    UnavailableError,
)

# Answers of which nobody knows whether the request was carried out: its body came too slowly, a proxy lost the server.
_UNCLEAR = frozenset({408, 502, 504})


@dataclass(frozen=True)
class RetryPolicy:
    """How often something is tried again, and after how long.

    Attributes:
        max_retries: Most further tries in a row that bring nothing.
        first_delay: Longest pause before the first of them, in seconds; each later one is twice as long. What is waited
            is a random part of it, so that clients that were cut off together do not come back together.
        longest_delay: Longest pause, in seconds.
        longest_retry_after: Longest time that the server may ask to wait (`Retry-After`), in seconds. When it asks for
            more, the error is raised at once.
    """

    max_retries: int = 4
    first_delay: float = 0.25
    longest_delay: float = 15.0
    longest_retry_after: float = 60.0

    def delay(self, error: ClaudeServerError, retries: int) -> float | None:
        """How long to wait after so many retries, in seconds; None to give up."""
        if retries >= self.max_retries:
            return None
        # No secret depends on it.
        pause = random.uniform(0, min(self.longest_delay, self.first_delay * 2**retries))  # noqa: S311
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        if retry_after is None:
            return pause
        return retry_after + pause if retry_after <= self.longest_retry_after else None


# Long enough for a server to be started again, about a minute on average.
RECONNECTS = RetryPolicy(max_retries=14)


def may_repeat(error: ClaudeServerError, *, repeatable: bool) -> bool:
    """Whether a request that failed so may be made again.

    Args:
        error: How it failed.
        repeatable: Whether it does no harm to carry it out twice.
    """
    if isinstance(error, ConnectionFailedError):
        return repeatable or not error.sent
    if isinstance(error, (RateLimitedError, UnavailableError)):
        # With a code it is the server's own word that it did nothing.
        return repeatable or error.code is not None
    return repeatable and isinstance(error, ApiError) and error.status in _UNCLEAR


# A connection that held so long, in seconds, was none that fails: proxies cut those on which nothing comes for a while.
_HELD = 5.0


class Tries:
    """Counts how often in a row a stream was connected again in vain."""

    def __init__(self, policy: RetryPolicy) -> None:
        """Has tried nothing yet."""
        self._policy = policy
        self._retries = 0
        self._opened: float | None = None

    def opened(self) -> None:
        """A connection stands."""
        self._opened = time.monotonic()

    def brought(self) -> None:
        """It brought something."""
        self._retries = 0

    def pause(self, error: ApiError | ConnectionFailedError, after: int) -> float:
        """How long to wait before the next try, in seconds, now that a connection failed.

        Raises:
            ApiError: The server refuses the stream.
            StreamLostError: It was tried often enough.
        """
        if self._opened is not None and time.monotonic() - self._opened >= _HELD:
            self._retries = 0
        self._opened = None
        delay = self._policy.delay(error, self._retries) if may_repeat(error, repeatable=True) else None
        if delay is not None:
            self._retries += 1
            return delay
        if isinstance(error, ApiError):
            raise error
        raise StreamLostError(f"{error} (after {self._retries} further tries)", after=after) from error
