"""What the api knows of carriers: the `carrier-status` topic in memory, shown with carriers.toml and the switches."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from api.answers import Shape
from api.reference import ReferenceBook
from runtime.clock import Clock
from runtime.logs import logger
from schemas.carriers import Carrier, CarrierBook
from schemas.classes import CLASS_NAMES
from schemas.codec import RecordError, decode_status
from schemas.ids import rfc3339
from schemas.records import CarrierSwitch, LaneStatus

log = logger("api.status")
SILENT_S: Final = 100.0
"""Dispatchers repeat themselves every 30 s: of a lane that is silent for longer, its last word tells nothing."""


UP: Final = frozenset({"bound", "throttled", "paused"})
"""States of a lane whose bind is up."""


class LaneView(Shape):
    """One bind. `state` is `unknown` while no dispatcher says anything about it."""

    lane: int
    state: str
    since: str | None
    instance: str | None
    detail: str
    rate_tps: float
    queued: dict[str, int]


class SwitchView(Shape):
    """An operator's switch. `actor`, `reason` and `at` are of the last change; `until` ends the state, `tps_until` the rate
    (null: never)."""

    state: str
    tps: int | None = Field(description="Null: the contract's.")
    actor: str
    reason: str
    at: str
    until: str | None
    tps_until: str | None


class CarrierView(Shape):
    """One carrier. `tps`: the rate in force; `contract_tps`: carriers.toml's; `switch`: null when there is none in force;
    `binds_up`: lanes that are bound now; `queued`: messages by class."""

    name: str
    test: bool
    state: str
    tps: int
    contract_tps: int
    switch: SwitchView | None
    binds: int
    binds_up: int
    queued: dict[str, int]
    lanes: list[LaneView]


class CarrierList(Shape):
    """All carriers of carriers.toml, by name."""

    data: list[CarrierView]


class StatusBoard:
    """The last word of every lane. `apply` is fed by bus.snapshot."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[bytes, tuple[LaneStatus, float]] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._lanes.pop(key, None)
            return
        try:
            self._lanes[key] = (decode_status(value), self._clock.monotonic())
        except RecordError as fault:
            log.warning("status_record_not_used", key=key.decode(errors="replace"), fault=str(fault))

    def lane(self, carrier: str, lane: int) -> LaneStatus | None:
        """The last word of a lane; None when it has been silent for too long."""
        status, heard_at = self._lanes.get(f"{carrier}/{lane}".encode(), (None, 0.0))
        return status if self._clock.monotonic() - heard_at <= SILENT_S else None

    def is_up(self, carrier: Carrier) -> bool:
        """At least one lane is bound, as far as is known."""
        lanes = (self.lane(carrier.name, number) for number in range(carrier.lanes))
        return any(lane is not None and lane.state in UP for lane in lanes)

    def view(self, carriers: CarrierBook, book: ReferenceBook, now_ms: int) -> CarrierList:
        """All carriers as they stand."""
        return CarrierList(data=[self._carrier(each, book, now_ms) for _, each in sorted(carriers.carriers.items())])

    def _carrier(self, carrier: Carrier, book: ReferenceBook, now_ms: int) -> CarrierView:
        switch = book.switch(carrier.name, now_ms)
        lanes = [_lane(number, self.lane(carrier.name, number)) for number in range(carrier.lanes)]
        return CarrierView(
            name=carrier.name,
            test=carrier.test,
            state=switch.state if switch else "active",
            tps=(switch.tps if switch else 0) or carrier.tps,
            contract_tps=carrier.tps,
            switch=switch_view(switch) if switch else None,
            binds=carrier.lanes,
            binds_up=sum(lane.state in UP for lane in lanes),
            queued={name: sum(lane.queued[name] for lane in lanes) for name in CLASS_NAMES},
            lanes=lanes,
        )


def switch_view(switch: CarrierSwitch) -> SwitchView:
    return SwitchView(
        state=switch.state,
        tps=switch.tps or None,
        actor=switch.act.actor,
        reason=switch.act.reason,
        at=rfc3339(switch.act.at_ms),
        until=rfc3339(switch.until_ms) if switch.until_ms else None,
        tps_until=rfc3339(switch.tps_until_ms) if switch.tps_until_ms else None,
    )


def _lane(number: int, status: LaneStatus | None) -> LaneView:
    if status is None:
        none = dict.fromkeys(CLASS_NAMES, 0)
        return LaneView(lane=number, state="unknown", since=None, instance=None, detail="", rate_tps=0.0, queued=none)
    return LaneView(
        lane=number,
        state=status.state,
        since=rfc3339(status.since_ms),
        instance=status.instance,
        detail=status.detail,
        rate_tps=status.rate_tps,
        queued=dict(zip(CLASS_NAMES, (*status.queued, 0, 0, 0), strict=False)),
    )
