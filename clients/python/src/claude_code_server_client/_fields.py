"""What methods take by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .models import OptionsRequest, RetryRequest, SessionRequest, TaskId, TaskStatus, Timestamp


class TaskFields(TypedDict, total=False):
    """What a submission may say beside `task_id`, `prompt` and `workspace`: see `TaskRequest`."""

    options: OptionsRequest | None
    session: SessionRequest | None
    priority: int | None
    labels: dict[str, str] | None
    metadata: dict[str, Any] | None
    depends_on: list[TaskId] | None
    retry: RetryRequest | None
    start_at: Timestamp | None
    delay_seconds: int | None


class AnswerFields(TypedDict, total=False):
    """What an answer may say beside its decision: see `AnswerRequest`."""

    message: str | None
    remember: bool | None
    updated_input: dict[str, Any] | None
    answers: dict[str, str] | None


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
