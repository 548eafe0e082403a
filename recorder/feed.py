"""Reads a share of the partitions and makes batches of it, one ahead of the one that is being projected."""

from __future__ import annotations

import asyncio
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
from runtime.tasks import end

log = logger("recorder.feed")
POLL_S: Final = 1.0
BACKLOG_POLL_S: Final = 0.05
PATIENCE_S: Final = 0.5
_OTHERS: Final = 8
"""An eighth of a batch is for messages that nothing came of yet, however many outcomes there are to catch up with."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """How much goes into a batch, how long the first record may wait for others, and a message for its outcome.

    Under load both wait longer, for larger batches and fewer rows that are written twice: nobody can tell a row that came
    half a second later from a queue that is half a second long.
    """

    most_records: int
    wait_s: float
    hold_s: float = 0.0
    busy_wait_s: float = 0.0
    busy_hold_s: float = 0.0


class Pulse:
    """Whether many records come. Pure."""

    def __init__(self, busy_per_s: float = 6000.0) -> None:
        self._busy_per_s = busy_per_s
        self._since = 0.0
        self._count = 0
        self.busy = False

    def beat(self, count: int, now: float) -> None:
        """So many came. Judged once in half a second."""
        self._count += count
        passed_s = now - self._since
        if passed_s >= 0.5:
            self.busy = self._count >= self._busy_per_s * min(passed_s, 1.0)
            self._since, self._count = now, 0


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
        self._pairing = Pairing(decoder.sources, positions)
        self._pulse = Pulse()
        self._paused: set[TopicPartition] = set()
        self._task: asyncio.Task[None] | None = None
        self.stopped: dict[TopicPartition, str] = {}
        """Partitions that wait for a newer release, with the reason."""

    async def start(self) -> None:
        await self._reader.start(self.positions)
        self._task = asyncio.create_task(self._read_forever())

    async def stop(self) -> None:
        await end(self._task)
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
        self._hold_back(most, most // 4)
        await self._poll(0 if aligner.count else self._until_overdue(POLL_S))
        if not aligner.count and self._until_overdue(POLL_S):
            return {}
        behind = self._behind()
        if aligner.count + sum(behind.values()) < most:
            await self._poll_a_while(most)
            return await self._with_messages(aligner.take(most))
        return await self._with_messages(await self._gather_backlog(most, behind))

    async def _poll_a_while(self, most: int) -> None:
        """Until the short while is over. Under load what comes is read at once: a partition is fetched on only when that was
        handed out, so that one look at the end would find one fetch of each (4,200 messages a second of two partitions)."""
        if not self._pulse.busy:
            await asyncio.sleep(self._gathering.wait_s)
            await self._poll(0)
            return
        until = self._clock.monotonic() + self._gathering.busy_wait_s
        while self._aligner.count < most and (left_s := until - self._clock.monotonic()) > 0:
            self._hold_back(most, most)
            await self._poll(left_s)

    async def _gather_backlog(self, most: int, behind: Mapping[TopicPartition, int]) -> Records:
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            self._hold_back(most, most // 4)
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

    async def _with_messages(self, taken: Records) -> Records:
        """These records, the messages that they are about, and messages that have waited long enough."""
        reach = self._pairing.reach(taken)
        began = self._clock.monotonic()
        while unread := self._pairing.unread(reach):
            # Messages stand in Kafka before their outcomes do: what is missing is there to be read.
            behind = self._reader.lag()
            patience_s = PATIENCE_S if any(behind.get(tp) for tp in unread) else BACKLOG_POLL_S
            if self._clock.monotonic() >= began + patience_s:
                break
            self._reader.resume(unread & self._paused)
            self._paused -= unread
            await self._poll(BACKLOG_POLL_S)
        most = self._gathering.most_records
        room = most - sum(map(len, taken.values()))
        return taken | self._pairing.release(reach, self._clock.monotonic() - self._hold_s(), room, most // _OTHERS)

    def _hold_s(self) -> float:
        return self._gathering.busy_hold_s if self._pulse.busy else self._gathering.hold_s

    def _until_overdue(self, most_s: float) -> float:
        """Seconds until the message that waits longest has waited long enough, at most `most_s`."""
        oldest = self._pairing.oldest()
        return most_s if oldest is None else min(most_s, max(0.0, oldest + self._hold_s() - self._clock.monotonic()))

    async def _poll(self, timeout_s: float) -> int:
        """Reads what there is; gives how many records came that need not wait for others."""
        found = await self._reader.poll(timeout_s, self._gathering.most_records)
        now = self._clock.monotonic()
        self._pulse.beat(sum(map(len, found.values())), now)
        return self._aligner.add(self._pairing.hold(found, now))

    def _behind(self) -> dict[TopicPartition, int]:
        """Partitions with records that were not read yet, and how many; of messages those are read that are wanted."""
        lag = self._reader.lag().items()
        return {tp: count for tp, count in lag if count and tp not in self.stopped and not self._pairing.holds(tp)}

    def _hold_back(self, most: int, enough: int) -> None:
        """A partition of which more than `enough` waits here is not read on: others are what is missing. Bounds what is held,
        too: of too many messages none are read on, for those that an outcome needs are read then (`_with_messages`)."""
        enough = 0 if self._aligner.count > 2 * most else enough
        crowded = self._pairing.count > 2 * most
        full = {
            tp
            for tp in self.positions
            if tp not in self.stopped
            and (
                self._aligner.held(tp) > enough
                or self._pairing.held(tp) > most // 4
                or (crowded and self._pairing.holds(tp))
            )
        }
        self._reader.pause(full - self._paused)
        self._reader.resume(self._paused - full - self.stopped.keys())
        self._paused = full

    @property
    def waiting(self) -> int:
        """Records that were read and are in no batch yet."""
        return self._aligner.count + self._pairing.count

    def _stop_at(self, newer: Mapping[TopicPartition, str]) -> None:
        self._reader.pause(newer)
        for tp, reason in newer.items():
            self.stopped[tp] = reason
            self._aligner.drop(tp)
            self._pairing.drop(tp)
            log.error("partition_waits_for_a_newer_release", topic=tp.topic, partition=tp.partition, reason=reason)
        PROJECTION_STOPPED.set(len(self.stopped))
