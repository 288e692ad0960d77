"""Tasks: submit, look at, wait for, stop, talk to."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any, overload
from uuid import uuid4

from .._address import segment
from .._call import Call, commas, given, new_id
from ..errors import WaitTimeoutError
from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from typing_extensions import Unpack

    from .._filters import ListFilters
    from ..models import (
        AnswerFields,
        BatchResponse,
        Decision,
        Deleted,
        InterruptResponse,
        MessageReceipt,
        TaskFields,
        TaskList,
        TaskRequest,
        TaskResponse,
        TaskStatusResponse,
    )

# How long one request waits for the end of a task, in seconds: proxies often cut what is silent for 60.
_LONGEST_POLL = 30


class Tasks(Connection):
    """What can be done with tasks."""

    @overload
    async def submit_task(
        self,
        task_id: str | None,
        prompt: str,
        workspace: str | os.PathLike[str],
        **fields: Unpack[TaskFields],
    ) -> TaskResponse: ...

    @overload
    async def submit_task(
        self,
        *,
        prompt: str,
        workspace: str | os.PathLike[str],
        task_id: str | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskResponse: ...

    async def submit_task(
        self,
        task_id: str | None = None,
        prompt: str = "",
        workspace: str | os.PathLike[str] = "",
        **fields: Unpack[TaskFields],
    ) -> TaskResponse:
        """Submits a task. When this returns, the task exists, however the server ends.

        A request that got no answer is sent again: the same id and body are the same task.

        Args:
            task_id: A name for it; None for a new one.
            prompt: What the agent is told.
            workspace: The folder that it works in, on the server's machine: an absolute path.
            **fields: What else `TaskRequest` has: `options`, `session`, `priority`, `labels`, …

        Raises:
            BadRequestError: The workspace is missing or not allowed.
            ConflictError: The id is taken by another task, or the session is busy.
            InvalidRequestError: `faults` says what is wrong.
            UnavailableError: The queue is full.
        """
        body = given(task_id=task_id or new_id("task"), prompt=prompt, workspace=os.fspath(workspace), **fields)
        call: Call[TaskResponse] = Call("POST", "/api/v1/tasks", body=body)
        return await self._send(call)

    async def submit_batch(self, tasks: Sequence[TaskRequest]) -> BatchResponse:
        """Submits several tasks in their order. Each has its result: `task`, or the `problem` why it was refused."""
        named = [task if task.get("task_id") else {**task, "task_id": new_id("task")} for task in tasks]
        call: Call[BatchResponse] = Call("POST", "/api/v1/tasks/batch", body={"tasks": named})
        return await self._send(call)

    async def get_task_status(self, task_id: str) -> TaskStatusResponse:
        """Where a task is: status, progress, result, place in the queue."""
        call: Call[TaskStatusResponse] = Call("GET", _path(task_id))
        return await self._send(call)

    async def wait_for_task(self, task_id: str, timeout: float | None = None) -> TaskStatusResponse:
        """Where a task is once it has ended. A server that is started again meanwhile is waited for, too.

        Args:
            task_id: The task.
            timeout: How long to wait, in seconds, about; None for as long as it takes.

        Raises:
            WaitTimeoutError: It has not ended in that time. It goes on.
        """
        until = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            wait = math.ceil(min(_LONGEST_POLL, max(0.0, until - time.monotonic())))
            call: Call[TaskStatusResponse] = Call("GET", f"{_path(task_id)}/result", {"wait": wait}, patience=wait)
            status = await self._send(call, self._reconnects)
            if status.get("result") is not None:
                return status
            if time.monotonic() >= until:
                raise WaitTimeoutError(status)

    async def list_tasks(self, **filters: Unpack[ListFilters]) -> TaskList:
        """A page of the caller's tasks, newest first. `next_cursor`, given as `cursor`, brings the next page.

        Args:
            **filters: `status`, `session_id`, `workspace`, `label`, `created_from`, `created_before`, `order`, `limit`,
                `cursor`.
        """
        parameters: dict[str, Any] = dict(filters)
        parameters["status"] = commas(parameters.get("status"))
        call: Call[TaskList] = Call("GET", "/api/v1/tasks", parameters)
        return await self._send(call)

    async def iter_tasks(self, **filters: Unpack[ListFilters]) -> AsyncGenerator[TaskStatusResponse, None]:
        """All of the caller's tasks, page by page; `limit` is the size of a page."""
        wanted: ListFilters = {**filters}
        while True:
            page = await self.list_tasks(**wanted)
            for task in page["tasks"]:
                yield task
            wanted["cursor"] = page.get("next_cursor")
            if wanted["cursor"] is None:
                return

    async def interrupt_task(self, task_id: str) -> InterruptResponse:
        """Stops a task; returns when it has ended.

        Raises:
            ConflictError: It has already ended.
        """
        call: Call[InterruptResponse] = Call("POST", f"{_path(task_id)}/interrupt", repeatable=False)
        return await self._send(call)

    async def change_priority(self, task_id: str, priority: int) -> TaskStatusResponse:
        """Makes a waiting task more or less urgent: -100 to 100.

        Raises:
            ConflictError: It runs, or has ended.
        """
        call: Call[TaskStatusResponse] = Call("PATCH", _path(task_id), body={"priority": priority})
        return await self._send(call)

    async def delete_task(self, task_id: str) -> Deleted:
        """Forgets a task that has ended, and its events.

        Raises:
            ConflictError: It has not ended.
        """
        call: Call[Deleted] = Call("DELETE", _path(task_id), repeatable=False)
        return await self._send(call)

    async def send_message(self, task_id: str, text: str, *, message_id: str | None = None) -> MessageReceipt:
        """Says something to the agent that is at work on a task.

        Args:
            task_id: The task.
            text: What it is told.
            message_id: Names the message, a UUID; one that the task has already is not told twice. None for a new one.

        Raises:
            ConflictError: No agent is at work on it.
        """
        body = {"text": text, "message_id": message_id or str(uuid4())}
        call: Call[MessageReceipt] = Call("POST", f"{_path(task_id)}/messages", body=body)
        return await self._send(call)

    async def answer_question(
        self, task_id: str, question_id: str, decision: Decision, **answer: Unpack[AnswerFields]
    ) -> TaskStatusResponse:
        """Answers a question that a task waits with (its status' `question`); the task goes on.

        Args:
            task_id: The task.
            question_id: The question.
            decision: `allow` or `deny`.
            **answer: What else `AnswerRequest` has: `message`, `remember`, `updated_input`, `answers`.

        Raises:
            NotFoundError: It does not wait for that answer.
            ConflictError: It has another one.
        """
        body: Mapping[str, Any] = given(question_id=question_id, decision=decision, **answer)
        call: Call[TaskStatusResponse] = Call("POST", f"{_path(task_id)}/answers", body=body)
        return await self._send(call)


def _path(task_id: str) -> str:
    return f"/api/v1/tasks/{segment('task_id', task_id)}"
