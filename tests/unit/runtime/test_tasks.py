"""A task that loses a cancellation is ended all the same."""

from __future__ import annotations

import asyncio

import pytest

from runtime import tasks
from runtime.tasks import end


async def test_a_loop_that_swallows_a_cancellation_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.001)
    swallowed = 0

    async def forgetful() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    await end(task, None)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_what_a_task_raises_is_not_raised_again() -> None:
    async def failing() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end(task)
    assert task.done()


async def test_whoever_waits_for_the_end_can_be_canceled() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if stopping:
                    raise

    stopping = False
    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await end(task)
    stopping = True
    await end(task)
