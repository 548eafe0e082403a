"""Restarts: exponential with full jitter, forgotten after a long life."""

from __future__ import annotations

from runtime.local.backoff import Backoff

BACKOFF = Backoff(base_s=0.2, cap_s=10, reset_after_s=30)


def test_the_longest_delay_doubles_up_to_the_cap() -> None:
    assert [BACKOFF.delay_s(failures, 1.0) for failures in (1, 2, 3, 6, 7, 100_000)] == [0.2, 0.4, 0.8, 6.4, 10, 10]


def test_the_jitter_is_full() -> None:
    assert BACKOFF.delay_s(5, 0.0) == 0
    assert BACKOFF.delay_s(5, 0.5) == BACKOFF.delay_s(5, 1.0) / 2


def test_a_short_life_counts_as_one_more_failure() -> None:
    assert BACKOFF.failures(3, lived_s=29.9) == 4


def test_a_long_life_wipes_the_slate() -> None:
    assert BACKOFF.failures(3, lived_s=30) == 1
