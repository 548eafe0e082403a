"""The pacer at single moments; what holds over time is in tests/property/ratelimit."""

from __future__ import annotations

import pytest

from ratelimit.pacer import WINDOW_S, Grant, Pacer, Wait

NOW = 1000.0


def test_a_new_owner_starts_as_if_the_last_second_had_been_used_up() -> None:
    pacer = Pacer(100, NOW)
    assert pacer.available(NOW) == 0
    assert pacer.available(NOW + 1.0) == 0
    assert pacer.available(NOW + WINDOW_S) == 10


def test_a_fresh_one_starts_with_one() -> None:
    assert Pacer(100, NOW, fresh=True).available(NOW) == 1


def test_the_bucket_holds_a_tenth_of_a_second() -> None:
    pacer = Pacer(1000, NOW, fresh=True)
    assert pacer.available(NOW + 0.05) == 51
    assert pacer.available(NOW + 60) == 100


@pytest.mark.parametrize("share", [1, 2, 3, 19, 20])
def test_low_rates_may_make_up_for_one_late_wake_up(share: int) -> None:
    assert Pacer(share, NOW, fresh=True).available(NOW + 60) == min(share, 2)


def test_taking_grants_all_or_says_when() -> None:
    pacer = Pacer(10, NOW, fresh=True)
    assert pacer.take(1, NOW) == Grant(1)
    told = pacer.take(2, NOW)
    assert isinstance(told, Wait)
    assert told.until == pytest.approx(NOW + 0.2)
    assert pacer.take(2, told.until) == Grant(2)


def test_the_moment_that_is_told_is_right_when_the_window_is_what_limits() -> None:
    pacer = Pacer(3, NOW, fresh=True)
    for at in (NOW, NOW + 1 / 3, NOW + 2 / 3):
        assert pacer.take(1, at + 1e-6) == Grant(1)
    told = pacer.take(2, NOW + 0.7)
    assert isinstance(told, Wait)
    assert told.until == pytest.approx(NOW + 1 / 3 + WINDOW_S, abs=1e-5)
    assert pacer.available(told.until - 0.01) < 2
    assert pacer.take(2, told.until) == Grant(2)


def test_more_than_the_burst_at_once_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="exceed the burst of 10"):
        Pacer(100, NOW).take(11, NOW)
    with pytest.raises(ValueError, match="exceed the burst"):
        Pacer(1, NOW).take(2, NOW)


@pytest.mark.parametrize("share", [0, -1])
def test_a_share_is_at_least_one(share: int) -> None:
    with pytest.raises(ValueError, match="at least one segment a second"):
        Pacer(share, NOW)
    with pytest.raises(ValueError, match="at least one segment a second"):
        Pacer(1, NOW).set_share(share, NOW)


def test_a_lower_rate_holds_at_once_and_a_higher_one_is_cut_to_the_share() -> None:
    pacer = Pacer(1000, NOW, fresh=True)
    assert pacer.available(NOW + 1) == 100
    pacer.set_rate(100, NOW + 1)
    assert pacer.available(NOW + 1) == 10
    pacer.took(10, NOW + 1)
    assert pacer.available(NOW + 1.1) == 10
    pacer.set_rate(5000, NOW + 2)
    assert pacer.rate == 1000.0
    pacer.set_rate(0, NOW + 2)
    assert 0 < pacer.rate <= 0.001


def test_another_share_keeps_what_was_written() -> None:
    pacer = Pacer(1000, NOW, fresh=True)
    for step in range(10):
        at = NOW + 0.1 * step
        pacer.took(pacer.available(at), at)
    written = pacer._in_window
    pacer.set_share(100, NOW + 1)
    assert pacer.available(NOW + 1) == 0
    pacer.set_share(2000, NOW + 1)
    assert written + pacer.available(NOW + 1) <= 2000
    assert pacer.rate == 2000.0


def test_a_held_back_rate_stays_when_the_share_grows_and_shrinks_with_it() -> None:
    pacer = Pacer(100, NOW)
    pacer.set_rate(50, NOW)
    pacer.set_share(200, NOW)
    assert pacer.rate == 50.0
    pacer.set_share(20, NOW)
    assert pacer.rate == 20.0


def test_memory_is_bounded_by_the_window() -> None:
    pacer = Pacer(1_000_000, NOW, fresh=True)
    for step in range(100_000):
        at = NOW + step * 0.0001
        pacer.took(pacer.available(at), at)
    assert len(pacer._runs) <= WINDOW_S / 0.0001 + 2
