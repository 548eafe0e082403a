"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_S: Final = 0.5


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels these tasks and returns when they are over, whatever they raise.

    More than once if need be: a cancellation that comes in the very turn in which what a task waits for is done gets lost in
    `asyncio.wait_for` before Python 3.12 (python/cpython#86296), which libraries use, and a loop then goes on for ever.
    """
    pending = {task for task in tasks if task is not None}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN_S)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at, so that nobody is told that it was not
