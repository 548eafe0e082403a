"""What a lane should be doing, from the operator's switch and the carrier's health: go, hold, or send its backlog elsewhere."""

from __future__ import annotations

from enum import Enum

from msgspec.structs import replace

from schemas.records import CarrierSwitch


class Directive(Enum):
    GO = "go"
    HOLD = "hold"
    DIVERT = "divert"


def in_force(switch: CarrierSwitch | None, now_ms: int) -> CarrierSwitch | None:
    """What of the switch holds at Unix milliseconds `now_ms`: state and rate revert each at its own time. None: nothing does."""
    if switch is None:
        return None
    state_over = bool(switch.until_ms) and now_ms >= switch.until_ms
    tps_over = bool(switch.tps_until_ms) and now_ms >= switch.tps_until_ms
    if not (state_over or tps_over):
        return switch
    left = replace(
        switch,
        state="active" if state_over else switch.state,
        until_ms=0 if state_over else switch.until_ms,
        tps=0 if tps_over else switch.tps,
        tps_until_ms=0 if tps_over else switch.tps_until_ms,
    )
    return left if left.state != "active" or left.tps else None


def directive(switch: CarrierSwitch | None, now_ms: int, ailing_s: float, failover_after_s: float) -> Directive:
    """`ailing_s`: how long the bind has been down, or the circuit open; 0 when all is well.

    A paused carrier holds its queue even while it is down: that is what the operator asked for.
    """
    switch = in_force(switch, now_ms)
    if switch is not None and switch.state == "paused":
        return Directive.HOLD
    if (switch is not None and switch.state == "draining") or ailing_s >= failover_after_s:
        return Directive.DIVERT
    return Directive.GO


def contract_tps(file_tps: int, switch: CarrierSwitch | None, now_ms: int) -> int:
    """The rate to share out: the operator's while the switch holds, else the file's."""
    switch = in_force(switch, now_ms)
    return switch.tps if switch is not None and switch.tps else file_tps
