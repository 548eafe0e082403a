"""A flush waits for those who were just answered, and for nobody else."""

from __future__ import annotations

from bus.returning import Returning


def after(answered: int, waiting: int = 0, most_s: float = 0.02) -> Returning:
    """At 100 s a flush of so many was acknowledged, while others waited already."""
    returning = Returning(most_s)
    returning.came(answered)
    assert returning.left() == answered
    returning.came(waiting)
    returning.answered(answered, 100.0)
    return returning


def test_the_first_ones_wait_for_nobody() -> None:
    returning = Returning(0.02)
    assert returning.came(1)
    assert returning.wait_s(0.0) == 0


def test_one_client_is_never_kept_waiting() -> None:
    returning = after(1)
    assert returning.came(1)
    assert returning.wait_s(100.001) == 0


def test_as_many_are_expected_as_were_answered_and_as_waited_already() -> None:
    returning = after(3, waiting=2)
    assert returning.wait_s(100.005) == 100.0 + 0.02 - 100.005
    assert [returning.came(1) for _ in range(3)] == [False, False, True]
    assert returning.wait_s(100.005) == 0


def test_requests_that_come_in_one_call_count_each() -> None:
    returning = after(10)
    assert not returning.came(9)
    assert returning.came(1)
    assert returning.left() == 10


def test_those_who_do_not_come_back_are_not_waited_for_for_ever() -> None:
    returning = after(10)
    assert not returning.came(1)
    assert returning.wait_s(100.0201) == 0


def test_with_no_time_to_wait_nobody_waits() -> None:
    returning = after(10, most_s=0.0)
    assert not returning.came(1)
    assert returning.wait_s(100.0) == 0
