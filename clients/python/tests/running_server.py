"""A server process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
from threading import Thread
from typing import IO, TYPE_CHECKING

from .binaries import server_binary, stub_agent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_START_WITHIN = 30
_STOP_WITHIN = 30


class RunningServer:
    """A server in demo mode, in a folder of its own; it can be started again where it was."""

    def __init__(self, folder: Path, *, cli: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
        """Starts it, and waits until it listens. Without a CLI its agents are stubs, whose prompts say what they do."""
        self.folder = folder
        self.workspace = folder / "workspaces" / "one"
        self.workspace.mkdir(parents=True)
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "STORAGE_DATA_DIR": str(folder / "data"),
            "WORKSPACE_ROOTS": str(folder / "workspaces"),
            "CLAUDE_CLI_PATH": str(cli or stub_agent()),
            "MONITORING_PROMETHEUS_ENABLED": "false",
            **(variables or {}),
        }
        self.url = ""
        self.port = 0
        self.start()

    def start(self) -> None:
        """Starts it, on the port that it had."""
        self._process = subprocess.Popen(
            [server_binary(), "serve", "--demo", "--port", str(self.port)],
            env=self._environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output = self._process.stdout
        assert output is not None
        listening: queue.Queue[str | list[str]] = queue.Queue()
        self._log = Thread(target=_read_log, args=(output, listening))
        self._log.start()
        url = listening.get(timeout=_START_WITHIN)
        assert isinstance(url, str), f"the server did not start: {url}"
        self.url = url
        self.port = int(url.rpartition(":")[2])

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it in order, or with SIGKILL as a crash does."""
        self._process.send_signal(how)
        self._process.wait(timeout=_STOP_WITHIN)
        self._log.join(timeout=_STOP_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.end()
        self._log.join(timeout=_STOP_WITHIN)


def _read_log(output: IO[str], listening: queue.Queue[str | list[str]]) -> None:
    """Says where the server listens, or what it said instead; reads on, so that it is not held up."""
    lines = []
    with output:
        for line in output:
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("message") == "listening":
                listening.put(entry["url"])
            lines.append(line)
    listening.put(lines)
