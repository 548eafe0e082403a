"""What is kept of traffic for people and auditors: the journal's lines, and the last submits for GET /submits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from runtime.clock import Clock
from simulator.journal import Journal, Line, ReceiptLine, SessionLine, SubmitLine, UnansweredLine
from simulator.wire import Delivery, Submit

if TYPE_CHECKING:
    from simulator.connection import Connection

RING = 100_000


class Records:
    """Makes lines where somebody wants them. `keeping` is False when nobody does, and the hot path asks only that."""

    def __init__(self, clock: Clock, journal: Journal | None) -> None:
        self.clock = clock
        self.journal = journal
        self.ring: deque[SubmitLine] | None = None
        self.kept_total = 0

    @property
    def keeping(self) -> bool:
        return self.journal is not None or self.ring is not None

    def keep_submits(self, wanted: bool) -> None:
        """Begins or ends the ring of submits."""
        if not wanted:
            self.ring = None
        elif self.ring is None:
            self.ring = deque(maxlen=RING)

    def submit(
        self, connection: Connection, sequence: int, submit: Submit, status: int, identity: bytes, wall_s: float
    ) -> None:
        """`status` is what is answered, -1 for nothing."""
        line = SubmitLine(
            "submit",
            wall_s,
            connection.system_id,
            connection.number,
            sequence,
            submit.source[2:-1].decode("latin-1"),
            submit.destination[2:-1].decode("latin-1"),
            submit.esm_class,
            submit.data_coding,
            submit.registered,
            submit.validity.decode("latin-1"),
            submit.short_message.hex(),
            _named(submit.tlvs) if submit.tlvs else {},
            status,
            identity.decode(),
        )
        if self.journal is not None:
            self.journal.add(line)
        if self.ring is not None:
            self.ring.append(line)
            self.kept_total += 1

    def delivery(self, event: str, connection: Connection, delivery: Delivery, status: int, wall_s: float) -> None:
        """`event` is sent or acked; `status` is the response's."""
        label = delivery.label
        if self.journal is None or label is None:
            return
        self.journal.add(
            ReceiptLine(
                delivery.kind,
                event,
                wall_s,
                connection.system_id,
                connection.number,
                label.identity,
                label.destination,
                label.state,
                status,
                delivery.again,
            )
        )

    def session(self, kind: str, connection: Connection, status: int, reason: str) -> None:
        """`kind` is bind, unbind or disconnect."""
        self._add(
            SessionLine(kind, self._now(), connection.system_id, connection.number, connection.mode, status, reason)
        )

    def unanswered(self, connection: Connection, sequence: int) -> None:
        """An answer that a submit line tells of never left."""
        self._add(UnansweredLine("unanswered", self._now(), connection.system_id, connection.number, sequence))

    def submits_after(self, after: int, limit: int) -> tuple[list[SubmitLine], int]:
        """Up to `limit` kept submits behind number `after` (from 0), and the number of the last one."""
        ring = self.ring or deque()
        first = self.kept_total - len(ring)
        start = min(max(0, after - first), len(ring))
        found = [ring[at] for at in range(start, min(start + limit, len(ring)))]
        return found, first + start + len(found)

    def _now(self) -> float:
        return self.clock.wall_ms() / 1000

    def _add(self, line: Line) -> None:
        if self.journal is not None:
            self.journal.add(line)


def _named(tlvs: tuple[tuple[int, bytes], ...]) -> dict[str, str]:
    """TLVs by tag in hex; a repeated tag gets #2, #3 behind it."""
    named: dict[str, str] = {}
    for tag, value in tlvs:
        key = name = f"0x{tag:04x}"
        times = 1
        while key in named:
            times += 1
            key = f"{name}#{times}"
        named[key] = value.hex()
    return named
