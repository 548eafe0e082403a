"""A carrier's share of new traffic follows its binds: none when down for too long, back in steps."""

from __future__ import annotations

from policy.ramp import STEP_S, Ramp

AFTER_S = 10.0


def shares(ramp: Ramp, up: bool, times: list[float]) -> list[float]:
    return [ramp.look(up, now, AFTER_S) for now in times]


def test_a_short_loss_of_the_binds_changes_nothing() -> None:
    ramp = Ramp()
    assert shares(ramp, False, [100, 105, 109.9]) == [1, 1, 1]
    assert ramp.look(True, 109.95, AFTER_S) == 1
    assert shares(ramp, False, [110, 119.9]) == [1, 1], "the time is counted from the last loss"


def test_a_carrier_that_is_down_for_too_long_gets_nothing() -> None:
    assert shares(Ramp(), False, [100, 110, 500]) == [1, 0, 0]


def test_it_gets_its_traffic_back_in_steps() -> None:
    ramp = Ramp()
    shares(ramp, False, [0, 10])
    times = [20 + STEP_S * step for step in range(10)]
    assert shares(ramp, True, times) == [step / 10 for step in range(1, 11)]
    assert ramp.look(True, 10_000, AFTER_S) == 1


def test_steps_are_counted_by_time_not_by_looks() -> None:
    often, seldom = Ramp(), Ramp()
    for ramp in (often, seldom):
        shares(ramp, False, [0, 10])
    shares(often, True, [20 + tenth / 10 for tenth in range(251)])
    assert shares(seldom, True, [20, 45]) == [0.1, 0.5]
    assert often.share == 0.5


def test_a_ramp_stands_still_while_the_binds_are_away_and_begins_anew_after_too_long() -> None:
    ramp = Ramp()
    shares(ramp, False, [0, 10])
    assert shares(ramp, True, [20, 32]) == [0.1, 0.3]
    assert shares(ramp, False, [33, 40]) == [0.3, 0.3]
    assert shares(ramp, True, [41, 45.9, 46]) == [0.3, 0.3, 0.4]
    assert shares(ramp, False, [47, 57]) == [0.4, 0]
    assert shares(ramp, True, [58]) == [0.1]
