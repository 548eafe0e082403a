"""An operator's switch of a carrier: what it becomes when one thing of it is changed. And what the actions are called.

State and rate are switched apart, each with its own end: to pause keeps a rate that is in force, to set a rate keeps a pause.
"""

from __future__ import annotations

from typing import Final, Literal

from schemas.carriers import Carrier
from schemas.records import Act, CarrierSwitch

SwitchState = Literal["active", "paused", "draining"]
BatchState = Literal["active", "paused", "canceled"]
STATE_OF_ACTION: Final[dict[str, SwitchState]] = {"pause": "paused", "resume": "active", "drain": "draining"}
BATCH_STATE_OF_ACTION: Final[dict[str, BatchState]] = {"pause": "paused", "resume": "active", "cancel": "canceled"}
MOST_TIMES_CONTRACT: Final = 10
"""A rate above so many times the contract is a slip of the keyboard."""


def set_state(
    current: CarrierSwitch | None, carrier: str, act: Act, state: SwitchState, until_ms: int
) -> CarrierSwitch:
    """`current`: what is in force (policy.failover.in_force). `until_ms`: when the state reverts to active, Unix milliseconds;
    0: never."""
    tps, tps_until_ms = (current.tps, current.tps_until_ms) if current else (0, 0)
    return CarrierSwitch(act, carrier, state, tps, until_ms, tps_until_ms)


def set_tps(current: CarrierSwitch | None, carrier: str, act: Act, tps: int, until_ms: int) -> CarrierSwitch:
    """`tps`: segments a second over all lanes, instead of carriers.toml's; 0: as the file has it again."""
    state, state_until_ms = (current.state, current.until_ms) if current else ("active", 0)
    return CarrierSwitch(act, carrier, state, tps, state_until_ms, until_ms if tps else 0)


def check_tps(carrier: Carrier, tps: int) -> str | None:
    """A warning for people when the rate is above the contract, else None. Raises ValueError for what can't be meant."""
    most = MOST_TIMES_CONTRACT * carrier.tps
    if not carrier.lanes <= tps <= most:
        raise ValueError(
            f"must be from {carrier.lanes} (each lane needs a share) to {most} ({MOST_TIMES_CONTRACT} times the contract)"
        )
    if tps > carrier.tps:
        return f"{tps} is above the contract of {carrier.tps} segments a second: the carrier may throttle, or charge"
    return None
