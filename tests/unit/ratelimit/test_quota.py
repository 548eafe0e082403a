"""Quotas of an account, in virtual time: a bucket of one second, a count of the day."""

from __future__ import annotations

import pytest

from ratelimit.quota import DAY_MS, Exceeded, Quota, Standing

NOW, NOW_MS = 1000.0, 20_000 * DAY_MS + 3_600_000


def quota(rate: int = 0, per_day: int = 0) -> Quota:
    return Quota(rate, per_day, NOW, NOW_MS)


def test_a_second_has_as_many_as_the_rate_and_the_next_one_has_them_again() -> None:
    limit = quota(rate=5)
    assert [limit.take(1, NOW, NOW_MS) for _ in range(5)] == [None] * 5
    assert limit.take(1, NOW, NOW_MS) == Exceeded("second", 0, 1)
    assert limit.take(1, NOW + 0.19, NOW_MS) is not None
    assert limit.take(1, NOW + 0.2, NOW_MS) is None
    assert limit.take(5, NOW + 1.2, NOW_MS) is None


def test_a_batch_is_let_in_whole_or_not_at_all() -> None:
    limit = quota(rate=100)
    assert limit.take(60, NOW, NOW_MS) is None
    assert limit.take(60, NOW, NOW_MS) == Exceeded("second", 40, 1)
    assert limit.take(40, NOW, NOW_MS) is None


def test_a_batch_larger_than_a_second_waits_for_a_full_bucket_and_is_paid_back_before_anything_else() -> None:
    limit = quota(rate=100)
    assert limit.take(1, NOW, NOW_MS) is None
    assert limit.take(1000, NOW, NOW_MS) == Exceeded("second", 99, 1)
    assert limit.take(1000, NOW + 0.01, NOW_MS) is None
    assert limit.take(1, NOW + 0.01, NOW_MS) == Exceeded("second", 0, 10)
    assert limit.take(1, NOW + 9.0, NOW_MS) is not None
    assert limit.take(1, NOW + 9.03, NOW_MS) is None


@pytest.mark.parametrize("sizes", [[1], [7], [30], [250], [1, 40, 3, 90]])
def test_over_a_minute_the_rate_holds_whatever_the_size_of_batches(sizes: list[int]) -> None:
    limit, taken = quota(rate=20), 0
    for tick in range(60_000):
        size = sizes[tick % len(sizes)]
        if limit.take(size, NOW + tick / 1000, NOW_MS) is None:
            taken += size
    assert 20 * 60 - max(sizes) <= taken <= 20 * 61 + max(sizes)


def test_a_day_is_never_exceeded_and_begins_anew_at_midnight_utc() -> None:
    limit = quota(per_day=10)
    assert limit.take(8, NOW, NOW_MS) is None
    until_midnight_s = 23 * 3600
    assert limit.take(3, NOW, NOW_MS) == Exceeded("day", 2, until_midnight_s)
    assert limit.take(2, NOW, NOW_MS) is None
    assert limit.take(1, NOW, NOW_MS + until_midnight_s * 1000 - 1) == Exceeded("day", 0, 1)
    assert limit.take(10, NOW, NOW_MS + until_midnight_s * 1000) is None


def test_a_clock_that_steps_back_gives_nothing_anew() -> None:
    limit = quota(per_day=1)
    assert limit.take(1, NOW, NOW_MS) is None
    assert limit.take(1, NOW, NOW_MS - DAY_MS) is not None
    assert limit.take(1, NOW, NOW_MS) is not None


def test_what_was_not_used_is_given_back() -> None:
    limit = quota(rate=5, per_day=5)
    assert limit.take(5, NOW, NOW_MS) is None
    limit.give_back(3)
    assert limit.take(4, NOW, NOW_MS) is not None
    assert limit.take(3, NOW, NOW_MS) is None
    limit.give_back(100)
    assert limit.take(6, NOW, NOW_MS) is not None, "never more than there is"


def test_some_of_many_are_let_in() -> None:
    assert quota(rate=5).take_some(8, NOW, NOW_MS) == 5
    assert quota(per_day=3).take_some(8, NOW, NOW_MS) == 3
    assert quota(rate=5, per_day=100).take_some(2, NOW, NOW_MS) == 2
    assert quota().take_some(8, NOW, NOW_MS) == 8


def test_what_was_used_before_counts() -> None:
    limit = quota(per_day=10)
    limit.take(2, NOW, NOW_MS)
    limit.know_used(9, NOW_MS // DAY_MS)
    assert limit.take(2, NOW, NOW_MS) is not None
    limit.know_used(1, NOW_MS // DAY_MS)
    limit.know_used(10, NOW_MS // DAY_MS - 1)
    assert limit.take(1, NOW, NOW_MS) is None


def test_limits_may_change_meanwhile() -> None:
    limit = quota(rate=10, per_day=100)
    limit.take(10, NOW, NOW_MS)
    limit.change(1000, 11, NOW)
    assert limit.take(1, NOW, NOW_MS) is not None, "a higher rate does not fill the bucket at once"
    assert limit.take(2, NOW + 1, NOW_MS) == Exceeded("day", 1, 23 * 3600)
    limit.change(0, 0, NOW + 1)
    assert limit.take(10_000, NOW + 1, NOW_MS) is None
    limit.change(5, 0, NOW + 1)
    assert limit.take(5, NOW + 1, NOW_MS) is None


def test_how_it_stands() -> None:
    limit = quota(rate=10, per_day=100)
    limit.take(4, NOW, NOW_MS)
    assert limit.standing(NOW, NOW_MS) == [
        Standing("second", 10, 1, 6, 1),
        Standing("day", 100, 86_400, 96, 23 * 3600),
    ]
    assert quota().standing(NOW, NOW_MS) == []
