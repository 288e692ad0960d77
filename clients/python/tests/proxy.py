"""A proxy between client and server that does what networks do."""

from __future__ import annotations

import socket
import struct
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

# Each event has it once; the stub's texts do not.
_EVENT = b'"seq":'
_CHUNK = 64 * 1024


class Proxy:
    """Passes connections on to a server.

    Attributes:
        url: Where it is.
        heads: The head of each connection's first request.
    """

    def __init__(
        self,
        port: int,
        *,
        cut_after: int | None = None,
        lose_answers: int = 0,
        refuse_websockets: bytes | None = None,
    ) -> None:
        """Starts it.

        Args:
            port: The server's.
            cut_after: Cuts a connection in the middle of the event after so many.
            lose_answers: Cuts so many connections when the answer comes, of which the client sees nothing.
            refuse_websockets: What handshakes are answered with.
        """
        self._port = port
        self._cut_after = cut_after
        self._answers_to_lose = lose_answers
        self._refusal = refuse_websockets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[bytes] = []
        self._open: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            _shut(each)
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = _read_head(client)
            self.heads.append(head)
            if self._refusal is not None and b"upgrade: websocket" in head.lower():
                client.sendall(self._refusal)
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                self._open += [client, server]
                server.sendall(head)
                upwards = Thread(target=_pass, args=(client, server))
                upwards.start()
                self._downwards(server, client)
                # Wakes the other thread, and says nothing to the client yet: the end of this block does.
                _shut(client, socket.SHUT_RD)
                _shut(server)
                upwards.join()

    def _downwards(self, server: socket.socket, client: socket.socket) -> None:
        if self._answers_to_lose:
            self._answers_to_lose -= 1
            server.recv(1)
            return
        if self._cut_after is None:
            _pass(server, client)
            return
        if not _pass_events(server, client, self._cut_after) and len(self.heads) % 2:
            # Every other cut is one without a word of goodbye: RST instead of FIN.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(_CHUNK)
        if not data:
            break
        head += data
    return head


def _pass(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes until either end closes."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError:
        pass
    _shut(target)


def _pass_events(source: socket.socket, target: socket.socket, most: int) -> bool:
    """Passes on so many events and the beginning of the next; says whether the source closed before."""
    kept = b""
    left = most
    try:
        while data := source.recv(_CHUNK):
            kept += data
            while (place := kept.find(_EVENT)) >= 0:
                target.sendall(kept[: place + len(_EVENT)])
                kept = kept[place + len(_EVENT) :]
                left -= 1
                if left < 0:
                    return False
            safe = len(kept) - _begun(kept)
            target.sendall(kept[:safe])
            kept = kept[safe:]
        target.sendall(kept)
    except OSError:
        pass
    return True


def _begun(data: bytes) -> int:
    """How much of the marker the end of the data may be the beginning of."""
    return next(length for length in range(len(_EVENT) - 1, -1, -1) if data.endswith(_EVENT[:length]))


def _shut(each: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    try:
        each.shutdown(how)
    except OSError:
        # It is closed already.
        return
