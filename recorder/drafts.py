"""A message in the making: what a batch says of it, what Postgres knew, and the row that comes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from policy.progress import Progress, turn_of
from policy.status import ReceiptMode, Standing
from recorder.batches import Copy
from schemas.ids import DAY_MS, millis_of
from schemas.records import (
    Blocked,
    Canceled,
    Deferred,
    Duplicate,
    Expired,
    InDoubt,
    Outcome,
    Receipt,
    Rerouted,
    SubmitOutcome,
    Unreadable,
)
from schemas.status import Status
from store import packing, timeline
from store.packing import NO_ERROR, NO_LABELS, NO_ORIGIN, NULL
from store.timeline import Entry
from store.transaction import Stored

Place = Literal["queue", "schedule", "nowhere"]
"""Where a copy of a message is: in a lane's queue, waiting for its time, or blocked at acceptance."""
ID_SEPARATOR: Final = "\x1f"
"""Between the ids in messages.smsc_ids."""


class Submission:
    """A segment that a carrier took, of this batch or as found in Postgres. `send` -1: not known yet."""

    __slots__ = ("carrier", "check", "id", "key", "part", "send", "submitted_ms")

    def __init__(
        self, id: bytes, carrier: str, key: str, part: int, check: int, submitted_ms: int, send: int = -1
    ) -> None:
        self.id = id
        self.carrier = carrier
        self.key = key
        self.part = part
        self.check = check
        self.submitted_ms = submitted_ms
        self.send = send


class Draft:
    """One message of a batch. `copies` and `outcomes` are what the batch says, in the order of each partition."""

    __slots__ = (
        "carrier",
        "cls",
        "copies",
        "copy",
        "day",
        "entries",
        "id",
        "known_doubts",
        "listed",
        "outcomes",
        "progress",
        "segments",
        "stored",
        "was_repeat",
    )

    def __init__(self, id: bytes, cls: int, carrier: str) -> None:
        if len(id) != 16:
            raise ValueError(f"an id of {len(id)} bytes")
        self.id = id
        self.day = int.from_bytes(id[:6], "big") // DAY_MS
        """Of acceptance, in days since 1970."""
        self.cls = cls
        self.carrier = carrier
        self.copies: list[tuple[Copy, Place]] = []
        self.outcomes: list[tuple[str, SubmitOutcome, list[Submission]]] = []
        self.entries: list[Entry] = []
        """Of other outcomes."""
        self.listed: list[tuple[str, InDoubt]] = []
        self.segments: list[Submission] = []
        """New ones, to be written."""
        self.copy: Copy | None = None
        """The copy that the row is to be filled from."""
        self.progress = Progress()
        self.stored: Stored | None = None
        self.was_repeat = False
        self.known_doubts: list[tuple[Entry, tuple[int, str] | None]] = []
        """With how they had ended."""

    def recall(self, stored: Stored) -> None:
        """What Postgres knew, before anything of the batch is applied."""
        self.stored = stored
        self.cls = stored.cls
        self.carrier = stored.carrier
        self.progress = Progress(timeline.unpack(stored.timeline, stored.entries))
        if self.progress.doubts:
            self.known_doubts = [(doubt, self.progress.resolution(doubt)) for doubt in self.progress.doubts]
        self.was_repeat = self.progress.unlisted_repeat()

    def apply(self) -> None:
        """All but receipts, which have to be matched first."""
        progress = self.progress
        for copy, place in self.copies:
            if self._take(copy, place):
                self.copy = copy
        for carrier, outcome, submissions in self.outcomes:
            self._answered(carrier, outcome, submissions)
        for entry in self.entries:
            progress.event(entry)

    def _answered(self, carrier: str, outcome: SubmitOutcome, submissions: list[Submission]) -> None:
        send = self.progress.sent(
            outcome.at_ms,
            outcome.attempt,
            outcome.hop,
            carrier,
            outcome.offset,
            outcome.submitted_ms,
            1 if outcome.possible_duplicate else 0,
            outcome.parts,
            outcome.code,
            outcome.status,
            outcome.retry_at_ms,
        )
        is_new = send >= 0
        for submission in submissions:
            # Of a record that stands twice in Kafka the segments are those of the first.
            submission.send = send if is_new else ~send
        if is_new:
            self.segments += submissions

    def _take(self, copy: Copy, place: Place) -> bool:
        message = copy.message
        if place == "queue":
            # Of later turns nobody but Kafka knows the time.
            first = message.attempt == 1 and message.hop == 0 and not message.not_before_ms
            at_ms = message.accepted_ms if first else copy.at_ms
            duplicate = 1 if message.possible_duplicate else 0
            return self.progress.queued(at_ms, message.attempt, message.hop, message.carrier, duplicate)
        if place == "schedule":
            return self.progress.event(scheduled(copy))
        return self.progress.fill(turn_of(message.attempt, message.hop), 0, message.accepted_ms, message.carrier)

    @property
    def changed(self) -> bool:
        return len(self.progress.entries) > self.progress.kept

    def row(self, modes: Mapping[str, ReceiptMode]) -> tuple[Standing, bytes]:
        """The whole row, and its standing: for a message that is new, or whose newest copy came."""
        progress, stored, copy = self.progress, self.stored, self.copy
        standing = progress.standing(modes)
        accepted_ms, expires_ms, price, segments = millis_of(self.id), 0, 0, 0
        origin, label, carrier, cls = NO_ORIGIN, NO_LABELS, self.carrier, self.cls
        if copy is not None:
            message = copy.message
            carrier, cls = message.carrier, message.cls
            accepted_ms, expires_ms = message.accepted_ms, message.expires_ms
            price, segments = message.price_micros, message.segments
            origin = packing.pack_origin(message.account, message.currency, message.index, copy.record)
            extras = message.extras
            if extras is not None or message.batch is not None:
                campaign, tags = (extras.campaign, extras.tags) if extras is not None else (None, ())
                label = packing.labels(message.client_ref, message.batch, campaign, tags)
            elif message.client_ref is not None:
                label = packing.text(message.client_ref) + NULL * 3
        rev, line = 0, timeline.pack(progress.fresh)
        if stored is not None:
            rev, line = stored.rev + 1, stored.timeline + line
        return standing, packing.pack_message(
            self.id,
            accepted_ms,
            expires_ms,
            progress.updated_ms,
            price,
            rev,
            cls,
            standing.status,
            progress.turn >> 16,
            progress.turn & 0xFFFF,
            segments,
            len(progress.entries),
            self.possible_duplicate,
            progress.in_doubt,
            carrier,
            line,
            origin,
            label,
            self._smsc_ids(),
            _error(standing),
        )

    @property
    def accepted_ms(self) -> int:
        """0 while only an outcome is known."""
        if self.copy is not None:
            return self.copy.message.accepted_ms
        return self.stored.accepted_ms if self.stored is not None and self.stored.filled else 0

    def change(self, modes: Mapping[str, ReceiptMode]) -> tuple[Standing, bytes]:
        """What changes of a row that stands, and its standing."""
        progress, stored = self.progress, self.stored
        assert stored is not None
        standing = progress.standing(modes)
        fresh = progress.fresh
        return standing, packing.pack_change(
            self.id,
            progress.updated_ms,
            stored.rev,
            standing.status,
            len(fresh),
            self.possible_duplicate,
            progress.in_doubt,
            timeline.pack(fresh),
            self._smsc_ids(),
            _error(standing),
        )

    @property
    def possible_duplicate(self) -> bool:
        progress = self.progress
        return progress.duplicate or (len(progress.sends) > 1 and progress.unlisted_repeat())

    def _smsc_ids(self) -> bytes:
        sends = self.progress.sends
        if len(sends) == 1 and len(sends[0].parts) == 1:
            only = sends[0].parts[0]
            return packing.text(only) if only else NULL
        found = [smsc_id for send in sends for smsc_id in send.parts if smsc_id]
        return packing.text(ID_SEPARATOR.join(found)) if found else NULL


def _error(standing: Standing) -> bytes:
    if standing.code is None:
        return NO_ERROR
    return packing.standing(standing.code, standing.carrier_status, standing.carrier_error)


def scheduled(copy: Copy) -> Entry:
    """The entry of a message that waits for its time."""
    message = copy.message
    return (
        timeline.SCHEDULED,
        message.accepted_ms,
        message.attempt,
        message.hop,
        message.carrier,
        message.not_before_ms,
        1 if message.possible_duplicate else 0,
    )


def _stopped(status: Status, code: str = "") -> Callable[[str, Any], Entry]:
    def entry(carrier: str, outcome: Any) -> Entry:
        told = code or outcome.code
        return (timeline.STOPPED, outcome.at_ms, outcome.attempt, outcome.hop, carrier, int(status), told)

    return entry


_ENTRY_OF: Final[Mapping[type, Callable[[str, Any], Entry]]] = {
    InDoubt: lambda carrier, o: (
        timeline.IN_DOUBT, o.at_ms, o.attempt, o.hop, carrier, o.action, o.reason, o.until_ms,
    ),
    Rerouted: lambda carrier, o: (timeline.REROUTED, o.at_ms, o.attempt, o.hop, carrier, o.to),
    Deferred: lambda carrier, o: (timeline.DEFERRED, o.at_ms, o.attempt, o.hop, carrier, o.until_ms, o.code),
    Duplicate: lambda carrier, o: (timeline.DUPLICATE, o.at_ms, o.attempt, o.hop, carrier),
    Expired: _stopped(Status.EXPIRED, "expired"),
    Canceled: _stopped(Status.CANCELED),
    Blocked: _stopped(Status.BLOCKED),
    # It names no turn: the bytes that would tell it could not be read.
    Unreadable: lambda carrier, o: (timeline.STOPPED, o.at_ms, 1, 0, carrier, int(Status.FAILED), "unreadable"),
}  # fmt: skip


def entry_of(carrier: str, outcome: Outcome) -> Entry:
    """The timeline's entry of an outcome that is neither an answer of the carrier nor a receipt."""
    assert not isinstance(outcome, SubmitOutcome | Receipt)
    return _ENTRY_OF[type(outcome)](carrier, outcome)
