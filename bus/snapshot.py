"""A compacted topic in memory: read whole at the start, followed for as long as the process lives.

Every process keeps `reference` so: switches, keys, accounts and cancellations are there when Postgres, or even Kafka, is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bus.ports import Reader, TopicPartition
from runtime.logs import logger
from runtime.tasks import end

log = logger("bus.snapshot")
RETRY_S = 0.5

Apply = Callable[[bytes, bytes | None], None]
"""Key and value, in the order of the topic; a value of None removes the key. Must not raise."""


class Snapshot:
    """Follows one single-partition compacted topic."""

    def __init__(self, reader: Reader, topic: str, apply: Apply) -> None:
        self._reader = reader
        self._tp = TopicPartition(topic, 0)
        self._apply = apply
        self._next = 0
        self._polls = 0
        self._empty_poll = 0
        """The number of the last poll that found nothing."""
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when everything that stood in the topic at the call has been applied."""
        await self._reader.start({self._tp: 0})
        begin = (await self._reader.begins([self._tp]))[self._tp]
        end = (await self._reader.ends([self._tp]))[self._tp]
        self._reader.seek(self._tp, begin)
        self._next = begin
        self._task = asyncio.create_task(self._follow(end))
        await self._caught_up.wait()

    async def stop(self) -> None:
        await end(self._task)
        await self._reader.stop()

    async def catch_up(self) -> None:
        """Returns when everything that stood in the topic at the call has been applied. Waits as long as Kafka does not
        answer: bound it."""
        end = (await self._reader.ends([self._tp]))[self._tp]
        # Of a poll under way it is not known whether it looked before or after; the end may be a gap that no record fills.
        enough = self._polls + 2
        while self._next < end and self._empty_poll < enough:
            await asyncio.sleep(0.005)

    @property
    def position(self) -> int:
        """The offset up to which everything is applied."""
        return self._next

    async def _follow(self, end: int) -> None:
        while True:
            if self._next >= end:
                self._caught_up.set()
            self._polls += 1
            try:
                found = await self._reader.poll(0.2, 10_000)
            except asyncio.CancelledError:
                raise
            except Exception as fault:
                log.warning("reference_not_read", fault=str(fault))
                await asyncio.sleep(RETRY_S)
                continue
            if not found:
                self._empty_poll = self._polls
            for record in found.get(self._tp, ()):
                if record.key is not None:
                    self._apply_one(record.key, record.value)
                self._next = record.offset + 1
            if not found and not self._caught_up.is_set():
                # The end of a compacted log may be a gap that no record fills. An empty poll alone does not say so: without
                # a lag no broker has answered yet.
                lag = self._reader.lag().get(self._tp)
                if lag is not None:
                    self._next = max(self._next, end - lag)

    def _apply_one(self, key: bytes, value: bytes | None) -> None:
        try:
            self._apply(key, value)
        except Exception:
            # One record that nobody can use must not keep all later switches and keys from this process.
            log.exception("reference_not_applied", key=key.decode("latin-1"))
