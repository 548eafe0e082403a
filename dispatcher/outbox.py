"""Outcomes on their way to Kafka: records made, gathered by partition, and what their acknowledgement settles."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from bus.ports import Entry
from dispatcher.diversion import Copy
from dispatcher.slots import Slot
from policy.retry import Retry
from schemas.codec import encode
from schemas.records import (
    Blocked,
    Canceled,
    Deferred,
    Duplicate,
    Expired,
    InDoubt,
    InDoubtAction,
    InDoubtReason,
    MtMessage,
    Outcome,
    Rerouted,
    SubmitOutcome,
    Unreadable,
)
from schemas.sealing import check_of

Effect = Literal["settle", "resend", "note"]
"""What Kafka's acknowledgement does: settle the record, let it be sent again, or nothing."""


class Parcel(NamedTuple):
    """Entries of one partition of `outcomes`, and the slots that hang on their acknowledgement."""

    partition: int
    entries: list[Entry]
    slots: list[tuple[Slot, Effect]]


class Outbox:
    """Gathers until the shell takes. `lane` is this lane's number."""

    def __init__(self, lane: int) -> None:
        self.doubts: Counter[tuple[str, str]] = Counter()
        """Listed since somebody last looked, by reason and action."""
        self.duplicates = 0
        self._lane = lane
        self._parcels: dict[int, Parcel] = {}

    def __bool__(self) -> bool:
        return bool(self._parcels)

    def take(self) -> list[Parcel]:
        """Everything gathered, one parcel a partition, each in order."""
        parcels = list(self._parcels.values())
        self._parcels = {}
        return parcels

    def _add(self, slot: Slot, effect: Effect, record: Outcome, key: bytes) -> None:
        partition = slot.place.partition
        parcel = self._parcels.get(partition)
        if parcel is None:
            parcel = self._parcels[partition] = Parcel(partition, [], [])
        parcel.entries.append((key, encode(record)))
        parcel.slots.append((slot, effect))

    def submitted(self, slot: Slot, message: MtMessage, now_ms: int, retry: Retry | None = None) -> None:
        """The carrier's answers to all segments, and whether the scheduler is to try again."""
        cls, _, offset = slot.place
        self._add(
            slot,
            "settle",
            SubmitOutcome(
                message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop, slot.submitted_ms,
                slot.code, slot.status, tuple([part or "" for part in slot.ids]), None, check_of(slot.index), slot.doubted,
                retry.at_ms if retry else 0, retry.elsewhere if retry else False,
            ),
            message.id,
        )  # fmt: skip

    def late_copy(self, slot: Slot, message: MtMessage, part: int, message_id: str, now_ms: int) -> None:
        """A copy that was given up was accepted after all: its id is recorded, so that its receipt finds it."""
        cls, _, offset = slot.place
        parts = tuple([message_id if number == part else "" for number in range(len(slot.bodies))])
        record = SubmitOutcome(
            message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop, slot.submitted_ms,
            "", 0, parts, None, check_of(slot.index), slot.epoch > 0,
        )  # fmt: skip
        self._add(slot, "note", record, message.id)

    def doubt(
        self, slot: Slot, message: MtMessage, action: InDoubtAction, reason: InDoubtReason, now_ms: int, until_ms: int,
    ) -> None:  # fmt: skip
        cls, _, offset = slot.place
        record = InDoubt(
            message.id,
            cls,
            offset,
            now_ms,
            self._lane,
            message.attempt,
            message.hop,
            action,
            reason,
            slot.index,
            until_ms,
        )
        self.doubts[reason, action] += 1
        self._add(slot, "resend" if action == "resending" else "settle", record, message.id)

    def duplicate(self, slot: Slot, message: MtMessage, now_ms: int) -> None:
        cls, _, offset = slot.place
        self.duplicates += 1
        record = Duplicate(message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop)
        self._add(slot, "settle", record, message.id)

    def dropped(self, slot: Slot, message: MtMessage, code: str, now_ms: int) -> None:
        """The gate's, or the encoder's, last word."""
        cls, _, offset = slot.place
        head = (message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop)
        record: Outcome
        if code == "expired":
            record = Expired(*head)
        elif code in ("canceled", "batch_canceled"):
            record = Canceled(*head, code)
        else:
            record = Blocked(*head, code)
        self._add(slot, "settle", record, message.id)

    def deferred(self, slot: Slot, message: MtMessage, until_ms: int, code: str, now_ms: int) -> None:
        cls, _, offset = slot.place
        head = (message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop)
        self._add(slot, "settle", Deferred(*head, until_ms, code), message.id)

    def rerouted(self, slot: Slot, message: MtMessage, copy: Copy, now_ms: int) -> None:
        cls, _, offset = slot.place
        head = (message.id, cls, offset, now_ms, self._lane, message.attempt, message.hop)
        self._add(slot, "settle", Rerouted(*head, copy.to, copy.price_micros, copy.segments), message.id)

    def unreadable(self, slot: Slot, reason: str, now_ms: int) -> None:
        cls, _, offset = slot.place
        identity = slot.message.id if slot.message is not None else b""
        self._add(slot, "settle", Unreadable(cls, offset, now_ms, self._lane, reason, identity), identity)
