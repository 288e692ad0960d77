"""What asynchronous input and output needs. Its counterpart in `_sync` is written by hand, too."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from .._socket import CLOSE_WITHIN, MAX_EVENT_BYTES, PING_EVERY, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

__all__ = ["HttpClient", "Pool", "Socket", "aclosing", "open_socket", "sleep"]

HttpClient = httpx.AsyncClient
sleep = asyncio.sleep


class Socket(ClientConnection):
    """Makes a refusal of its own of one, so that no redirect is followed: a key is shown to one server only."""

    async def handshake(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """As the base class does."""
        try:
            await super().handshake(*args, **options)
        except InvalidStatus as refusal:
            raise RefusedError(refusal.response) from refusal


def open_socket(url: str, headers: Mapping[str, str], context: SSLContext | None, within: float) -> connect:
    """Opens a WebSocket, for `async with`."""
    return connect(
        url,
        additional_headers={name: value for name, value in headers.items() if name != "User-Agent"},
        user_agent_header=headers["User-Agent"],
        ssl=context,
        compression=None,
        max_size=MAX_EVENT_BYTES,
        open_timeout=within,
        ping_interval=PING_EVERY,
        ping_timeout=PING_EVERY,
        close_timeout=CLOSE_WITHIN,
        create_connection=Socket,
    )


class Pool:
    """The connections of a client, which belong to the event loops that it is used in.

    Programs may call `asyncio.run` for each request: what belonged to a loop that has ended goes with it.
    """

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._https: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def http(self, headers: Mapping[str, str], context: SSLContext | None) -> httpx.AsyncClient:
        """The connections of the running loop."""
        loop = asyncio.get_running_loop()
        http = self._https.get(loop)
        if http is None:
            http = self._https[loop] = httpx.AsyncClient(headers=headers, verify=context or True)
        return http

    async def aclose(self) -> None:
        """Closes those of the running loop."""
        http = self._https.pop(asyncio.get_running_loop(), None)
        if http is not None:
            await http.aclose()
