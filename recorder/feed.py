"""Reads a share of the partitions and makes batches of it, one ahead of the one that is being projected."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bus.ports import Reader, TopicPartition
from recorder.alignment import Aligner, Records
from recorder.batches import Batch, Decoder
from recorder.pairing import Pairing
from runtime.clock import Clock
from runtime.logs import logger
from runtime.metrics import PROJECTION_STOPPED

log = logger("recorder.feed")
POLL_S: Final = 1.0
BACKLOG_POLL_S: Final = 0.05
PATIENCE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Gathering:
    """How much goes into a batch, and how long the first record may wait for others."""

    most_records: int
    wait_s: float
    hold_s: float = 0.0
    """How long a message waits for its outcome (recorder.pairing)."""


class Feed:
    """One share, from the positions on. `next` gives batches in order; a batch that was not projected means a new feed."""

    def __init__(
        self,
        reader: Reader,
        decoder: Decoder,
        positions: Mapping[TopicPartition, int],
        gathering: Gathering,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._decoder = decoder
        self.positions = dict(positions)
        self._gathering = gathering
        self._clock = clock
        self._batches: asyncio.Queue[Batch | Exception | None] = asyncio.Queue(1)
        self._aligner = Aligner()
        self._pairing = Pairing(decoder.sources, gathering.hold_s, gathering.most_records)
        self._paused: set[TopicPartition] = set()
        self._task: asyncio.Task[None] | None = None
        self.stopped: dict[TopicPartition, str] = {}
        """Partitions that wait for a newer release, with the reason."""

    async def start(self) -> None:
        await self._reader.start(self.positions)
        self._task = asyncio.create_task(self._read_forever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._reader.stop()
        PROJECTION_STOPPED.set(0)

    async def next(self, timeout_s: float) -> Batch | None:
        """The next batch; None when there is none in time. Raises what reading raised (ReadError)."""
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._batches.get()
        except TimeoutError:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def interrupt(self) -> None:
        """Ends a `next` that waits: the share is over."""
        if self._batches.empty():
            self._batches.put_nowait(None)

    async def _read_forever(self) -> None:
        try:
            while True:
                await self._read()
        except Exception as fault:
            # Whoever waits for a batch gets it.
            await self._batches.put(fault)

    async def _read(self) -> None:
        records = await self._gather()
        if not records:
            return
        self._decoder.now_ms = self._clock.wall_ms()
        batch = self._decoder.decode(records, self.positions)
        self.positions.update({tp: stop for tp, (_, stop) in batch.spans.items()})
        if batch.newer:
            self._stop_at(batch.newer)
        await self._batches.put(batch)

    async def _gather(self) -> Records:
        """Some records: of a backlog as many as fit, in step with each other; else those of a short while."""
        most, aligner = self._gathering.most_records, self._aligner
        self._hold_back(most)
        await self._poll(0 if aligner.count else POLL_S)
        if not aligner.count:
            return {}
        behind = self._behind()
        if aligner.count + sum(behind.values()) < most:
            await asyncio.sleep(self._gathering.wait_s)
            await self._poll(0)
            return aligner.take(most)
        return await self._gather_backlog(most, behind)

    async def _gather_backlog(self, most: int, behind: Mapping[TopicPartition, int]) -> Records:
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            self._hold_back(most)
            if self._aligner.count >= most or not behind:
                taken = self._aligner.take(most, behind)
                # A partition that gives nothing must not hold up the others for long.
                if taken or self._clock.monotonic() >= deadline:
                    return taken or self._aligner.take(most)
            if not await self._poll(BACKLOG_POLL_S) and not behind:
                return self._aligner.take(most)
            behind = self._behind()
            if self._clock.monotonic() >= deadline:
                return self._aligner.take(most)

    async def _poll(self, timeout_s: float) -> int:
        """Reads what there is; gives how many records came, or had waited long enough."""
        pause_s = self._pairing.wait_s(self._clock.monotonic())
        wait_s = timeout_s if pause_s is None else min(timeout_s, pause_s)
        found = await self._reader.poll(wait_s, self._gathering.most_records)
        return self._aligner.add(self._pairing.pass_on(found, self._clock.monotonic()))

    def _behind(self) -> dict[TopicPartition, int]:
        """Partitions with records that were not read yet, and how many."""
        return {tp: count for tp, count in self._reader.lag().items() if count and tp not in self.stopped}

    def _hold_back(self, most: int) -> None:
        """A partition of which much waits here is not read on: others are what is missing. Bounds what is held, too."""
        enough = 0 if self._aligner.count > 2 * most else most // 4
        full = {tp for tp in self.positions if self._held(tp) > enough and tp not in self.stopped}
        self._reader.pause(full - self._paused)
        self._reader.resume(self._paused - full - self.stopped.keys())
        self._paused = full

    def _held(self, tp: TopicPartition) -> int:
        return self._aligner.held(tp) + self._pairing.held(tp)

    def _stop_at(self, newer: Mapping[TopicPartition, str]) -> None:
        self._reader.pause(newer)
        for tp, reason in newer.items():
            self.stopped[tp] = reason
            self._aligner.drop(tp)
            self._pairing.drop(tp)
            log.error("partition_waits_for_a_newer_release", topic=tp.topic, partition=tp.partition, reason=reason)
        PROJECTION_STOPPED.set(len(self.stopped))
