"""Where the server is, and what shows it who calls."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from ._version import __version__

DEFAULT_URL = "http://localhost:8000"


class Address:
    """The bases of all URLs, and the headers of all requests. The key is in a header, never in a URL."""

    def __init__(self, base_url: str | None, api_key: str | None) -> None:
        """Reads `CLAUDE_SERVER_URL` and `CLAUDE_SERVER_API_KEY` for what is not given.

        Raises:
            ValueError: The URL is not of the form `http://host` or `https://host`, with a port and a path as needed, or
                the key cannot be one.
        """
        url = base_url or os.environ.get("CLAUDE_SERVER_URL") or DEFAULT_URL
        key = os.environ.get("CLAUDE_SERVER_API_KEY") if api_key is None else api_key
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"base_url is {url!r}: it has to be like http://localhost:8000 or https://host/path")
        if "@" in parts.netloc:
            raise ValueError("base_url must not hold a password: give the API key as api_key")
        base = f"{parts.netloc}{parts.path.rstrip('/')}"
        self.secure = parts.scheme == "https"
        self.http = f"{parts.scheme}://{base}"
        self.websocket = f"{'wss' if self.secure else 'ws'}://{base}"
        self.headers = {"User-Agent": f"claude-code-server-client/{__version__}"}
        # A key that was read from a file ends with a line end. What is wrong with another is said without repeating it.
        key = key.strip() if key else None
        if key and not all("!" <= sign <= "~" for sign in key):
            raise ValueError("the API key holds spaces, line ends or characters beyond ASCII, which no key has")
        if key:
            self.headers["Authorization"] = f"Bearer {key}"


def segment(name: str, value: str) -> str:
    """An id as a part of a path, so that it cannot name another path.

    Raises:
        ValueError: It is empty, or what in paths means a folder.
    """
    if value in {"", ".", ".."}:
        raise ValueError(f"{name} must not be {value!r}")
    return quote(value, safe="")
