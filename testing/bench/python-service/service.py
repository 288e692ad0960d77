"""Tasks for Claude over HTTP, in the way that the official SDK for Python suggests: what our server is compared with.

One `ClaudeSDKClient` a task, everything in memory, one queue a subscriber. Late subscribers get all messages from the first on.
Run it with `python service.py`; settings come from the environment, see `Settings`.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import uvicorn
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field
from pydantic_core import to_json

logger = logging.getLogger(__name__)

Status = Literal["pending", "running", "completed", "failed", "interrupted"]


@dataclass(frozen=True)
class Settings:
    """What the environment says."""

    port: int = field(default_factory=lambda: int(os.environ.get("PORT", "8000")))
    cli_path: str | None = field(default_factory=lambda: os.environ.get("CLAUDE_CLI_PATH"))
    max_concurrent: int = field(default_factory=lambda: int(os.environ.get("MAX_CONCURRENT", "10")))


class TaskRequest(BaseModel):
    """A task to be done."""

    prompt: str
    workspace: Path
    task_id: str = Field(default_factory=lambda: str(uuid4()))


@dataclass(eq=False)
class Task:
    """One task, its messages so far, and who listens."""

    request: TaskRequest
    status: Status = "pending"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    messages: list[str] = field(default_factory=list)
    subscribers: set[asyncio.Queue[str | None]] = field(default_factory=set)
    client: ClaudeSDKClient | None = None
    work: asyncio.Task[None] | None = None
    is_interrupted: bool = False
    result: ResultMessage | None = None
    error: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ("completed", "failed", "interrupted")

    def publish(self, kind: str, data: Any) -> None:
        """Encodes a message once and gives it to everybody."""
        message = {"type": kind, "seq": len(self.messages) + 1, "task_id": self.request.task_id, "data": data}
        text = to_json(message).decode()
        self.messages.append(text)
        for queue in self.subscribers:
            queue.put_nowait(text)

    def end(self, status: Status) -> None:
        """Tells everybody how it ended."""
        self.status = status
        summary = self.result.result if self.result else None
        self.publish("complete", {"status": status, "summary": summary, "error": self.error})
        for queue in self.subscribers:
            queue.put_nowait(None)

    def described(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "task_id": self.request.task_id,
            "status": self.status,
            "created_at": self.created_at,
            "summary": self.result.result if self.result else None,
            "total_cost_usd": self.result.total_cost_usd if self.result else None,
            "error": self.error,
        }

    async def stream(self) -> AsyncIterator[str]:
        """All messages from the first on, then those that come."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        past = list(self.messages)
        if not self.has_ended:
            self.subscribers.add(queue)
        try:
            for text in past:
                yield text
            while not self.has_ended or not queue.empty():
                text = await queue.get()
                if text is None:
                    return
                yield text
        finally:
            self.subscribers.discard(queue)


settings = Settings()
tasks: dict[str, Task] = {}
places = asyncio.Semaphore(settings.max_concurrent)
app = FastAPI(title="Claude tasks")


async def converse(task: Task) -> None:
    """Runs the task's one turn."""
    options = ClaudeAgentOptions(
        cwd=task.request.workspace,
        cli_path=settings.cli_path,
        permission_mode="acceptEdits",
        allowed_tools=["Read", "Write", "Edit", "Bash"],
    )
    async with ClaudeSDKClient(options) as client:
        task.client = client
        await client.query(task.request.prompt)
        async for message in client.receive_response():
            task.publish(type(message).__name__, message)
            if isinstance(message, ResultMessage):
                task.result = message


async def run(task: Task) -> None:
    """Runs a task when there is a place, and ends it however that went."""
    try:
        async with places:
            task.status = "running"
            await converse(task)
    except asyncio.CancelledError:
        task.is_interrupted = True
    except Exception as error:
        logger.exception("task %s failed", task.request.task_id)
        task.error = str(error)
    is_good = task.result is not None and not task.result.is_error
    task.end("interrupted" if task.is_interrupted else "completed" if is_good else "failed")


def find(task_id: str) -> Task:
    """The task, or a 404."""
    if task_id not in tasks:
        raise HTTPException(404, f"no task {task_id}")
    return tasks[task_id]


@app.get("/health")
async def health() -> dict[str, Any]:
    """Liveness."""
    return {"status": "healthy", "active_tasks": sum(not task.has_ended for task in tasks.values())}


@app.post("/api/v1/tasks")
async def submit(request: TaskRequest) -> dict[str, Any]:
    """Begins a task; does not wait for its agent."""
    if request.task_id in tasks:
        raise HTTPException(409, f"there is a task {request.task_id}")
    task = tasks[request.task_id] = Task(request)
    task.work = asyncio.create_task(run(task))
    return task.described()


@app.get("/api/v1/tasks/{task_id}")
async def status(task_id: str) -> dict[str, Any]:
    """How a task stands."""
    return find(task_id).described()


@app.post("/api/v1/tasks/{task_id}/interrupt")
async def interrupt(task_id: str) -> dict[str, Any]:
    """Stops a task."""
    task = find(task_id)
    if task.has_ended:
        raise HTTPException(409, f"task {task_id} has ended")
    task.is_interrupted = True
    if task.client is not None:
        await task.client.interrupt()
    elif task.work is not None:
        task.work.cancel()
    return task.described()


@app.websocket("/ws/tasks/{task_id}")
async def watch(socket: WebSocket, task_id: str) -> None:
    """A task's messages, from the first on."""
    await socket.accept()
    if task_id not in tasks:
        await socket.close(1008, f"no task {task_id}")
        return
    try:
        async for text in tasks[task_id].stream():
            await socket.send_text(text)
        await socket.close()
    except WebSocketDisconnect:
        pass


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=settings.port, log_level="warning")
