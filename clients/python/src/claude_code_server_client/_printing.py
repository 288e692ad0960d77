"""Events as lines for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_TEXT = 100
# Persian, Indic scripts and emojis are joined by these.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def print_event(event: Mapping[str, object]) -> None:
    """Prints an event as one line, at once. What agents and tools say cannot control the terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    # What the terminal cannot show is no reason to end the program.
    print(_line(event).encode(encoding, "replace").decode(encoding), flush=True)


# One return for each type of event.
def _line(event: Mapping[str, object]) -> str:  # noqa: PLR0911
    match event:
        case {"type": "message", "data": {"message_type": kind, "content": "", "subtype": str(subtype)}}:
            return f"[{kind}] {_short(subtype)}"
        case {"type": "message", "data": {"message_type": kind, "content": content}}:
            return f"[{kind}] {_short(content)}"
        case {"type": "tool_use", "data": {"tool_name": name, "tool_input": given}}:
            return f"-> {_short(name)} {_short(given)}"
        case {"type": "tool_result", "data": {"is_error": is_error, "content": content}}:
            return f"<- {'error: ' if is_error else ''}{_short(content)}"
        case {"type": "progress", "data": progress}:
            return _progress(progress)
        case {"type": "complete", "data": {"status": status, "exit_code": exit_code, "summary": summary}}:
            return f"{status} ({exit_code}): {_short(summary)}"
        case {"type": "error", "data": {"error": error}}:
            return f"error: {_short(error)}"
        case _:
            return f"{_short(event.get('type'))}: {_short(event.get('data'))}"


def _progress(progress: object) -> str:
    if not isinstance(progress, dict):
        return "progress"
    named = {"turns": "turns", "tokens_used": "tokens", "files_modified": "files", "elapsed_time_ms": "ms"}
    return "progress: " + ", ".join(f"{progress.get(name, 0)} {word}" for name, word in named.items())


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    text = "".join(c if c.isprintable() or c in _JOINERS else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "\N{HORIZONTAL ELLIPSIS}"
