"""State and rate of a carrier are switched apart."""

from __future__ import annotations

import pytest

from policy.switching import check_tps, set_state, set_tps
from schemas.carriers import Carrier
from schemas.records import Act, CarrierSwitch

ACT, LATER = Act("ops", "a reason", 1), Act("ops", "another", 2)
CARRIER = Carrier(name="alpha", host="h", port=1, system_id="a", tps=100, lanes=4)


def test_a_pause_keeps_the_rate_and_a_rate_keeps_the_pause() -> None:
    slowed = set_tps(None, "alpha", ACT, 50, 9_000)
    assert slowed == CarrierSwitch(ACT, "alpha", "active", 50, 0, 9_000)
    paused = set_state(slowed, "alpha", LATER, "paused", 5_000)
    assert paused == CarrierSwitch(LATER, "alpha", "paused", 50, 5_000, 9_000)
    assert set_tps(paused, "alpha", LATER, 80, 0) == CarrierSwitch(LATER, "alpha", "paused", 80, 5_000, 0)


def test_a_resumed_carrier_keeps_its_rate_and_the_files_rate_its_state() -> None:
    both = CarrierSwitch(ACT, "alpha", "draining", 50, 5_000, 9_000)
    assert set_state(both, "alpha", LATER, "active", 0) == CarrierSwitch(LATER, "alpha", "active", 50, 0, 9_000)
    assert set_tps(both, "alpha", LATER, 0, 7_000) == CarrierSwitch(LATER, "alpha", "draining", 0, 5_000, 0)
    assert set_state(None, "alpha", ACT, "active", 0) == CarrierSwitch(ACT, "alpha")


@pytest.mark.parametrize(("tps", "warned"), [(4, False), (100, False), (101, True), (1_000, True)])
def test_a_rate_above_the_contract_is_warned_about(tps: int, warned: bool) -> None:
    assert (check_tps(CARRIER, tps) is not None) is warned


@pytest.mark.parametrize("tps", [3, 0, -1, 1_001])
def test_a_rate_that_can_not_be_meant_is_refused(tps: int) -> None:
    with pytest.raises(ValueError, match=r"from 4 .* to 1000"):
        check_tps(CARRIER, tps)
