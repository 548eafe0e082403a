"""When a fetcher's fetches gather: streams do, single records hardly wait."""

from __future__ import annotations

from bus.gait import Gait

SETTLE_S, GATHER_S, STREAM_S, FLOW_S = 0.003, 0.015, 0.04, 0.1


def walk(gait: Gait, gap_s: float, records: int, times: int, start: float = 100.0) -> list[float]:
    return [gait.pause_s(records, start + gap_s * number) for number in range(times)]


def new() -> Gait:
    return Gait(SETTLE_S, GATHER_S, STREAM_S, FLOW_S)


def test_records_that_come_one_by_one_wait_only_for_their_like() -> None:
    assert walk(new(), 0.05, 1, 50) == [SETTLE_S] * 50


def test_after_a_fetch_that_found_nothing_the_next_one_is_sent_at_once() -> None:
    assert walk(new(), 0.1, 0, 5) == [0.0] * 5


def test_a_stream_is_gathered_after_a_few_quick_fetches() -> None:
    assert walk(new(), 0.002, 20, 6) == [SETTLE_S] * 4 + [GATHER_S] * 2


def test_it_stays_while_fetches_are_worth_it_and_ends_with_one_that_is_not() -> None:
    gait = new()
    walk(gait, 0.002, 20, 6)
    assert walk(gait, 0.015, 20, 20, 101.0) == [GATHER_S] * 20
    assert walk(gait, 0.015, 1, 1, 102.0) == [SETTLE_S]
    assert walk(gait, 0.015, 1, 5, 102.1) == [SETTLE_S] * 5


def test_nobody_waits_while_fetches_come_full() -> None:
    gait = new()
    walk(gait, 0.002, 20, 6)
    assert gait.pause_s(5000, 100.02, full=True) == 0.0
    assert gait.pause_s(20, 100.03) == GATHER_S


def test_where_many_come_each_time_they_are_gathered_from_the_first_on() -> None:
    gait = new()
    assert walk(gait, 0.05, 64, 3) == [STREAM_S] * 3
    assert gait.pause_s(5, 100.2) == SETTLE_S


def test_thousands_a_second_are_gathered_for_longer_however_long_it_was_before() -> None:
    gait = new()
    gait.pause_s(30, 100.0)
    assert walk(gait, 0.04, 70, 1, 100.04) == [FLOW_S]
    assert walk(gait, 0.1, 200, 3, 100.14) == [FLOW_S] * 3
    assert walk(gait, 0.1, 100, 2, 100.44) == [STREAM_S] * 2
