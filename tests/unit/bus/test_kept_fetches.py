"""Fetched records of a paused partition wait for it; those that nobody will want are gone at once."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from bus import kept_fetches

TP = TopicPartition("t", 0)


class Records:
    """As aiokafka's memory of a fetch: one batch of four records, from offset 10 on."""

    def __init__(self) -> None:
        self._batches = [Batch()]

    def has_next(self) -> bool:
        return bool(self._batches)

    def next_batch(self) -> Any:
        return self._batches.pop()


class Batch:
    is_control_batch = False
    next_offset = 14

    def __iter__(self) -> Any:
        for offset in range(10, 14):
            yield SimpleNamespace(
                offset=offset, key=None, value=b"v", timestamp=1, timestamp_type=0, checksum=None, headers=[]
            )


class State:
    """A partition as the consumer has it."""

    def __init__(self) -> None:
        self.paused = False
        self.has_valid_position = True
        self.position = 10

    def consumed_to(self, position: int) -> None:
        self.position = position


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def fetched(state: State) -> Any:
    kept_fetches.mend()
    records = PartitionRecords(TP, Records(), [], 10, None, None, False, 0)
    assignment = SimpleNamespace(active=True, state_value=lambda _tp: state)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def offsets(found: Any) -> list[int]:
    return [record.offset for record in found]


def test_while_paused_nothing_is_handed_on_and_nothing_is_lost(fetched: Any, state: State) -> None:
    assert offsets(fetched.getall(1)) == [10]
    state.paused = True
    assert fetched.getall() == []
    assert fetched.has_more()
    state.paused = False
    assert offsets(fetched.getall()) == [11, 12, 13]
    assert not fetched.has_more()
    assert state.position == 14


@pytest.mark.parametrize("why", ["another position", "no position", "not assigned any more"])
def test_what_can_t_be_handed_on_is_dropped_without_the_garbage_collector(fetched: Any, state: State, why: str) -> None:
    assert offsets(fetched.getall(1)) == [10]
    gone = weakref.ref(fetched._partition_records)
    if why == "another position":
        state.position = 3
    elif why == "no position":
        state.has_valid_position = False
    else:
        fetched._assignment.active = False
    gc.disable()
    try:
        assert fetched.getall() == []
        assert not fetched.has_more()
        assert gone() is None
    finally:
        gc.enable()


def test_who_waits_hears_of_what_was_kept() -> None:
    told: list[str] = []
    fetcher = SimpleNamespace(_records={TP: object()}, _fetch_waiters={"one"}, _notify=told.append)
    consumer = SimpleNamespace(_fetcher=fetcher)
    kept_fetches.hand_on(consumer, [TopicPartition("t", 1)])
    assert told == []
    kept_fetches.hand_on(consumer, [TopicPartition("t", 1), TP])
    assert told == ["one"]
