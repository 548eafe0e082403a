"""Keeps partitions in step while there is a backlog, so that a message, its answer and its receipt come in one batch.

Kafka gives each partition at its own pace, and records differ in size: without this a recorder that catches up reads the
messages of an hour before the answers to the first minute, and folds nothing (80 µs a message instead of 35, measured).
Pure: records in, records out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bus.ports import StoredRecord, TopicPartition

Records = dict[TopicPartition, list[StoredRecord]]
_EVERYTHING: Final = 2**63 - 1


class Aligner:
    """Records that were read and not taken yet, by partition."""

    def __init__(self) -> None:
        self._held: Records = {}
        self._last_ms: dict[TopicPartition, int] = {}
        self.count = 0

    def add(self, found: Mapping[TopicPartition, Sequence[StoredRecord]]) -> int:
        """Gives how many there were."""
        added = 0
        for key, records in found.items():
            if records:
                tp = TopicPartition(*key)
                self._held.setdefault(tp, []).extend(records)
                self._last_ms[tp] = records[-1].timestamp
                added += len(records)
        self.count += added
        return added

    def held(self, tp: TopicPartition) -> int:
        """Records of a partition that wait here."""
        return len(self._held.get(tp, ()))

    def drop(self, tp: TopicPartition) -> None:
        """What is held of a partition is not wanted any more."""
        self.count -= len(self._held.pop(tp, ()))

    def take(self, most: int, behind: Collection[TopicPartition] = ()) -> Records:
        """At most `most` records, none newer than what is still to come of the partitions that are `behind`.

        Empty when one of those has to be read first.
        """
        until_ms = min((self._last_ms[tp] for tp in behind if tp in self._last_ms), default=_EVERYTHING)
        counts = self._counts(until_ms)
        total = sum(counts.values())
        if total > most:
            counts = self._fewer(counts, until_ms, most)
        taken: Records = {}
        for tp, count in counts.items():
            if count:
                records = self._held[tp]
                taken[tp] = records[:count]
                self._held[tp] = records[count:]
                self.count -= count
        return taken

    def _counts(self, until_ms: int) -> dict[TopicPartition, int]:
        return {
            tp: len(records)
            if until_ms == _EVERYTHING
            else bisect_right(records, until_ms, key=lambda record: record.timestamp)
            for tp, records in self._held.items()
        }

    def _fewer(self, counts: Mapping[TopicPartition, int], until_ms: int, most: int) -> dict[TopicPartition, int]:
        """The oldest ones: looks for the time up to which they are nearly as many as may be."""
        firsts = [self._held[tp][0].timestamp for tp, count in counts.items() if count]
        lasts = [self._held[tp][count - 1].timestamp for tp, count in counts.items() if count]
        low, high = min(firsts) - 1, max(lasts)
        fewer = dict.fromkeys(counts, 0)
        for _ in range(24):
            middle = (low + high) // 2
            found = self._counts(min(middle, until_ms))
            if sum(found.values()) <= most:
                low, fewer = middle, found
            else:
                high = middle
            if high - low <= 1 or sum(fewer.values()) > most * 0.9:
                break
        if any(fewer.values()):
            return fewer
        # So many of one millisecond: as they come.
        room = most
        for tp, count in counts.items():
            fewer[tp] = min(count, room)
            room -= fewer[tp]
        return fewer
