"""A batch: records as read from Kafka, decoded and sorted by what is to be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bus.ports import StoredRecord, TopicPartition
from recorder.sources import Source, Sources
from schemas.codec import (
    NewerRecord,
    UnreadableRecord,
    decode_intake,
    decode_mo,
    decode_mt,
    decode_outcome,
    decode_reference,
    encode,
)
from schemas.records import (
    BatchAccepted,
    Blocked,
    ContentRead,
    DeadLetter,
    IntakeRecord,
    MoMessage,
    MtMessage,
    Outcome,
    Receipt,
    ReferenceRecord,
    Rescheduled,
    Resolved,
    Scheduled,
)
from store.transaction import ReceiptName, Span

Acted = Resolved | Rescheduled | ContentRead


class Copy(NamedTuple):
    """A message as a topic holds it: to be queued, or scheduled."""

    message: MtMessage
    record: bytes
    at_ms: int


class Incoming(NamedTuple):
    """A receipt and where it stands. `tries`: how often it was looked for; -1 for one that is not parked."""

    name: ReceiptName
    receipt: Receipt
    tries: int = -1


class Reference(NamedTuple):
    """A record of `reference`; None deletes the key."""

    key: str
    log_offset: int
    record: ReferenceRecord | None


@dataclass(slots=True)
class Batch:
    """What one transaction projects. `records` are what it was made from; `spans` where each partition began and ends."""

    records: Mapping[TopicPartition, Sequence[StoredRecord]] = field(default_factory=dict)
    spans: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    queued: list[Copy] = field(default_factory=list)
    scheduled: list[Copy] = field(default_factory=list)
    blocked: list[tuple[Blocked, Copy | None]] = field(default_factory=list)
    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    receipts: list[Incoming] = field(default_factory=list)
    batches: list[BatchAccepted] = field(default_factory=list)
    inbound: list[MoMessage] = field(default_factory=list)
    reference: list[Reference] = field(default_factory=list)
    acts: list[tuple[int, Acted]] = field(default_factory=list)
    """What people did with single messages, with the offset in `intake`."""
    dead: list[DeadLetter] = field(default_factory=list)
    dead_acked: bool = False
    newer: dict[TopicPartition, str] = field(default_factory=dict)
    """Partitions that stop before a record of a newer release, and the reason."""

    @property
    def count(self) -> int:
        return sum(map(len, self.records.values()))

    def store_spans(self) -> list[Span]:
        return [Span(tp.topic, tp.partition, start, stop) for tp, (start, stop) in self.spans.items()]


class Decoder:
    """Makes batches from what a reader gave."""

    def __init__(self, sources: Sources, now_ms: int = 0) -> None:
        self.sources = sources
        self.now_ms = now_ms

    def kind_of(self, topic: str) -> str:
        """What a topic holds, for metrics."""
        return self.sources.by_topic[topic].kind

    def decode(
        self, found: Mapping[TopicPartition, Sequence[StoredRecord]], starts: Mapping[TopicPartition, int]
    ) -> Batch:
        """`starts`: the position of each partition before these records."""
        records = {TopicPartition(*tp): some for tp, some in found.items() if some}
        batch = Batch(records=records)
        for tp, some in records.items():
            source = self.sources.by_topic[tp.topic]
            try:
                self._decode(batch, source, tp, some)
            except (NewerRecord, UnreadableRecord):
                self._one_by_one(batch, source, tp, some)
            stop = batch.records[tp][-1].offset + 1 if batch.records[tp] else starts[tp]
            batch.spans[tp] = (starts[tp], stop)
        return batch

    def _decode(self, batch: Batch, source: Source, tp: TopicPartition, some: Sequence[StoredRecord]) -> None:
        """All or nothing, so that the lists stay as they were when one record can't be read."""
        if source.kind == "mt":
            batch.queued += [_copy(record) for record in some]
        elif source.kind == "outcomes":
            carrier, part = source.carrier, tp.partition
            decoded = [decode_outcome(record.value or b"") for record in some]
            for outcome, record in zip(decoded, some, strict=True):
                if type(outcome) is Receipt:
                    batch.receipts.append(Incoming(ReceiptName(carrier, part, record.offset), outcome))
                else:
                    batch.outcomes.append((carrier, outcome))
        elif source.kind == "intake":
            decoded_intake = [(decode_intake(record.value or b""), record) for record in some]
            for intake, record in decoded_intake:
                _sort_intake(batch, intake, record)
        elif source.kind == "mo":
            batch.inbound += [decode_mo(record.value or b"") for record in some]
        else:
            batch.reference += [_reference(record) for record in some]

    def _one_by_one(self, batch: Batch, source: Source, tp: TopicPartition, some: Sequence[StoredRecord]) -> None:
        for number, record in enumerate(some):
            try:
                self._decode(batch, source, tp, (record,))
            except NewerRecord as newer:
                # What comes after may mean something only together with it: the partition stops here.
                batch.newer[tp] = str(newer)
                batch.records = {**batch.records, tp: some[:number]}
                return
            except UnreadableRecord as fault:
                batch.dead.append(self.dead_letter(tp, record, str(fault)))

    def dead_letter(self, tp: TopicPartition, record: StoredRecord, reason: str) -> DeadLetter:
        """The record as `dead-letters` keeps it."""
        return DeadLetter(
            tp.topic, tp.partition, record.offset, self.now_ms, reason[:500], record.key, record.value or b""
        )

    def halves(self, batch: Batch) -> tuple[Batch, Batch]:
        """The batch as two, one to be projected after the other: the earlier records of each partition are in the first."""
        room = batch.count // 2
        first: dict[TopicPartition, Sequence[StoredRecord]] = {}
        second: dict[TopicPartition, Sequence[StoredRecord]] = {}
        for tp, some in batch.records.items():
            cut = min(room, len(some))
            room -= cut
            first[tp], second[tp] = some[:cut], some[cut:]
        starts = {tp: start for tp, (start, _) in batch.spans.items()}
        one = self.decode(first, starts)
        starts.update({tp: stop for tp, (_, stop) in one.spans.items()})
        return one, self.decode(second, starts)

    def set_aside(self, batch: Batch, reason: str) -> Batch:
        """A batch of one record that can't be projected, as one that only moves past it."""
        dead = [self.dead_letter(tp, record, reason) for tp, some in batch.records.items() for record in some]
        return Batch(records=batch.records, spans=batch.spans, dead=dead)


def _sort_intake(batch: Batch, intake: IntakeRecord, record: StoredRecord) -> None:
    if isinstance(intake, Scheduled):
        batch.scheduled.append(Copy(intake.message, encode(intake.message), record.timestamp))
    elif isinstance(intake, Blocked):
        message = intake.message
        batch.blocked.append((intake, Copy(message, encode(message), record.timestamp) if message else None))
    elif isinstance(intake, BatchAccepted):
        batch.batches.append(intake)
    elif isinstance(intake, Resolved | Rescheduled | ContentRead):
        batch.acts.append((record.offset, intake))
    else:
        # Expired and Canceled, of a message that was in no lane.
        batch.outcomes.append(("", intake))


def _copy(record: StoredRecord) -> Copy:
    value = record.value or b""
    return Copy(decode_mt(value), value, record.timestamp)


def _reference(record: StoredRecord) -> Reference:
    key = (record.key or b"").decode("utf-8", "replace")
    return Reference(key, record.offset, decode_reference(record.value) if record.value is not None else None)


def oldest_ms(records: Mapping[TopicPartition, Sequence[StoredRecord]]) -> int:
    """The time of the oldest record; 0 without any."""
    return min((some[0].timestamp for some in records.values() if some), default=0)


def newest_ms(records: Iterable[Sequence[StoredRecord]]) -> int:
    """The time of the newest record; 0 without any."""
    return max((some[-1].timestamp for some in records if some), default=0)
