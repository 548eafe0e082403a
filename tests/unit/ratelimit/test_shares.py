"""Integer shares of a contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.shares import share_of


@given(st.integers(1, 256), st.integers(0, 1_000_000))
def test_shares_sum_to_the_contract_and_differ_by_one_at_most(lanes: int, more: int) -> None:
    tps = lanes + more
    shares = [share_of(tps, lanes, lane) for lane in range(lanes)]
    assert sum(shares) == tps
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(("tps", "lanes", "lane"), [(10, 2, 2), (10, 2, -1), (1, 2, 0), (0, 1, 0), (10, 0, 0)])
def test_a_share_that_is_none_is_refused(tps: int, lanes: int, lane: int) -> None:
    with pytest.raises(ValueError, match=r"lane|tps"):
        share_of(tps, lanes, lane)
