"""A rate counts as sustained only when intake took it and output kept up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from load.figures import Sample, Seen
from load.verdict import judge, slope


def samples(
    seconds: float, accepted: Callable[[float], float], seen: Callable[[float], Seen] = lambda at: Seen()
) -> list[Sample]:
    return [Sample(at / 2, round(accepted(at / 2)), seen(at / 2)) for at in range(int(2 * seconds) + 1)]


def test_output_that_follows_intake_is_sustained() -> None:
    found = judge(
        samples(10, lambda at: 1000 * at, lambda at: Seen(final=round(max(0, 1000 * (at - 1))))), 0, 10, 1000, None
    )
    assert found.sustained is True
    assert found.accepted_per_s == 1000


def test_output_that_falls_behind_is_not() -> None:
    found = judge(samples(10, lambda at: 1000 * at, lambda at: Seen(final=round(900 * at))), 0, 10, 1000, None)
    assert found.sustained is False
    assert found.reason == "output is behind intake: what is under way grows by 100 msg/s"


def test_no_output_at_all_is_behind() -> None:
    found = judge(samples(10, lambda at: 1000 * at, lambda at: Seen(final=0)), 0, 10, None, None)
    assert found.sustained is False


def test_intake_that_takes_less_than_asked_is_not_sustained() -> None:
    found = judge(samples(10, lambda at: 900 * at), 0, 10, 1000, None)
    assert found.sustained is False
    assert found.reason == "intake took 900 of the 1,000 msg/s asked for"


def test_what_is_under_way_at_the_beginning_is_no_shortfall() -> None:
    # 0.5 s until the first answers.
    def seen(at: float) -> Seen:
        return Seen(final=round(max(0, 1000 * (at - 1))))

    found = judge(samples(10, lambda at: max(0, 1000 * (at - 0.5)), seen), 0, 10, 1000, None)
    assert found.sustained is True


def test_a_queue_that_grows_is_behind_even_if_nobody_counts_rows() -> None:
    found = judge(samples(10, lambda at: 1000 * at, lambda at: Seen(backlog=round(200 * at))), 0, 10, None, None)
    assert found.sustained is False
    found = judge(samples(10, lambda at: 1000 * at, lambda at: Seen(backlog=200)), 0, 10, None, None)
    assert found.sustained is True


def test_segments_count_as_parts_of_messages() -> None:
    seen = samples(10, lambda at: 1000 * at, lambda at: Seen(submitted=round(1200 * at)))
    assert judge(seen, 0, 10, None, 1.2).sustained is True
    assert judge(seen, 0, 10, None, 1.5).sustained is False
    assert judge(seen, 0, 10, None, None).sustained is None


def test_counts_that_are_seldom_fresh_do_not_mislead() -> None:
    found = judge(samples(20, lambda at: 1000 * at, lambda at: Seen(final=1000 * int(at // 2 * 2))), 0, 20, None, None)
    assert found.sustained is True


def test_without_output_there_is_no_verdict() -> None:
    found = judge(samples(10, lambda at: 1000 * at), 0, 10, 1000, None)
    assert (found.sustained, found.reason) == (None, "nobody was asked what came out")


@pytest.mark.parametrize("seconds", [0, 1, 3])
def test_a_short_run_can_not_be_judged(seconds: float) -> None:
    found = judge(
        samples(seconds, lambda at: 1000 * at, lambda at: Seen(final=round(1000 * at))), 0, seconds, None, None
    )
    assert (found.sustained, found.reason) == (None, "too short to tell")


def test_slope_is_that_of_the_line_of_best_fit() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(1, 1), (1, 2)]) == 0
