"""What blocking input and output needs. The counterpart of `_async/io.py`."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .._socket import CLOSE_WITHIN, MAX_EVENT_BYTES, PING_EVERY, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from ssl import SSLContext

__all__ = ["HttpClient", "Pool", "Socket", "closing", "open_socket", "sleep"]

HttpClient = httpx.Client
sleep = time.sleep

# A signal that comes right before a wait for a lock, or to another thread, is heard when the wait ends. In seconds.
_HEARS_SIGNALS_EVERY = 1.0


class Socket(ClientConnection):
    """Makes a refusal of its own of one, so that no redirect is followed: a key is shown to one server only."""

    def handshake(self, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """As the base class does."""
        try:
            super().handshake(*args, **options)
        except InvalidStatus as refusal:
            raise RefusedError(refusal.response) from refusal

    def __iter__(self) -> Iterator[str | bytes]:
        """As the base class does, and Ctrl-C is heard soon in any case."""
        try:
            while True:
                with suppress(TimeoutError):
                    yield self.recv(timeout=_HEARS_SIGNALS_EVERY)
        except ConnectionClosedOK:
            return


def open_socket(url: str, headers: Mapping[str, str], context: SSLContext | None, within: float) -> ClientConnection:
    """Opens a WebSocket, for `with`."""
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
    """The connections of a client, which its threads share."""

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._lock = Lock()
        self._http: httpx.Client | None = None

    def http(self, headers: Mapping[str, str], context: SSLContext | None) -> httpx.Client:
        """The connections."""
        with self._lock:
            if self._http is None:
                self._http = httpx.Client(headers=headers, verify=context or True)
            return self._http

    def close(self) -> None:
        """Closes them."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None:
            http.close()
