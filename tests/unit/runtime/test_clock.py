"""Time as a value."""

from __future__ import annotations

import time

import pytest

from runtime.clock import ManualClock, SystemClock


def test_the_system_s_clocks_are_the_machine_s() -> None:
    before = time.monotonic()
    assert before <= SystemClock.monotonic() <= time.monotonic()
    assert abs(time.time() * 1000 - SystemClock.wall_ms()) < 1000


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(5.0, 1000)
    assert (clock.monotonic(), clock.wall_ms()) == (5.0, 1000)
    clock.advance(0.25)
    clock.advance(0)
    assert (clock.monotonic(), clock.wall_ms()) == (5.25, 1250)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-0.001)
