"""Sends requests, again where that does no harm, and turns what fails into exceptions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import httpx

from .._address import Address
from .._call import query
from ..errors import ApiError, ConnectionFailedError
from ..retry import RECONNECTS, RetryPolicy, may_repeat
from . import io

if TYPE_CHECKING:
    from ssl import SSLContext

    from .._call import Call

T = TypeVar("T")

_LOG = logging.getLogger("claude_code_server_client")


class Connection:
    """The way to a server, and how it is used."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: RetryPolicy | None = None,
        reconnects: RetryPolicy | None = None,
        ssl_context: SSLContext | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            base_url: Where the server is; else `CLAUDE_SERVER_URL` says it, else it is http://localhost:8000.
            api_key: Shown to the server in a header; else `CLAUDE_SERVER_API_KEY`, if that is set.
            timeout: How long the server may take to accept a connection, or be silent during an answer, in seconds.
            retries: When requests are made again that got no answer, or one that says to try again.
            reconnects: When streams, and whoever waits for a task, connect again.
            ssl_context: How a server with https is checked, such as by a private certificate authority.

        Raises:
            ValueError: The URL is none of a server.
        """
        self._address = Address(base_url, api_key)
        self._timeout = timeout
        self._retries = retries or RetryPolicy()
        self._reconnects = reconnects or RECONNECTS
        self._context = ssl_context
        if ssl_context is None and self._address.secure:
            # The same for requests and streams: each library has another default.
            self._context = httpx.create_ssl_context()
        self._pool = io.Pool()

    async def aclose(self) -> None:
        """Closes the connections that are kept. The client may go on to be used."""
        await self._pool.aclose()

    def _http(self) -> io.HttpClient:
        return self._pool.http(self._address.headers, self._context)

    async def _response(self, call: Call[T], policy: RetryPolicy | None = None) -> httpx.Response:
        """An answer that is no error, after as many tries as it takes and the policy has.

        Raises:
            ApiError: The server refused it.
            ConnectionFailedError: No answer came.
        """
        policy = policy or self._retries
        retries = 0
        while True:
            try:
                return await self._response_once(call)
            except (ApiError, ConnectionFailedError) as error:
                delay = policy.delay(error, retries) if may_repeat(error, repeatable=call.repeatable) else None
                if delay is None:
                    raise
                _LOG.info("%s, again in %.1f s", error, delay)
            retries += 1
            await io.sleep(delay)

    async def _response_once(self, call: Call[T]) -> httpx.Response:
        try:
            response = await self._http().request(
                call.method,
                self._address.http + call.path,
                params=query(call.parameters),
                json=call.body,
                timeout=httpx.Timeout(self._timeout, read=self._timeout + call.patience),
            )
        except httpx.RequestError as error:
            raise call.failed(error, self._address.http) from error
        call.check(response)
        return response

    async def _send(self, call: Call[T], policy: RetryPolicy | None = None) -> T:
        """What the server answers, after as many tries as it takes and the policy has.

        Raises:
            ApiError: The server refused it.
            ConnectionFailedError: No answer came.
        """
        return call.answer(await self._response(call, policy))
