"""When a reader's fetches gather: streams do, single records don't wait."""

from __future__ import annotations

from bus.kafka_reader import Gait


def walk(gait: Gait, gap_s: float, records: int, times: int, start: float = 100.0) -> list[bool]:
    found = []
    for number in range(times):
        gait.found(records, start + gap_s * number)
        found.append(gait.gathers)
    return found


def test_records_that_come_one_by_one_are_fetched_at_once() -> None:
    assert not any(walk(Gait(), 0.05, 1, 50))


def test_a_stream_is_gathered_after_a_few_quick_fetches() -> None:
    assert walk(Gait(), 0.002, 20, 6) == [False, False, False, False, True, True]


def test_it_stays_while_fetches_are_worth_it_and_ends_with_one_that_is_not() -> None:
    gait = Gait()
    walk(gait, 0.002, 20, 6)
    assert all(walk(gait, 0.015, 200, 20, 101.0))
    assert walk(gait, 0.015, 1, 1, 102.0) == [False]
    assert walk(gait, 0.015, 1, 5, 102.1) == [False] * 5
