"""Projects batches: each in one transaction, again when others were in the way, in halves when one record is poison."""

from __future__ import annotations

import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from policy.status import ReceiptMode
from recorder.batches import Batch, Decoder, Incoming
from recorder.fold import Fold, Rows
from recorder.reference import audit_row, write_reference
from runtime.clock import Clock
from runtime.errors import UnavailableError
from runtime.logs import logger
from runtime.metrics import ACCEPT_TO_FINAL, DEAD_LETTERS, PROJECTION_BATCH_SECONDS, PROJECTION_RECORDS
from schemas.codec import decode_outcome, encode
from schemas.ids import DAY_MS
from schemas.records import DeadLetter, Receipt
from store.packing import clean
from store.projection import Projection
from store.transaction import Conflict, Parked, ReceiptName, Refused, Transaction
from store.upkeep import RECEIPT_TIMEOUT

log = logger("recorder.projector")
MOST_TRIES: Final = 50
"""Of a batch that others are in the way of. Beyond it something else is wrong: better end than spin."""
PARKED_BATCH: Final = 5000
SLOW_DAYS_BACK: Final = 15
"""How far back a waiting receipt looks for its submission: carriers give up after 14 days at the latest."""
_UNFIT: Final = (ValueError, OverflowError, struct.error)
"""What a record raises that no row can hold. Anything else is a fault of ours, and ends the process."""

SetAside = Callable[[Sequence[DeadLetter]], Awaitable[None]]
"""Publishes to `dead-letters`; returns when that is acknowledged."""


class Projector:
    """See the module. One task at a time."""

    def __init__(
        self,
        projection: Projection,
        decoder: Decoder,
        modes: Mapping[str, ReceiptMode],
        set_aside: SetAside,
        clock: Clock,
        *,
        observe: bool = True,
    ) -> None:
        """`observe`: count times from acceptance; a rebuild does not."""
        self._projection = projection
        self._decoder = decoder
        self._modes = modes
        self._set_aside = set_aside
        self._clock = clock
        self._observe = observe
        self.parked_left = True
        """Receipts may wait for their submission."""

    def receipts_wait(self) -> None:
        """Somebody has parked receipts."""
        self.parked_left = True

    async def project(self, batch: Batch) -> None:
        """Returns when the batch is committed. Raises Moved, UnavailableError."""
        try:
            await self._in_one_piece(batch)
        except (Refused, *_UNFIT) as fault:
            await self._isolate(batch, fault)

    async def _isolate(self, batch: Batch, fault: Exception) -> None:
        if batch.count <= 1:
            log.error("record_set_aside", fault=str(fault), spans=[tuple(span) for span in batch.store_spans()])
            await self._in_one_piece(self._decoder.set_aside(batch, f"can't be projected: {fault}"))
            return
        for half in self._decoder.halves(batch):
            await self.project(half)

    async def _in_one_piece(self, batch: Batch) -> None:
        started = time.monotonic()
        rows = await self._patiently(lambda: self._transact(batch))
        PROJECTION_BATCH_SECONDS.observe(time.monotonic() - started)
        self._count(batch, rows)

    async def _patiently(self, work: Callable[[], Awaitable[Rows]]) -> Rows:
        """Does it again while others are in the way. Raises UnavailableError when they never give way."""
        for attempt in range(MOST_TRIES):
            try:
                return await work()
            except Conflict as fault:
                log.info("projected_again", attempt=attempt, fault=str(fault))
                await self._projection.look_again()
        raise UnavailableError(f"a batch met conflicts {MOST_TRIES} times in a row", "see the log for what they were")

    async def _transact(self, batch: Batch) -> Rows:
        fold = Fold(self._modes)
        fold.gather(batch)
        await self._make_room(fold, batch)
        async with self._projection.transaction() as transaction:
            await transaction.advance(batch.store_spans())
            waiting = await self._waiting(transaction, fold)
            fold.match([*waiting, *batch.receipts])
            rows = await self._fold(transaction, fold)
            await self._write(transaction, rows)
            await self._write_lists(transaction, batch)
            if batch.dead and not batch.dead_acked:
                # Last, so that a batch that is done again or in halves does not publish them again.
                await self._set_aside(batch.dead)
                batch.dead_acked = True
        return rows

    async def _make_room(self, fold: Fold, batch: Batch) -> None:
        today = self._clock.wall_ms() // DAY_MS
        await self._projection.make_room("messages", fold.ids(), today)
        await self._projection.make_room("submissions", fold.submit_days(), today)

    async def _waiting(self, transaction: Transaction, fold: Fold) -> list[Incoming]:
        keys = fold.submission_keys()
        if not keys or not await transaction.any_parked():
            return []
        return [unparked(one) for one in await transaction.parked(keys)]

    async def _fold(self, transaction: Transaction, fold: Fold, days_back: int = 1, days_ahead: int = 0) -> Rows:
        wanted = fold.lookup_keys(days_back, days_ahead)
        if wanted:
            fold.add_found(await transaction.find(wanted))
        return fold.apply(await transaction.load(fold.ids()))

    async def _write(self, transaction: Transaction, rows: Rows) -> None:
        await transaction.write_messages(rows.new, rows.replaced)
        await transaction.write_changes(rows.changes)
        await transaction.write_submissions(rows.submissions)
        await transaction.put("open_doubt", rows.doubts.opened)
        await transaction.put("resolve_doubt", rows.doubts.resolved)
        await transaction.put("withdraw_repeat", rows.doubts.withdrawn)
        await transaction.put_all("drop_due", rows.not_due)
        await transaction.put_all("put_due", rows.due)
        if rows.matched:
            await transaction.unpark([one.name for one in rows.matched])
        now_ms = self._clock.wall_ms()
        news = [one for one in rows.unmatched if one.tries < 0]
        if news:
            self.parked_left = True
            await transaction.put_all("park_receipt", [row for one in news for row in _parked_rows(one, now_ms)])
        await transaction.put("keep_lost_receipt", [_lost_row(one) for one in rows.nameless])
        await transaction.put(
            "lower_chore", [(RECEIPT_TIMEOUT, carrier, at_ms) for carrier, at_ms in rows.earliest_submits.items()]
        )

    async def _write_lists(self, transaction: Transaction, batch: Batch) -> None:
        latest = {one.id: one for one in sorted(batch.batches, key=lambda one: one.at_ms)}
        await transaction.put(
            "put_batch",
            [
                (
                    one.id,
                    clean(one.account),
                    clean(one.name),
                    one.total,
                    one.accepted,
                    one.rejected,
                    one.at_ms,
                    one.complete,
                )
                for one in latest.values()
            ],
        )
        await transaction.put(
            "put_inbound",
            [
                (one.id, one.at_ms, one.lane, clean(one.account), one.carrier, clean(one.number), one.index, one.sealed)
                for one in batch.inbound
            ],
        )
        await write_reference(transaction, batch.reference)
        await transaction.put("put_audit", [audit_row(offset, act) for offset, act in batch.acts])

    async def retry_parked(self) -> None:
        """Looks for the submissions of receipts that wait and are due. Raises UnavailableError."""
        if self.parked_left:
            await self._patiently(self._retry_parked)

    async def _retry_parked(self) -> Rows:
        now_ms = self._clock.wall_ms()
        async with self._projection.transaction() as transaction:
            due = [unparked(one) for one in await transaction.due(now_ms, PARKED_BATCH)]
            if not due:
                self.parked_left = await transaction.any_parked()
                return Rows()
            fold = Fold(self._modes)
            fold.match(sorted(due, key=lambda one: (one.receipt.at_ms, one.name)))
            rows = await self._fold(transaction, fold, SLOW_DAYS_BACK, 1)
            await self._write(transaction, rows)
            left = rows.unmatched
            if left:
                await transaction.postpone([one.name for one in left], [now_ms + pause_ms(one.tries) for one in left])
        return rows

    def _count(self, batch: Batch, rows: Rows) -> None:
        counts = {
            "mt": len(batch.queued),
            "outcomes": len(batch.outcomes) + len(batch.receipts),
            "intake": len(batch.scheduled) + len(batch.blocked) + len(batch.batches) + len(batch.acts),
            "mo": len(batch.inbound),
            "reference": len(batch.reference),
        }
        for kind, count in counts.items():
            if count:
                PROJECTION_RECORDS.labels(kind).inc(count)
        for letter in batch.dead:
            DEAD_LETTERS.labels(self._decoder.kind_of(letter.topic)).inc()
        if self._observe:
            for (cls, carrier), times in rows.finals.items():
                observe = ACCEPT_TO_FINAL.labels(cls, carrier).observe
                for millis in times:
                    observe(millis / 1000)


def unparked(one: Parked) -> Incoming:
    """A receipt that waits, as it was when it came."""
    receipt = decode_outcome(one.record)
    assert isinstance(receipt, Receipt)
    return Incoming(ReceiptName(one.carrier, one.part, one.log_offset), receipt, one.tries)


def pause_ms(tries: int) -> int:
    """Until a receipt that was looked for `tries` times is looked for again: its submission comes soon or late."""
    return 1000 if tries < 60 else 10_000 if tries < 120 else 60_000


def _parked_rows(one: Incoming, now_ms: int) -> list[tuple[Any, ...]]:
    receipt, record = one.receipt, _without_index(one.receipt)
    return [
        (*one.name, rank, clean(key), receipt.at_ms, now_ms, record) for rank, key in enumerate(receipt.keys) if key
    ]


def _lost_row(one: Incoming) -> tuple[Any, ...]:
    return (*one.name, one.receipt.at_ms, "names_no_message", _without_index(one.receipt))


def _without_index(receipt: Receipt) -> bytes:
    # The service-wide index would link the rows of two accounts; `check` is what matching needs.
    return encode(msgspec.structs.replace(receipt, index=b""))
