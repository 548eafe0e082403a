"""Messages wait a moment for their outcomes, so that both come into one batch and make one row instead of a row and a change
of it: a third of the work of recorder and Postgres (measured).

An outcome names the place of its message in `mt`, so whatever stands up to there goes with it; what gets no outcome in time
goes alone, and is seen as queued. Records of one partition stay in their order. Pure: records and `now` in, records out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from bus.ports import StoredRecord, TopicPartition
from recorder.alignment import Records
from recorder.sources import Sources
from schemas.codec import message_place

Reach = dict[TopicPartition, int]
"""Partitions of `mt`, and the offset up to which their messages have outcomes."""


class Pairing:
    """What was read of `mt` and not handed on yet."""

    def __init__(self, sources: Sources, positions: Mapping[TopicPartition, int]) -> None:
        """`positions`: the next offset of each partition."""
        self._sources = sources.by_topic
        self._topics = sources.topics
        self._held: dict[TopicPartition, list[StoredRecord]] = {}
        self._read: dict[TopicPartition, list[tuple[float, int]]] = {}
        """When what was read of a partition: (monotonic seconds, its last offset), oldest first."""
        self._next = {tp: at for tp, at in positions.items() if self._sources[tp.topic].kind == "mt"}
        self.count = 0

    def hold(self, found: Mapping[TopicPartition, Sequence[StoredRecord]], now: float) -> Records:
        """Takes the messages out of what was read, and gives the rest."""
        rest: Records = {}
        for key, records in found.items():
            tp = TopicPartition(*key)
            if self._sources[tp.topic].kind != "mt":
                rest[tp] = list(records)
            elif records:
                self._held.setdefault(tp, []).extend(records)
                self._read.setdefault(tp, []).append((now, records[-1].offset))
                self._next[tp] = records[-1].offset + 1
                self.count += len(records)
        return rest

    def holds(self, tp: TopicPartition) -> bool:
        """Whether it is a partition of messages."""
        return self._sources[tp.topic].kind == "mt"

    def reach(self, taken: Mapping[TopicPartition, Sequence[StoredRecord]]) -> Reach:
        """Which messages these outcomes are about."""
        found: Reach = {}
        for tp, records in taken.items():
            source = self._sources[tp.topic]
            if source.kind == "outcomes":
                for cls, offset in _furthest(records).items():
                    found[TopicPartition(self._topics.mt(source.carrier, cls), tp.partition)] = offset
        return found

    def unread(self, reach: Reach) -> set[TopicPartition]:
        """Of the partitions of our share those that were not read that far yet."""
        return {tp for tp, offset in reach.items() if self._next.get(tp, offset + 1) <= offset}

    def release(self, reach: Reach, read_before: float, room: int, least: int = 0) -> Records:
        """What stands up to there, and of the others, oldest first, as there is `room` those that were read before that time.

        `least`: so many of the others go in any case, though outcomes fill one batch after the other.
        """
        out: Records = {}
        for tp in sorted(self._held, key=lambda tp: self._read[tp][0][0]):
            read = self._read[tp]
            held = self._held[tp]
            cut = _upto(held, reach.get(tp, -1))
            spare = max(room - cut, least)
            if spare > 0:
                overdue = max((last for at, last in read if at <= read_before), default=-1)
                more = min(max(0, _upto(held, overdue) - cut), spare)
                least = max(0, least - more)
                cut += more
            if not cut:
                continue
            room -= cut
            self.count -= cut
            out[tp] = held[:cut]
            upto = held[cut - 1].offset
            if cut == len(held):
                del self._held[tp], self._read[tp]
            else:
                self._held[tp] = held[cut:]
                self._read[tp] = [entry for entry in read if entry[1] > upto]
        return out

    def oldest(self) -> float | None:
        """When what waits longest was read; None when nothing waits."""
        return min((read[0][0] for read in self._read.values()), default=None)

    def held(self, tp: TopicPartition) -> int:
        """Records of a partition that wait here."""
        return len(self._held.get(tp, ()))

    def drop(self, tp: TopicPartition) -> None:
        """What is held of a partition is not wanted any more, nor what is still to come of it."""
        self.count -= len(self._held.pop(tp, ()))
        self._read.pop(tp, None)
        self._next.pop(tp, None)


def _upto(records: Sequence[StoredRecord], offset: int) -> int:
    return bisect_right(records, offset, key=lambda record: record.offset)


def _furthest(records: Sequence[StoredRecord]) -> dict[int, int]:
    furthest: dict[int, int] = {}
    for record in records:
        place = message_place(record.value or b"")
        if place is not None and place[1] > furthest.get(place[0], -1):
            furthest[place[0]] = place[1]
    return furthest
