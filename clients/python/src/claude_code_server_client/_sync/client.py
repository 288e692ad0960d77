"""The client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .server import Server
from .sessions import Sessions
from .streams import Streams
from .tasks import Tasks

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class SyncClaudeServerClient(Tasks, Streams, Sessions, Server):
    """A client of Claude Code Server.

    Answers are the server's JSON, typed as in `models`. Use it in a `with` block (`async with` under asyncio), or close
    it. All methods raise `ClaudeServerError`s: an `ApiError` when the server refuses, a `ConnectionFailedError` when
    none answers.
    """

    def __enter__(self) -> Self:
        """Does nothing; connections are made when they are needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the connections."""
        self.close()
