"""Submits a task and shows what the agent does, as it does it."""

import asyncio
import os
from pathlib import Path

from claude_code_server_client import ClaudeServerClient, print_event


async def main() -> None:
    async with ClaudeServerClient() as client:
        task = await client.submit_task(
            prompt="Create hello.py that prints a greeting and run it", workspace=Path.cwd()
        )
        async for event in client.stream_progress(task["task_id"]):
            print_event(event)


try:
    asyncio.run(main())
except BrokenPipeError:  # nobody reads on, as after `| head`
    os._exit(141)
