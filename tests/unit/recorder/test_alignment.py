"""Partitions in step: nothing is lost, nothing overtakes within a partition, and a backlog comes in the order of time."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from recorder.alignment import Aligner, Records

A, B = TopicPartition("mt", 0), TopicPartition("outcomes", 0)


def records(*times: int, first: int = 0) -> list[MemoryRecord]:
    return [MemoryRecord(first + at, time, None, b"") for at, time in enumerate(times)]


def times(taken: Records) -> dict[TopicPartition, list[int]]:
    return {tp: [record.timestamp for record in some] for tp, some in taken.items()}


def test_without_a_backlog_everything_comes_at_once() -> None:
    aligner = Aligner()
    assert aligner.add({A: records(1, 9), B: records(5)}) == 3
    assert times(aligner.take(10)) == {A: [1, 9], B: [5]}
    assert aligner.count == 0
    assert aligner.take(10) == {}


def test_what_is_newer_than_a_partition_that_is_behind_waits() -> None:
    aligner = Aligner()
    aligner.add({A: records(1, 4, 8, 12), B: records(2, 3)})
    assert times(aligner.take(10, {B})) == {A: [1], B: [2, 3]}
    assert times(aligner.take(10, {B})) == {}
    assert (aligner.count, aligner.held(A)) == (3, 3)
    aligner.add({B: records(9, 20, first=2)})
    assert times(aligner.take(10, {B})) == {A: [4, 8, 12], B: [9, 20]}


def test_of_a_partition_that_was_never_read_nothing_is_waited_for() -> None:
    aligner = Aligner()
    aligner.add({A: records(1, 2)})
    assert times(aligner.take(10, {B})) == {A: [1, 2]}


def test_of_more_than_may_be_taken_the_oldest_come_first() -> None:
    aligner = Aligner()
    aligner.add({A: records(*range(0, 2000, 2)), B: records(*range(1, 2001, 2))})
    taken = aligner.take(500)
    count = sum(map(len, taken.values()))
    assert 450 <= count <= 500
    assert abs(taken[A][-1].timestamp - taken[B][-1].timestamp) <= 3


@pytest.mark.parametrize("most", [1, 7, 100])
def test_many_records_of_one_millisecond_are_cut_as_they_come(most: int) -> None:
    aligner = Aligner()
    aligner.add({A: records(*[5] * 60), B: records(*[5] * 60)})
    taken = aligner.take(most)
    assert sum(map(len, taken.values())) == most
    assert aligner.count == 120 - most


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_every_record_comes_once_and_in_its_order(random: Random, most: int) -> None:
    aligner, next_offset, clock = Aligner(), {A: 0, B: 0}, 0
    seen: dict[TopicPartition, list[int]] = {A: [], B: []}
    for _ in range(random.randint(1, 12)):
        for tp in (A, B):
            some: list[MemoryRecord] = []
            for _ in range(random.randint(0, 20)):
                clock += random.randint(0, 3)
                # A producer's clock may step back.
                some += records(clock - random.choice((0, 0, 50)), first=next_offset[tp])
                next_offset[tp] += 1
            aligner.add({tp: some})
        taken = aligner.take(most, random.choice(((), {A}, {B}, {A, B})))
        assert sum(map(len, taken.values())) <= most
        for tp, gone in taken.items():
            seen[tp] += [record.offset for record in gone]
    while aligner.count:
        for tp, gone in aligner.take(most).items():
            seen[tp] += [record.offset for record in gone]
    assert seen == {tp: list(range(next_offset[tp])) for tp in (A, B)}
