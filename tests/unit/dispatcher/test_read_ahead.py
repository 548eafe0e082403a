"""Which queues are read on: a full backlog pauses its class, but never hides the records that a new owner waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from dispatcher.backlog import MOST_BYTES
from dispatcher.lane import Lane
from dispatcher.ledger import LedgerState
from dispatcher.read_ahead import ReadAhead
from dispatcher.reservations import Where
from policy.gate import Facts
from schemas.classes import NOTICE
from schemas.codec import encode
from tests.unit.dispatcher.rig import MARKETING, NOW_MS, START, carrier, message

FIRST, SECOND = TopicPartition("mt.marketing", 0), TopicPartition("mt.marketing", 1)
WHERES: dict[TopicPartition, Where] = {FIRST: (MARKETING, 0), SECOND: (MARKETING, 1)}
HIGH = 5


class Pauses:
    """In place of a reader: which partitions are paused."""

    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()

    def pause(self, queues: Iterable[TopicPartition]) -> None:
        self.paused |= set(queues)

    def resume(self, queues: Iterable[TopicPartition]) -> None:
        self.paused -= set(queues)


def taken(open_in_second: tuple[int, ...]) -> Lane:
    lane = Lane(carrier(), 0, 100, lambda item, now_ms: (b"body",), lambda *_: None, Facts(), START)
    states = {
        WHERES[FIRST]: (FIRST, LedgerState("-", 0, 0, ())),
        WHERES[SECOND]: (SECOND, LedgerState("-", 0, HIGH if open_in_second else 0, open_in_second)),
    }
    lane.install("token", states, [])
    lane.active = lane.bound = True
    lane.lease_until = 1e12
    return lane


def feed(lane: Lane, tp: TopicPartition, offsets: range) -> None:
    records = [
        MemoryRecord(offset, NOW_MS, b"index", encode(message(tp.partition * 10_000 + offset, MARKETING)))
        for offset in offsets
    ]
    lane.feed(*WHERES[tp], records, NOW_MS)


def test_a_full_backlog_pauses_the_class_and_a_low_one_resumes_it() -> None:
    lane, reader = taken(()), Pauses()
    ahead = ReadAhead(lane, WHERES)
    feed(lane, FIRST, range(lane.backlog.most))
    regulate(ahead, reader)
    assert reader.paused == {FIRST, SECOND}
    assert ahead
    while not lane.backlog.low(MARKETING):
        regulate(ahead, reader)
        assert reader.paused == {FIRST, SECOND}
        lane.backlog.drop_head(MARKETING)
    regulate(ahead, reader)
    assert reader.paused == set()
    assert not ahead


def test_long_records_fill_the_backlog_before_their_number_does() -> None:
    lane = taken(())
    record = MemoryRecord(0, NOW_MS, b"index", b"x" * (MOST_BYTES // 10))
    lane.backlog.add(MARKETING, 0, [record] * 9)
    assert not lane.backlog.full(MARKETING)
    lane.backlog.add(MARKETING, 0, [record] * 2)
    assert lane.backlog.full(MARKETING)
    assert not lane.backlog.full(NOTICE), "one class does not stop another"
    while not lane.backlog.low(MARKETING):
        lane.backlog.drop_head(MARKETING)
    assert lane.backlog.depth(MARKETING) == 5
    lane.backlog.clear()
    lane.backlog.add(MARKETING, 0, [record] * 9)
    assert not lane.backlog.full(MARKETING)


def test_a_queue_with_records_in_doubt_is_read_though_another_one_has_filled_the_backlog() -> None:
    """Else the lane would wait for ever: it writes nothing before it has read what is in doubt, and so makes no room."""
    lane, reader = taken((0, 3)), Pauses()
    ahead = ReadAhead(lane, WHERES)
    feed(lane, FIRST, range(lane.backlog.most))
    regulate(ahead, reader)
    assert reader.paused == {FIRST}
    assert not lane.told
    feed(lane, SECOND, range(2))
    regulate(ahead, reader)
    assert reader.paused == {FIRST}, "one of its two is still to be read"
    feed(lane, SECOND, range(2, HIGH + 1))
    assert lane.told
    regulate(ahead, reader)
    assert reader.paused == {FIRST, SECOND}


def regulate(ahead: ReadAhead, reader: Any) -> None:
    ahead.regulate(reader)
