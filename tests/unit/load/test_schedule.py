"""Messages are due evenly, ramps climb, steps follow one another."""

from __future__ import annotations

import math

import pytest

from load.schedule import Schedule, Step, planned


def times(schedule: Schedule, numbers: range) -> list[float | None]:
    return [None if (at := schedule.time_of(number)) is None else round(at, 6) for number in numbers]


def test_a_rate_is_even_and_ends() -> None:
    assert times(Schedule([Step(4, 1)]), range(6)) == [0.0, 0.25, 0.5, 0.75, None, None]


def test_a_rate_without_a_duration_never_ends() -> None:
    assert Schedule([Step(10, math.inf)]).time_of(10**9) == 10**8


def test_steps_follow_one_another() -> None:
    schedule = Schedule([Step(2, 2), Step(4, 1)])
    assert times(schedule, range(9)) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, None]
    assert schedule.total == 8
    assert [schedule.step_at(at) for at in (0, 1.9, 2, 3, 99)] == [0, 0, 1, 1, 1]


def test_a_ramp_sends_half_of_its_rate_and_reaches_it() -> None:
    schedule = planned(100, 10, 4, (), 0)
    assert schedule.steps[0].messages == 200
    assert schedule.time_of(200) == pytest.approx(4.0)
    # At the end of the ramp messages are as far apart as after it.
    last, first = schedule.time_of(199), schedule.time_of(200)
    assert last is not None
    assert first is not None
    assert first - last == pytest.approx(0.01, rel=0.01)


def test_a_ramp_goes_before_an_endless_rate() -> None:
    schedule = planned(100, None, 2, (), 0)
    assert schedule.time_of(100) == pytest.approx(2.0)
    assert schedule.time_of(200) == pytest.approx(3.0)


def test_each_step_has_its_time() -> None:
    schedule = planned(0, None, 0, (1000, 2000), 30)
    assert schedule.ends_s == (30, 60)
    assert schedule.total == 90_000


@pytest.mark.parametrize("steps", [[], [Step(0, 1)], [Step(1, 0)]])
def test_what_is_no_schedule_is_refused(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Schedule(steps)
