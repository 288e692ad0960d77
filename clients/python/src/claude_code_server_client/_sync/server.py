"""The server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._address import segment
from .._call import Call, given
from ..errors import UnavailableError
from ..retry import RetryPolicy
from .connection import Connection

if TYPE_CHECKING:
    from ..models import Capabilities, Draining, Health, InstanceList, Ready, TicketResponse

# Whoever asks how the server is wants to hear it at once.
_ONCE = RetryPolicy(max_retries=0)


class Server(Connection):
    """What can be asked of the server itself."""

    def health_check(self) -> Health:
        """How the server is: `healthy`, `degraded` or `unhealthy`, and why. It is asked once.

        Raises:
            ConnectionFailedError: No server answers.
        """
        call: Call[Health] = Call("GET", "/health", also=frozenset({503}))
        return self._send(call, _ONCE)

    def is_ready(self) -> bool:
        """Whether the server can take a task now. It is asked once.

        Raises:
            ConnectionFailedError: No server answers.
        """
        call: Call[Ready] = Call("GET", "/ready")
        try:
            self._send(call, _ONCE)
        except UnavailableError:
            return False
        return True

    def get_capabilities(self) -> Capabilities:
        """What the server can do, and lets the caller do."""
        call: Call[Capabilities] = Call("GET", "/api/v1/capabilities")
        return self._send(call)

    def issue_ticket(self, task_id: str | None = None) -> TicketResponse:
        """A ticket that opens one stream, once, within a minute, as `?ticket=`: for a browser that has no key.

        Args:
            task_id: The task whose events it opens; None for those of all tasks.
        """
        call: Call[TicketResponse] = Call("POST", "/api/v1/tickets", body=given(task_id=task_id))
        return self._send(call)

    def list_instances(self) -> InstanceList:
        """The servers that share the storage; none when it is this server's alone."""
        call: Call[InstanceList] = Call("GET", "/api/v1/instances")
        return self._send(call)

    def drain_instance(self, instance_id: str) -> Draining:
        """Hands a server nothing more; what it runs goes on."""
        call: Call[Draining] = Call("POST", _drain(instance_id))
        return self._send(call)

    def undrain_instance(self, instance_id: str) -> Draining:
        """Hands a server tasks again."""
        call: Call[Draining] = Call("DELETE", _drain(instance_id))
        return self._send(call)


def _drain(instance_id: str) -> str:
    return f"/api/v1/instances/{segment('instance_id', instance_id)}/drain"
