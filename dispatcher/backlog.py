"""Records read ahead of their turn, by class, and whose turn it is: otp always first, then notice and marketing 4 to 1."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from bus.ports import StoredRecord
from schemas.classes import CLASS_NAMES, MARKETING, NOTICE, OTP

NOTICE_TURNS: Final = 4
Waiting = tuple[int, StoredRecord]
"""Partition and record."""


class Backlog:
    """Bounded by whoever feeds it: `full` and `low` tell when to pause and to resume reading a class."""

    def __init__(self, most: int) -> None:
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in CLASS_NAMES)
        self.most = most
        """Of one class; the records of a lane that is diverted are wanted faster."""
        self._turn = 0

    def add(self, cls: int, partition: int, records: Iterable[StoredRecord]) -> None:
        self._queues[cls].extend([(partition, record) for record in records])

    def depth(self, cls: int) -> int:
        return len(self._queues[cls])

    def oldest_ms(self, cls: int) -> int:
        """Timestamp of the record that waits longest; 0 when none does."""
        queue = self._queues[cls]
        return queue[0][1].timestamp if queue else 0

    def full(self, cls: int) -> bool:
        return len(self._queues[cls]) >= self.most

    def low(self, cls: int) -> bool:
        """Read on from here, so that the queue does not run dry while a poll is under way."""
        return len(self._queues[cls]) <= self.most // 2

    def take(self, otp: bool, bulk: bool) -> tuple[int, Waiting] | None:
        """The next record and its class, of those that may go: `otp` or `bulk` (notice and marketing)."""
        queues = self._queues
        if otp and queues[OTP]:
            return OTP, queues[OTP].popleft()
        if not bulk:
            return None
        first, second = (NOTICE, MARKETING) if self._turn < NOTICE_TURNS else (MARKETING, NOTICE)
        cls = first if queues[first] else second
        if not queues[cls]:
            return None
        self._turn = (self._turn + 1) % (NOTICE_TURNS + 1)
        return cls, queues[cls].popleft()

    def head(self, cls: int) -> Waiting | None:
        """The next of one class, left where it is."""
        queue = self._queues[cls]
        return queue[0] if queue else None

    def drop_head(self, cls: int) -> None:
        self._queues[cls].popleft()

    def clear(self) -> None:
        for queue in self._queues:
            queue.clear()
