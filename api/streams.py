"""POST /v1/batches with application/x-ndjson: any number of messages, one a line, answered line by line.

The first line may be `{"name": …, "defaults": {…}}`. The answer's first line is `{"batch_id": …}`, then comes a result for
each message in order, and last `{"batch_id", "total", "accepted", "rejected", "complete"}`; a stream that can't go on ends
with `complete` false and an `error`. Lines are taken as they come and published at once; nothing more is read before their
results are written: so memory is bounded, and a client has to read while it writes.

With an Idempotency-Key each line is compared on its own: a repeat may send what is missing, at its place.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final

from api.acceptance import NOT_CONFIRMED, Desk
from api.answers import Result, encode_json
from api.bodies import NO_HEAD, Order, StreamHead, order_or_refusal, read_json, stream_head
from api.idempotency import Names, hash_of
from api.intake import Accepted, Caller
from api.posting import unavailable
from api.problems import Refusal, refusal, row_error
from api.quotas import Taken, row_limited
from api.rows import Row, Tally, known_rows, queues_of, rule_all, tell
from bus.ports import Entry, TopicPartition
from runtime.metrics import INTAKE
from schemas.ids import to_text
from schemas.records import BatchAccepted
from store.rows import KeyedRow

CHUNK_LINES: Final = 1_000
"""Most lines that are published together."""
_KIND: Final = b"application/x-ndjson\n"
"""In the hash that a stream's key is claimed with, so that no other kind of request passes for it."""


class Stream:
    """One stream under way."""

    def __init__(self, desk: Desk, caller: Caller, key: str | None) -> None:
        self._desk = desk
        self._caller = caller
        self._key = key
        self._head = NO_HEAD
        self._head_line = b""
        self._names: Names | None = None
        self._batch_id = b""
        self._tally = Tally()
        self._ended = False

    async def answer(self, chunks: AsyncIterator[Sequence[bytes]]) -> AsyncGenerator[bytes, None]:
        """The answer, piece by piece, for chunks of lines. A Refusal is raised only while nothing was given."""
        begun = False
        try:
            async for lines in chunks:
                for start in range(0, len(lines), CHUNK_LINES):
                    results = await self._take(lines[start : start + CHUNK_LINES])
                    if not results:
                        continue
                    if not begun:
                        begun = True
                        yield self._line({"batch_id": to_text(self._batch_id)})
                    yield b"".join([encode_json(result) + b"\n" for result in results])
            yield await self._end()
        except Refusal as fault:
            if not begun:
                if not fault.counted:
                    INTAKE.labels("unknown", fault.code).inc()
                raise
            yield self._last(complete=False, error=row_error(fault.faults))
        finally:
            self._leave()

    async def _take(self, lines: Sequence[bytes]) -> list[Result]:
        if self._names is None:
            self._names = self._begin(lines[0])
            if self._head_line:
                lines = lines[1:]
        rows = [self._row(line) for line in lines]
        if not rows:
            return []
        first = self._tally.total
        known = await known_rows(self._desk, self._names, first, len(rows))
        fresh = [place for place, row in enumerate(rows, first) if place not in known and isinstance(row.order, Order)]
        with self._desk.quotas.taking_some(self._caller.account, len(fresh)) as taken:
            for place in fresh[taken.count :]:
                rows[place - first] = Row(row_limited(), None)
            return await self._publish(rows, self._names, first, known, taken)

    async def _publish(
        self, rows: Sequence[Row], names: Names, first: int, known: Mapping[int, KeyedRow], taken: Taken
    ) -> list[Result]:
        desk = self._desk
        self._batch_id = self._batch_id or names.batch()
        ids = names.messages(first, len(rows))
        rulings = await rule_all(desk, self._caller, rows, ids, known, first, self._batch_id)
        taken.spent = sum(isinstance(ruling, Accepted) for ruling in rulings)
        unconfirmed = await self._post(queues_of(rulings), first == 0)
        results = tell(rows, rulings, first, unconfirmed, self._tally)
        if first == 0 and self._tally.unconfirmed and not self._tally.accepted:
            fault = unavailable(NOT_CONFIRMED)
            fault.counted = True
            raise fault
        return results

    def _begin(self, line: bytes) -> Names:
        desk, account = self._desk, self._caller.account
        desk.admit(account)
        head = _head_of(line)
        if head is not None:
            self._head, self._head_line = head, line
        now_ms = desk.clock.wall_ms()
        if self._key is not None:
            now_ms = desk.recent.claim(account, self._key, hash_of(_KIND + self._head_line), now_ms)[0].at_ms
        return desk.names(account, self._key, now_ms)

    def _row(self, line: bytes) -> Row:
        body_hash = None if self._key is None else hash_of(self._head_line + b"\n" + line)
        try:
            value = read_json(line)
        except Refusal as fault:
            return Row(fault, body_hash)
        return Row(order_or_refusal(value, self._head.defaults), body_hash)

    async def _post(self, queues: dict[TopicPartition, list[Entry]], first: bool) -> set[TopicPartition]:
        if first and queues:
            place, entry = self._desk.intake.batch_entry(self._record(complete=False))
            queues.setdefault(place, []).append(entry)
        if queues and self._desk.posting.fault() is not None:
            return set(queues)
        return await self._desk.posting.post(queues)

    async def _end(self) -> bytes:
        if not self._tally.total:
            raise refusal("missing_field", "the stream has no message: send at least one line", "messages")
        if self._tally.accepted:
            place, entry = self._desk.intake.batch_entry(self._record(complete=True))
            self._ended = not await self._desk.posting.post({place: [entry]})
        return self._last(complete=True, error=None)

    def _leave(self) -> None:
        # The client went away, or Kafka did: the batch's counts are told as soon as Kafka hears us.
        if self._tally.accepted and not self._ended:
            self._desk.posting.note(*self._desk.intake.batch_entry(self._record(complete=False)))

    def _record(self, *, complete: bool) -> BatchAccepted:
        tally = self._tally
        return BatchAccepted(
            self._batch_id,
            self._caller.account,
            self._head.name,
            tally.total,
            tally.accepted,
            tally.rejected,
            self._desk.clock.wall_ms(),
            complete,
        )

    def _last(self, *, complete: bool, error: Mapping[str, Any] | None) -> bytes:
        tally = self._tally
        told = {"batch_id": to_text(self._batch_id), "total": tally.total}
        told |= {"accepted": tally.accepted, "rejected": tally.rejected, "complete": complete}
        return self._line(told if error is None else {**told, "error": error})

    @staticmethod
    def _line(value: Mapping[str, Any]) -> bytes:
        return encode_json(value) + b"\n"


def _head_of(line: bytes) -> StreamHead | None:
    # A first line that is not JSON is a message like any other: its result tells what is wrong with it.
    try:
        value = read_json(line)
    except Refusal:
        return None
    return stream_head(value)
