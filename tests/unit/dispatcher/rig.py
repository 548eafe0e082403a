"""A lane in virtual time, with a Kafka that acknowledges at once and an SMSC that answers when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bus.memory import MemoryRecord
from bus.ports import TopicPartition
from dispatcher.diversion import Copy
from dispatcher.lane import Lane
from dispatcher.ledger import LedgerState
from dispatcher.slots import Slot, Token
from policy.gate import Facts
from schemas import ids
from schemas.carriers import Carrier
from schemas.codec import decode_outcome, encode
from schemas.records import MtMessage, Outcome
from smpp.core.esme import Answer

OTP, NOTICE, MARKETING = 0, 1, 2
NOW_MS = 1_790_000_000_000
START = 1000.0


def message(number: int, cls: int) -> MtMessage:
    identity = ids.random_ids(NOW_MS, number.to_bytes(10, "big"))[0]
    return MtMessage(identity, "shop", cls, "alpha", b"", b"", NOW_MS, NOW_MS + 10**9, 1, 0, 0, 3, 0, "USD")


def carrier(**options: Any) -> Carrier:
    return Carrier(**{"name": "alpha", "host": "h", "port": 1, "system_id": "s", "tps": 100, "window": 10, **options})


@dataclass
class Out:
    """A segment that the SMSC has, and when it will answer."""

    token: Token
    written_at: float


@dataclass
class LaneRig:
    """`segments` of each message by its number in the order of feeding, 1 where nothing is said."""

    carrier: Carrier = field(default_factory=carrier)
    segments: dict[int, int] = field(default_factory=dict)
    reroutes: bool = True

    def __post_init__(self) -> None:
        self.now = START
        self.out: list[Out] = []
        self.outcomes: list[Outcome] = []
        self.copies: list[tuple[Slot, Copy]] = []
        self._fed = 0
        self._parts: dict[bytes, int] = {}
        self._ends = [0, 0, 0]
        self.lane = Lane(self.carrier, 0, self.carrier.tps, self._encode, self._reroute, Facts(), self.now)
        self.lane.install(
            "token", {(cls, 0): (TopicPartition(f"mt.{cls}", 0), LedgerState("-", 0, 0, ())) for cls in range(3)}, []
        )
        self.lane.active = self.lane.bound = True
        self.lane.lease_until = 1e12
        self.now += 2.0  # past the second that a new owner takes for used up

    @property
    def now_ms(self) -> int:
        return NOW_MS + round((self.now - START) * 1000)

    def _encode(self, item: MtMessage, _now_ms: int) -> tuple[bytes, ...]:
        return tuple(b"body%d" % part for part in range(self._parts[item.id]))

    def _reroute(self, item: MtMessage, index: bytes, _avoid: str, _doubted: bool) -> Copy | None:
        return Copy("mt.beta", 0, index, encode(item), "beta", 0, 1) if self.reroutes else None

    def feed(self, cls: int, count: int = 1) -> None:
        """Further records of a class."""
        records = []
        for _ in range(count):
            item = message(self._fed, cls)
            self._parts[item.id] = self.segments.get(self._fed, 1)
            records.append(MemoryRecord(self._ends[cls], NOW_MS, b"index", encode(item)))
            self._fed += 1
            self._ends[cls] += 1
        self.lane.feed(cls, 0, records, self.now_ms)

    def turn(self) -> list[Token]:
        """What the shell does after an event, Kafka acknowledging at once; gives what was written."""
        self.commit()
        batch = self.lane.pump(self.now, self.now_ms)
        self.out += [Out(token, self.now) for token, _ in batch]
        self.copies += self.lane.diversion.redirect(self.now_ms)
        self.publish()
        self.commit()
        return [token for token, _ in batch]

    def commit(self) -> None:
        while plan := self.lane.commit_plan(self.now):
            self.lane.committed(plan)

    def publish(self) -> None:
        for parcel in self.lane.outbox.take():
            self.outcomes += [decode_outcome(value or b"") for _, value in parcel.entries]
            self.lane.published(parcel)

    def acknowledge_copies(self) -> None:
        copies, self.copies = self.copies, []
        for slot, copy in copies:
            self.lane.diversion.copied(slot, copy, self.now_ms)
        self.publish()

    def answer(self, outs: list[Out], status: int = 0) -> None:
        for item in outs:
            self.out.remove(item)
        self.lane.answered(
            [Answer(item.token, status, "" if status else f"id{id(item)}") for item in outs], self.now, self.now_ms
        )

    def run(self, for_s: float, answers_after_s: float, step_s: float = 0.001) -> list[Token]:
        """Turns for so long, at deadlines and answers; gives what was written."""
        written: list[Token] = []
        end = self.now + for_s
        while self.now < end:
            due = [item for item in self.out if item.written_at + answers_after_s <= self.now]
            if due:
                self.answer(due)
            written += self.turn()
            self.now += step_s
        return written
