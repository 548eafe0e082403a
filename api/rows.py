"""Many messages of one request: each ruled on its own, published together, told one by one. Batches and streams use it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from api.acceptance import NOT_CONFIRMED, Desk
from api.accepted import QUEUED, SCHEDULED
from api.answers import Queued, Rejected, Result
from api.bodies import Order
from api.idempotency import KeyedNames, Names, reused
from api.intake import Accepted, Caller, Stamp
from api.problems import FieldFault, Refusal, row_error
from bus.ports import Entry, TopicPartition
from runtime.metrics import INTAKE
from schemas.classes import CLASS_NAMES
from schemas.ids import identity, millis_of, to_text
from store.rows import KeyedRow

SLICE: Final = 500
"""Rows that are ruled on in one go: about 8 ms, so that single messages do not wait for a batch."""
_PROBES: Final = 8
_LOOKUP_ROWS: Final = 5_000
ACCEPTED: Final = "accepted"
REPLAYED: Final = "replayed"
UNCONFIRMED: Final = "intake_unavailable"
_UNCONFIRMED_ERROR: Final = row_error([FieldFault("", UNCONFIRMED, NOT_CONFIRMED)])


class Row(NamedTuple):
    """One message as it came, with the hash that a repeat of it is compared by."""

    order: Order | Refusal
    body_hash: bytes | None


class Known(NamedTuple):
    """A repeat: the projection has this id, nothing is published. `status`: as it was told first."""

    id: bytes
    status: str


Ruling = Accepted | Known | Refusal


@dataclass
class Tally:
    """How many messages came to what."""

    accepted: int = 0
    rejected: int = 0
    replayed: int = 0
    unconfirmed: int = 0

    @property
    def total(self) -> int:
        return self.accepted + self.rejected

    def add(self, counts: Mapping[tuple[str, str], int]) -> None:
        """`counts`: messages by class and outcome. They go to the metrics, too, in one step."""
        for (cls, outcome), count in counts.items():
            INTAKE.labels(cls, outcome).inc(count)
            if outcome in (ACCEPTED, REPLAYED):
                self.accepted += count
            else:
                self.rejected += count
            self.replayed += count if outcome == REPLAYED else 0
            self.unconfirmed += count if outcome == UNCONFIRMED else 0


async def known_rows(desk: Desk, names: Names, first: int, count: int) -> Mapping[int, KeyedRow]:
    """What the projection has of a keyed request's rows `first` to `first + count`, by index; moves the names to the day
    that it tells. Nearly every request is none that came before, so a few rows are asked for first."""
    if not isinstance(names, KeyedNames):
        return {}
    step = max(1, count // _PROBES)
    probes = {*range(first, first + min(count, _PROBES)), *range(first, first + count, step)}
    found = await desk.lookups.find([names.of(index) for index in probes])
    if not found:
        return {}
    names.at_ms = min(millis_of(row.id) for row in found.values())
    ids = names.messages(first, count)
    for start in range(0, count, _LOOKUP_ROWS):
        found.update(await desk.lookups.find(ids[start : start + _LOOKUP_ROWS]))
    by_identity = {identity(row.id): row for row in found.values()}
    places = ((first + place, by_identity.get(identity(one))) for place, one in enumerate(ids))
    return {index: row for index, row in places if row is not None and row.body_hash is not None}


async def rule_all(
    desk: Desk,
    caller: Caller,
    rows: Sequence[Row],
    ids: Sequence[bytes],
    known: Mapping[int, KeyedRow],
    first: int,
    batch: bytes,
) -> list[Ruling]:
    """A ruling for each row. Lets other requests run between slices."""
    now_ms = desk.clock.wall_ms()
    rulings: list[Ruling] = []
    for start in range(0, len(rows), SLICE):
        if start:
            await asyncio.sleep(0)
        for place in range(start, min(start + SLICE, len(rows))):
            row = rows[place]
            repeat = known.get(first + place) if known else None
            if repeat is not None:
                rulings.append(_repeated(row, repeat))
            elif isinstance(row.order, Refusal):
                rulings.append(row.order)
            else:
                rulings.append(_ruling(desk, row.order, caller, Stamp(ids[place], now_ms, row.body_hash, batch)))
    return rulings


def _ruling(desk: Desk, order: Order, caller: Caller, stamp: Stamp) -> Ruling:
    try:
        return desk.intake.accept(order, caller, stamp)
    except Refusal as fault:
        return fault


def _repeated(row: Row, known: KeyedRow) -> Ruling:
    if row.body_hash != known.body_hash:
        return reused()
    # With a key every message with a time waits for the scheduler (api.intake.is_scheduled).
    later = isinstance(row.order, Order) and row.order.send_at is not None
    return Known(known.id, SCHEDULED if later else QUEUED)


def queues_of(rulings: Iterable[Ruling]) -> dict[TopicPartition, list[Entry]]:
    """What is to be published, by queue, in the order of the request."""
    queues: dict[TopicPartition, list[Entry]] = {}
    for ruling in rulings:
        if isinstance(ruling, Accepted):
            entries = queues.get(ruling.queue)
            if entries is None:
                queues[ruling.queue] = [ruling.entry]
            else:
                entries.append(ruling.entry)
    return queues


def tell(
    rows: Sequence[Row], rulings: Sequence[Ruling], first: int, unconfirmed: set[TopicPartition], tally: Tally
) -> list[Result]:
    """The results, after the publish, counted in `tally`. `unconfirmed`: the queues that did not acknowledge."""
    results: list[Result] = []
    counts: Counter[tuple[str, str]] = Counter()
    for index, (row, ruling) in enumerate(zip(rows, rulings, strict=True), first):
        if isinstance(ruling, Accepted):
            cls = CLASS_NAMES[ruling.message.cls]
            if ruling.queue in unconfirmed:
                counts[cls, UNCONFIRMED] += 1
                results.append(Rejected(index, _UNCONFIRMED_ERROR))
            else:
                counts[cls, ACCEPTED] += 1
                status = SCHEDULED if ruling.message.not_before_ms else QUEUED
                results.append(Queued(index, to_text(ruling.message.id), status))
        elif isinstance(ruling, Known):
            counts[class_of(row), REPLAYED] += 1
            results.append(Queued(index, to_text(ruling.id), ruling.status))
        else:
            counts[class_of(row), ruling.code] += 1
            results.append(Rejected(index, row_error(ruling.faults)))
    tally.add(counts)
    return results


def class_of(row: Row) -> str:
    """For metrics: the class that was asked for, if the row could be read."""
    return "unknown" if isinstance(row.order, Refusal) else row.order.cls
