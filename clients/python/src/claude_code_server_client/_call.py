"""Requests as values, and what their answers mean. Knows nothing of how they are sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from uuid import uuid4

import httpx

from .errors import ConnectionFailedError, api_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

Parameter = str | int | bool | None | list[str]

# With these, the server has heard nothing of the request.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request whose answer is a `T`.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL.
        parameters: Its query; those that are None are left out, several values are said several times.
        body: Its body, to be sent as JSON.
        repeatable: Whether it does no harm to carry it out twice, so that it may be sent again when no answer came.
        also: Statuses that are an answer, too, and no error.
        patience: How many seconds longer than usual the answer may take.
    """

    method: str
    path: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    body: object = None
    repeatable: bool = True
    also: frozenset[int] = frozenset()
    patience: float = 0.0

    def failed(self, error: httpx.HTTPError, base: str) -> ConnectionFailedError:
        """The exception for a request that got no answer from the server with that base URL."""
        reason = str(error) or type(error).__name__
        message = f"{self.method} {base}{self.path}: {reason}"
        return ConnectionFailedError(message, sent=not isinstance(error, _UNSENT))

    def check(self, response: httpx.Response) -> None:
        """Says no when the server did.

        Raises:
            ApiError: It is a refusal.
        """
        if not response.is_success and response.status_code not in self.also:
            raise api_error(response.status_code, response.headers, response.content)

    def answer(self, response: httpx.Response) -> T:
        """The JSON that a response holds, as it is: what a newer server adds is kept.

        Raises:
            ConnectionFailedError: It is no JSON, so not the server's.
        """
        try:
            return cast("T", json.loads(response.content))
        except ValueError as error:
            message = (
                f"{self.method} {self.path}: status {response.status_code} without JSON: is that Claude Code Server?"
            )
            raise ConnectionFailedError(message) from error


def query(parameters: Mapping[str, Parameter]) -> dict[str, str | list[str]]:
    """A query without what is None."""
    return {name: _said(value) for name, value in parameters.items() if value is not None}


def _said(value: str | int | bool | list[str]) -> str | list[str]:  # noqa: FBT001
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list) else str(value)


def commas(values: str | Sequence[str] | None) -> str | None:
    """One or several words as the API's filters take them."""
    return values if values is None or isinstance(values, str) else ",".join(values)


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def new_id(kind: str) -> str:
    """An id of the client's making: who has one can repeat a request."""
    return f"{kind}-{uuid4().hex}"
