"""Sessions: conversations that outlive their tasks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .._address import segment
from .._call import Call, given
from .connection import Connection

if TYPE_CHECKING:
    from ..models import Deleted, SessionInfo, SessionList


class Sessions(Connection):
    """What can be done with sessions."""

    def list_sessions(self) -> SessionList:
        """The caller's sessions, oldest first."""
        call: Call[SessionList] = Call("GET", "/api/v1/sessions")
        return self._send(call)

    def create_session(self, workspace: str | os.PathLike[str], session_id: str | None = None) -> SessionInfo:
        """Makes a session before its first task; tasks go on with it by `session={"reuse_existing": True, …}`.

        Raises:
            ConflictError: The session id is taken.
        """
        body = given(workspace=os.fspath(workspace), session_id=session_id)
        call: Call[SessionInfo] = Call("POST", "/api/v1/sessions", body=body, repeatable=False)
        return self._send(call)

    def get_session(self, session_id: str) -> SessionInfo:
        """A session."""
        call: Call[SessionInfo] = Call("GET", _path(session_id))
        return self._send(call)

    def delete_session(self, session_id: str, *, force: bool = False) -> Deleted:
        """Ends a session: its agent and its conversation. Its tasks stay readable.

        Args:
            session_id: The session.
            force: Interrupt what runs in it.

        Raises:
            ConflictError: A task runs or waits in it.
        """
        parameters = {"force": True} if force else {}
        call: Call[Deleted] = Call("DELETE", _path(session_id), parameters, repeatable=False)
        return self._send(call)

    def fork_session(self, session_id: str, new_session_id: str | None = None) -> SessionInfo:
        """Makes a session that begins with a copy of another one's conversation.

        Raises:
            ConflictError: The new id is taken, or there is no conversation yet.
        """
        body = given(session_id=new_session_id)
        call: Call[SessionInfo] = Call("POST", f"{_path(session_id)}/fork", body=body, repeatable=False)
        return self._send(call)

    def get_transcript(self, session_id: str) -> list[dict[str, Any]]:
        """What was said in a conversation so far, oldest first; each has `uuid`, `type`, `timestamp`, `message`."""
        call: Call[str] = Call("GET", f"{_path(session_id)}/transcript")
        response = self._response(call)
        # Not `splitlines`, which also parts at characters that JSON texts may hold.
        return [json.loads(line) for line in response.text.split("\n") if line]


def _path(session_id: str) -> str:
    return f"/api/v1/sessions/{segment('session_id', session_id)}"
