"""What a lane should be doing: switch first, then health."""

from __future__ import annotations

import pytest

from policy.failover import Directive, contract_tps, directive, in_force
from schemas.records import Act, CarrierSwitch

NOW = 1_790_000_000_000


def switch(state: str = "active", tps: int = 0, until_ms: int = 0, tps_until_ms: int = 0) -> CarrierSwitch:
    return CarrierSwitch(Act("ops", "a reason", NOW), "alpha", state, tps, until_ms, tps_until_ms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "ailing_s", "wanted"),
    [
        ("active", 0, Directive.GO),
        ("active", 9.9, Directive.GO),
        ("active", 10, Directive.DIVERT),
        ("paused", 0, Directive.HOLD),
        ("paused", 1000, Directive.HOLD),
        ("draining", 0, Directive.DIVERT),
    ],
)
def test_switch_and_health(state: str, ailing_s: float, wanted: Directive) -> None:
    assert directive(switch(state), NOW, ailing_s, 10) is wanted


def test_without_a_switch_health_decides() -> None:
    assert directive(None, NOW, 0, 10) is Directive.GO
    assert directive(None, NOW, 11, 10) is Directive.DIVERT


def test_a_switch_reverts_by_itself() -> None:
    assert directive(switch("paused", until_ms=NOW + 1), NOW, 0, 10) is Directive.HOLD
    assert directive(switch("paused", until_ms=NOW), NOW, 0, 10) is Directive.GO


def test_the_rate_is_the_operators_while_the_switch_holds() -> None:
    assert contract_tps(500, None, NOW) == 500
    assert contract_tps(500, switch(tps=100), NOW) == 100
    assert contract_tps(500, switch(), NOW) == 500
    assert contract_tps(500, switch(tps=100, tps_until_ms=NOW + 1), NOW) == 100
    assert contract_tps(500, switch(tps=100, tps_until_ms=NOW), NOW) == 500


def test_state_and_rate_end_each_at_its_own_time() -> None:
    both = switch("paused", 100, NOW + 10, NOW + 20)
    assert in_force(both, NOW + 9) is both
    left = in_force(both, NOW + 10)
    assert left == switch("active", 100, 0, NOW + 20)
    assert in_force(both, NOW + 20) is None
    assert in_force(switch("paused", 100, 0, NOW), NOW) == switch("paused")


def test_a_resumed_carrier_keeps_its_record_so_that_it_is_known_who_did_it() -> None:
    resumed = switch()
    assert in_force(resumed, NOW) is resumed
    assert in_force(None, NOW) is None
