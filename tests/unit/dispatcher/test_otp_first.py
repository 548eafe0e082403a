"""An OTP waits for nobody: not for marketing in the queue, not for a place in the window, not for one in the ledger."""

from __future__ import annotations

import pytest

from schemas.classes import OTP as OTP_CLASS
from tests.unit.dispatcher.rig import MARKETING, NOTICE, OTP, LaneRig, carrier


def first_otp_after(rig: LaneRig, patience_s: float, answers_after_s: float) -> float:
    """Seconds from now until an OTP was written."""
    began = rig.now
    while rig.now < began + patience_s:
        if any(token.slot.place.cls == OTP_CLASS for token in rig.run(0.001, answers_after_s)):
            return rig.now - began
    return float("inf")


@pytest.mark.parametrize(("tps", "window", "exposure"), [(500, 50, 50), (20, 10, 10), (100, 2, 2), (500, 50, 2)])
def test_behind_200_000_marketing_at_an_smsc_that_takes_2_s_an_otp_leaves_at_once(
    tps: int, window: int, exposure: int
) -> None:
    rig = LaneRig(carrier(tps=tps, window=window, exposure=exposure))
    rig.feed(MARKETING, 200_000)
    rig.run(5.0, answers_after_s=2.0)
    assert rig.lane.out >= min(window, exposure) - max(1, min(window, exposure) // 10)
    rig.feed(OTP)
    assert first_otp_after(rig, 3.0, answers_after_s=2.0) <= max(0.1, 1 / tps) + 0.002


def test_a_burst_of_otps_takes_the_whole_window() -> None:
    rig = LaneRig(carrier(tps=1000, window=10))
    rig.feed(MARKETING, 100)
    rig.feed(OTP, 100)
    rig.run(1.0, answers_after_s=60)
    assert [item.token.slot.place.cls for item in rig.out] == [OTP] * 10


def test_of_window_and_exposure_a_tenth_is_kept() -> None:
    rig = LaneRig(carrier(tps=1000, window=30, exposure=40))
    rig.feed(NOTICE, 500)
    rig.run(1.0, answers_after_s=60)
    assert rig.lane.out == 27
    rig.feed(OTP, 500)
    rig.run(1.0, answers_after_s=60)
    assert [item.token.slot.place.cls for item in rig.out].count(OTP) == 3


def test_segments_of_marketing_do_not_take_the_place_that_is_kept() -> None:
    rig = LaneRig(carrier(tps=1000, window=10), segments=dict.fromkeys(range(100), 4))
    rig.feed(MARKETING, 100)
    rig.run(1.0, answers_after_s=60)
    assert rig.lane.out == 9


def test_with_a_window_of_one_there_is_nothing_to_keep() -> None:
    rig = LaneRig(carrier(tps=100, window=1))
    rig.feed(MARKETING, 10)
    rig.run(0.5, answers_after_s=60)
    assert rig.lane.out == 1


def test_notice_and_marketing_take_turns_four_to_one() -> None:
    rig = LaneRig(carrier(tps=1000, window=50))
    rig.feed(MARKETING, 500)
    rig.feed(NOTICE, 500)
    written = rig.run(0.5, answers_after_s=0.001)
    shares = [token.slot.place.cls for token in written[:100]]
    assert shares.count(NOTICE) == 80
