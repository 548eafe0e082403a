"""Faults: what one is, which are active, how often each fired. The kinds themselves are in `fault_kinds.py`.

A fault is a small object with the hooks it needs: `begin` and `end`, `judge` a submit, `admit` a bind, `change` what is
due. The hot path asks an account only whether it has any.
"""

from __future__ import annotations

import difflib
import random
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, ValidationError

from simulator.distributions import LONGEST_S, Model, Share
from simulator.outcomes import Verdict, matcher
from simulator.scenario import Match, first_fault
from simulator.wire import Delivery, Submit

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.connection import Connection
    from simulator.smsc import Smsc

MOST_ACTIVE = 1000


class FaultOptions(Model):
    """What every fault may be told."""

    carrier: str | None = Field(default=None, description="The system_id it is for; null for all.")
    for_s: float | None = Field(default=None, gt=0, le=LONGEST_S, description="null: until it is deleted.")
    rate: Share = Field(default=1, description="The share of matching submits or receipts that it hits.")
    times: int | None = Field(default=None, ge=1, description="It ends after firing this often.")
    match: Match = Match()


class Fault:
    """An active fault; this one does nothing but be there."""

    sentence: ClassVar[str]
    Options: ClassVar[type[FaultOptions]] = FaultOptions
    # One that is over as soon as it began.
    momentary: ClassVar[bool] = False

    def __init__(self, smsc: Smsc, options: Any, fault_id: str) -> None:
        self.smsc = smsc
        self.options = options
        self.id = fault_id
        self.fired = 0
        self.until: float | None = None
        self._luck = random.Random(f"{smsc.seed}:{fault_id}")

    def begin(self) -> None:
        """Called once, when it is active."""

    def end(self) -> None:
        """Called once, when it is over."""

    def concerns(self, system_id: str) -> bool:
        return self.options.carrier in (None, system_id)

    def connections(self) -> list[Connection]:
        """The connections it is for: all, or those bound as its carrier."""
        return [
            connection
            for connection in self.smsc.connections
            if self.options.carrier in (None, connection.system_id) and not connection.closed
        ]

    def strikes(self) -> bool:
        """Draws whether it hits, and counts the hit."""
        times = self.options.times
        if times is not None and self.fired >= times:
            return False
        if self.options.rate < 1 and self._luck.random() >= self.options.rate:
            return False
        self.fire()
        if times is not None and self.fired >= times:
            self.smsc.after(0, lambda: self.smsc.faults.stop(self.id))
        return True

    def fire(self) -> None:
        self.fired += 1
        self.smsc.faults.fired[self.name] += 1

    @property
    def name(self) -> str:
        return self.smsc.faults.names[type(self)]


class JudgingFault(Fault):
    """Changes what becomes of the submits that match."""

    def __init__(self, smsc: Smsc, options: Any, fault_id: str) -> None:
        super().__init__(smsc, options, fault_id)
        self._fits = matcher(options.match)

    def judge(self, submit: Submit, verdict: Verdict) -> None:
        """Asked for each submit of an account that it concerns."""
        if self._fits(submit) and self.strikes():
            self.change(verdict)

    def change(self, verdict: Verdict) -> None:
        raise NotImplementedError


class AdmittingFault(Fault):
    """Has a say when somebody binds."""

    def admit(self, connection: Connection) -> int | None:
        """A status to refuse with; -1 to close without a word; None to let it be."""
        raise NotImplementedError


class ReceiptFault(Fault):
    """Changes the receipts that are due."""

    def change(self, batch: list[Delivery]) -> list[Delivery]:
        """What goes on to the binds instead of `batch`."""
        return [delivery for given in batch for delivery in (self.turn(given) if self._hits(given) else (given,))]

    def turn(self, delivery: Delivery) -> tuple[Delivery, ...]:
        """What becomes of one receipt that is hit."""
        raise NotImplementedError

    def _hits(self, delivery: Delivery) -> bool:
        first = delivery.kind == "receipt" and not delivery.again
        return first and self.concerns(delivery.origin.account.name) and self.strikes()


class Faults:
    """The faults that are active and the counts of all that were. `kinds` is the table by name."""

    def __init__(self, smsc: Smsc, kinds: Mapping[str, type[Fault]]) -> None:
        self._smsc = smsc
        self._ids = count(1)
        self.kinds = kinds
        self.names = {kind: name for name, kind in kinds.items()}
        self.fired: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        self.active: dict[str, Fault] = {}

    def start(self, name: str, body: Mapping[str, Any]) -> Fault:
        """Raises KeyError (with the nearest name) for an unknown fault, ValueError for options that make no sense."""
        kind = self.kinds.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, self.kinds, 1)
            raise KeyError(f"no fault {name!r}; " + (f"did you mean {near[0]}?" if near else "GET /faults lists them"))
        if len(self.active) >= MOST_ACTIVE:
            raise ValueError(f"{MOST_ACTIVE} faults are active; delete some")
        try:
            options = kind.Options.model_validate(body)
        except ValidationError as fault:
            raise ValueError(first_fault(fault)) from None
        active = kind(self._smsc, options, f"{name}-{next(self._ids)}")
        self.active[active.id] = active
        self.settle()
        active.begin()
        if kind.momentary:
            self.stop(active.id)
        elif options.for_s is not None:
            active.until = self._smsc.clock.monotonic() + options.for_s
            self._smsc.after(options.for_s, lambda: self.stop(active.id))
        return active

    def stop(self, fault_id: str) -> bool:
        """Ends a fault; False when there is none of this id (any more)."""
        fault = self.active.pop(fault_id, None)
        if fault is None:
            return False
        self.settle()
        fault.end()
        return True

    def settle(self) -> None:
        """Tells accounts and the post which faults concern them."""
        for account in self._smsc.accounts.values():
            self.brief(account)
        self._smsc.post.filters = tuple(
            fault.change for fault in self.active.values() if isinstance(fault, ReceiptFault)
        )

    def brief(self, account: Account) -> None:
        account.faults = tuple(
            fault for fault in self.active.values() if isinstance(fault, JudgingFault) and fault.concerns(account.name)
        )

    def admit(self, connection: Connection, system_id: str) -> int | None:
        """What the faults say to a bind; the first that objects decides."""
        for fault in self.active.values():
            if isinstance(fault, AdmittingFault) and fault.concerns(system_id):
                status = fault.admit(connection)
                if status is not None:
                    return status
        return None
