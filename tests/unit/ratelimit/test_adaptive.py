"""The rate gives way to throttling at once and comes back by steps."""

from __future__ import annotations

import pytest

from ratelimit.adaptive import DECREASE, FLOOR, HOLD_S, LONGEST_PAUSE_S, PAUSE_S, STEP, STEP_S, Adaptive

START = 0.5
"""Monotonic clocks begin near zero on a machine that was just started."""


def test_nothing_is_held_back_at_first() -> None:
    fresh = Adaptive()
    assert fresh.fraction == 1.0
    assert fresh.paused_until <= 0
    assert fresh.recovered(START) is fresh


def test_a_refusal_lowers_the_rate_and_pauses() -> None:
    lowered = Adaptive().throttled(START)
    assert lowered.fraction == pytest.approx(DECREASE)
    assert lowered.paused_until == pytest.approx(START + PAUSE_S)


def test_refusals_within_one_hold_count_as_one() -> None:
    """A window full of refusals is one piece of news."""
    lowered = Adaptive().throttled(START)
    for late in (0.0, 0.1, HOLD_S - 0.001):
        assert lowered.throttled(START + late) is lowered
    assert lowered.throttled(START + HOLD_S).fraction == pytest.approx(DECREASE**2)


def test_it_never_falls_below_the_floor() -> None:
    state, now = Adaptive(), START
    for _ in range(100):
        now = max(now + HOLD_S, state.paused_until)
        state = state.throttled(now)
    assert state.fraction == FLOOR


def test_refused_again_right_after_the_pause_it_pauses_twice_as_long_up_to_the_longest() -> None:
    """A carrier whose queue is full for minutes is asked every few seconds, not ten times a second."""
    state, now, pauses = Adaptive(), START, []
    for _ in range(12):
        state = state.throttled(now)
        pauses.append(round(state.paused_until - now, 6))
        now = max(now + HOLD_S, state.paused_until) + 0.01
    doubled = [min(PAUSE_S * 2**number, LONGEST_PAUSE_S) for number in range(12)]
    assert pauses == pytest.approx(doubled)
    assert pauses[-1] == LONGEST_PAUSE_S


def test_after_a_quiet_time_the_pause_begins_anew() -> None:
    state, now = Adaptive(), START
    for _ in range(8):
        state = state.throttled(now)
        now = max(now + HOLD_S, state.paused_until) + 0.01
    later = state.throttled(state.paused_until + 60)
    assert later.pause_s == PAUSE_S


def test_it_comes_back_by_one_step_a_second_and_never_above_the_share() -> None:
    state = Adaptive().throttled(START)
    assert state.recovered(START + STEP_S - 0.001) is state
    fractions, now = [], START
    for _ in range(10):
        now += STEP_S
        state = state.recovered(now)
        fractions.append(state.fraction)
        assert state.recovered(now + STEP_S - 0.001) is state
    expected = [min(1.0, DECREASE + STEP * number) for number in range(1, 11)]
    assert fractions == pytest.approx(expected)
    assert fractions[-1] == 1.0
    assert state.recovered(now + 1000) is state


def test_a_long_silence_gives_back_one_step_not_many() -> None:
    state = Adaptive().throttled(START)
    assert state.recovered(START + 3600).fraction == pytest.approx(DECREASE + STEP)
