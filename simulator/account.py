"""One account of the SMSC: its scenario made ready, its binds, its limits and its counters."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.limits import SlidingSecond
from simulator.scenario import AccountScenario
from simulator.wire import Delivery, Submit
from smpp.core.constants import Command, CommandStatus
from smpp.core.smsc import BindRequest

if TYPE_CHECKING:
    from simulator.connection import Connection
    from simulator.faults import JudgingFault
    from simulator.intake import Intake

MODES = {
    Command.BIND_TRANSMITTER: "transmitter",
    Command.BIND_RECEIVER: "receiver",
    Command.BIND_TRANSCEIVER: "transceiver",
}
MOST_RECENT = 10_000


@dataclass(slots=True)
class Counters:
    """Since the start. Receipts count once however often they are sent again (`resent`)."""

    submits: int = 0
    accepted: int = 0
    unanswered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    made: int = 0
    sent: int = 0
    resent: int = 0
    acked: int = 0
    refused: int = 0
    lost: int = 0
    dropped: int = 0
    flood: int = 0
    mo: int = 0
    mo_acked: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def pending(self) -> int:
        """Receipts made and neither acknowledged nor given up."""
        return self.made - self.acked - self.refused - self.dropped


class Account:
    """A system_id. `first` is None: a delivery whose origin is an account goes to any of its binds."""

    first: Connection | None = None

    def __init__(self, name: str, scenario: AccountScenario, seed: int) -> None:
        self.name = name
        self.counters = Counters()
        self.connections: list[Connection] = []
        self.kept: deque[Delivery] = deque()
        self.recent: deque[tuple[Submit, int]] = deque(maxlen=MOST_RECENT)
        self.faults: tuple[JudgingFault, ...] = ()
        self.limiter = SlidingSecond(scenario.tps)
        self.configure(scenario, seed)
        self.intake: Intake
        self._reference = 0

    @property
    def account(self) -> Account:
        return self

    def configure(self, scenario: AccountScenario, seed: int) -> None:
        """Takes a scenario; the luck starts anew from the seed, counters and what is pending stay."""
        self.scenario = scenario
        self.rng = random.Random(f"{seed}:{self.name}")
        self.limiter.cap = scenario.tps
        self.spreads = scenario.receipts.bind != "origin"
        for connection in self.connections:
            connection.settle()

    def next_reference(self) -> int:
        """The reference number of the next long MO."""
        self._reference = (self._reference + 1) % 256
        return self._reference

    def refusal(self, request: BindRequest) -> int:
        """The status that a bind request gets: 0 lets it in."""
        scenario = self.scenario
        if scenario.password is not None and request.password != scenario.password:
            return CommandStatus.ESME_RINVPASWD
        if MODES[request.command] not in scenario.bind_modes:
            return CommandStatus.ESME_RBINDFAIL
        if scenario.max_binds is not None and len(self.connections) >= scenario.max_binds:
            return scenario.too_many_binds_status
        return CommandStatus.ESME_ROK
