"""Records read ahead of their turn, by class, and whose turn it is: otp always first, then notice and marketing 4 to 1."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from bus.ports import StoredRecord
from schemas.classes import CLASS_NAMES, MARKETING, NOTICE, OTP

NOTICE_TURNS: Final = 4
MOST_BYTES: Final = 2 * 1024 * 1024
"""Of one class, as the records stand in Kafka: long texts fill it before their number does."""
Waiting = tuple[int, StoredRecord]
"""Partition and record."""


class Backlog:
    """Bounded by whoever feeds it: `full` and `low` tell when to pause and to resume reading a class."""

    def __init__(self, most: int) -> None:
        self._queues: tuple[deque[Waiting], ...] = tuple(deque() for _ in CLASS_NAMES)
        self._bytes = [0] * len(CLASS_NAMES)
        self.most = most
        """Records of one class; the records of a lane that is diverted are wanted faster."""
        self._turn = 0

    def add(self, cls: int, partition: int, records: Sequence[StoredRecord]) -> None:
        self._queues[cls].extend([(partition, record) for record in records])
        self._bytes[cls] += sum([len(record.value or b"") for record in records])

    def depth(self, cls: int) -> int:
        return len(self._queues[cls])

    def oldest_ms(self, cls: int) -> int:
        """Timestamp of the record that waits longest; 0 when none does."""
        queue = self._queues[cls]
        return queue[0][1].timestamp if queue else 0

    def full(self, cls: int) -> bool:
        return len(self._queues[cls]) >= self.most or self._bytes[cls] >= MOST_BYTES

    def low(self, cls: int) -> bool:
        """Read on from here, so that the queue does not run dry while a poll is under way."""
        return len(self._queues[cls]) <= self.most // 2 and self._bytes[cls] <= MOST_BYTES // 2

    def take(self, otp: bool, bulk: bool) -> tuple[int, Waiting] | None:
        """The next record and its class, of those that may go: `otp` or `bulk` (notice and marketing)."""
        queues = self._queues
        if otp and queues[OTP]:
            return OTP, self._pop(OTP)
        if not bulk:
            return None
        first, second = (NOTICE, MARKETING) if self._turn < NOTICE_TURNS else (MARKETING, NOTICE)
        cls = first if queues[first] else second
        if not queues[cls]:
            return None
        self._turn = (self._turn + 1) % (NOTICE_TURNS + 1)
        return cls, self._pop(cls)

    def head(self, cls: int) -> Waiting | None:
        """The next of one class, left where it is."""
        queue = self._queues[cls]
        return queue[0] if queue else None

    def drop_head(self, cls: int) -> None:
        self._pop(cls)

    def _pop(self, cls: int) -> Waiting:
        found = self._queues[cls].popleft()
        self._bytes[cls] -= len(found[1].value or b"")
        return found

    def clear(self) -> None:
        for queue in self._queues:
            queue.clear()
        self._bytes = [0] * len(CLASS_NAMES)
