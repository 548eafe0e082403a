"""What every role tells of itself: its name and version, and how long its event loop was kept from running."""

from __future__ import annotations

import asyncio
import contextlib
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from runtime import compiled
from runtime.logs import logger
from runtime.metrics import BUILD_INFO, LOOP_STALL

log = logger("vitals")

SPAN_S: Final = 10.0
STEP_S: Final = 0.25


def release() -> str:
    """The installed version of this project."""
    try:
        return version("smpp-dispatch")
    except PackageNotFoundError:
        return "unknown"


class Vitals:
    """A part of a role's lifecycle."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        BUILD_INFO.labels(self._role, release()).set(1)
        log.info("role_starts", role=self._role, version=release(), compiled=compiled.state)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        worst, since = 0.0, time.monotonic()
        while True:
            due = time.monotonic() + STEP_S
            await asyncio.sleep(STEP_S)
            now = time.monotonic()
            worst = max(worst, now - due)
            if now - since >= SPAN_S:
                LOOP_STALL.set(worst)
                worst, since = 0.0, now
