"""Fetched records that nobody will be given are gone at once, without the garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from bus import dropped_fetches

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
        self.position = 10

    def consumed_to(self, position: int) -> None:
        self.position = position


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def fetched(state: State) -> Any:
    dropped_fetches.mend()
    records = PartitionRecords(TP, Records(), [], 10, None, None, False, 0)
    assignment = SimpleNamespace(active=True, state_value=lambda _tp: state)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def offsets(found: Any) -> list[int]:
    return [record.offset for record in found]


def test_what_is_wanted_is_handed_on(fetched: Any, state: State) -> None:
    assert offsets(fetched.getall(1)) == [10]
    assert offsets(fetched.getall()) == [11, 12, 13]
    assert state.position == 14


@pytest.mark.parametrize("why", ["paused", "another position", "not assigned any more"])
def test_what_can_t_be_handed_on_is_dropped_without_the_garbage_collector(fetched: Any, state: State, why: str) -> None:
    assert offsets(fetched.getall(1)) == [10]
    gone = weakref.ref(fetched._partition_records)
    if why == "paused":
        state.paused = True
    elif why == "another position":
        state.position = 3
    else:
        fetched._assignment.active = False
    gc.disable()
    try:
        assert fetched.getall() == []
        assert not fetched.has_more()
        assert gone() is None
    finally:
        gc.enable()


def test_who_reads_has_it() -> None:
    program = (
        "import bus.kafka_reader, bus.dropped_fetches as d, aiokafka.consumer.fetcher as f;"
        " assert f.FetchResult.check_assignment is d._check_assignment"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
