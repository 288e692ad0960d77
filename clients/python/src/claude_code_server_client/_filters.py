"""What lists can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .models import TaskStatus, Timestamp


class ListFilters(TypedDict, total=False):
    """Which tasks a list has, and in what order."""

    status: TaskStatus | Sequence[TaskStatus] | None
    session_id: str | None
    workspace: str | None
    label: str | list[str] | None
    created_from: Timestamp | None
    created_before: Timestamp | None
    order: Literal["newest", "oldest"] | None
    limit: int | None
    cursor: str | None
