"""Once a second, for each lane: the switch and the carrier's health become what the lane does (policy.failover)."""

from __future__ import annotations

import time
from typing import Final

from dispatcher.lane import Lane
from policy.circuit import CircuitState
from policy.failover import Directive, contract_tps, directive
from ratelimit.shares import share_of
from runtime.logs import logger
from schemas.records import CarrierSwitch

log = logger("dispatcher.watch")

WELL_FOR_S: Final = 3.0
"""How long a bind must be up before a diversion ends: not for a flapping one."""
FINISH_WITHIN_S: Final = 5.0
"""How long answers are waited for before a drained lane diverts."""


class Watch:
    """Of one lane; `lanes` of the carrier are in force."""

    def __init__(self, lane: Lane, lanes: int, now: float) -> None:
        self.directive = Directive.GO
        self.rebinding = False
        """The bind is about to be made anew: only what is begun is written on."""
        self._lane = lane
        self._lanes = lanes
        self._unbound_since: float | None = now
        self._bound_since = 0.0
        self._finishing_since: float | None = None

    def bound(self) -> None:
        self._unbound_since = None
        self._bound_since = time.monotonic()

    def unbound(self) -> None:
        if self._unbound_since is None:
            self._unbound_since = time.monotonic()

    def look(self, switch: CarrierSwitch | None, now: float, now_ms: int) -> None:
        """Applies what holds now."""
        lane = self._lane
        share = share_of(max(self._lanes, contract_tps(lane.carrier.tps, switch, now_ms)), self._lanes, lane.number)
        if share != lane.pace.share:
            lane.pace.set_share(share, now)
        wanted = directive(switch, now_ms, self._ailing_s(now), lane.carrier.failover_after_s)
        if wanted is not self.directive:
            log.warning(
                "directive", carrier=lane.carrier.name, lane=lane.number, now=wanted.value, was=self.directive.value
            )
            self.directive = wanted
        lane.paused = wanted is Directive.HOLD
        if wanted is Directive.DIVERT:
            self._divert(now)
        else:
            lane.finishing, self._finishing_since = self.rebinding, None
            if lane.diversion.way and (wanted is Directive.HOLD or self._well(now)):
                lane.diversion.end()
        lane.sweep(now_ms)

    def _ailing_s(self, now: float) -> float:
        if self._unbound_since is not None:
            return now - self._unbound_since
        circuit = self._lane.circuit
        # Past its rest an open circuit wants probes, and those are written here.
        resting = circuit.state is CircuitState.OPEN and now < circuit.rests_until
        return now - circuit.since if resting else 0.0

    def _well(self, now: float) -> bool:
        return self._unbound_since is None and now >= self._bound_since + WELL_FOR_S

    def _divert(self, now: float) -> None:
        """What is out is waited for first, so that a drain by an operator puts nothing in doubt."""
        lane = self._lane
        if lane.bound and lane.out and not lane.diversion.way:
            lane.finishing = True
            if self._finishing_since is None:
                self._finishing_since = now
            if now < self._finishing_since + FINISH_WITHIN_S:
                return
        lane.finishing = False
        lane.diversion.begin(lane.carrier.name)
