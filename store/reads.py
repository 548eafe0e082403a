"""The read side: messages, batches and doubts as values. Every question ends within two seconds or raises
UnavailableError; `account=None` asks for everybody's (operators)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas.codec import decode_mt
from schemas.ids import DAY_MS, millis_of
from schemas.records import Extras, MtMessage
from schemas.status import Status
from store.cursors import of_place, place_of
from store.lists import Lists
from store.named import sql
from store.rows import BatchRow, KeyedRow, MessageFilter, MessageRow
from store.timeline import attempts_of, events_of, unpack

_NO_EXTRAS: Final = Extras()
_FEW: Final = 256


class Reads(Lists):
    """See the module."""

    async def get_message(self, account: str | None, id: bytes) -> MessageRow | None:
        """With attempts and timeline; None when it is not projected yet, or another account's."""
        async with self._pool.session() as session:
            row = await session.fetchrow(sql("get_message"), account, id)
        if row is None:
            return None
        entries = unpack(row["timeline"], row["entries"])
        return _message(row, attempts_of(entries), events_of(entries))

    async def find_keyed(self, ids: Sequence[bytes]) -> dict[bytes, KeyedRow]:
        """Those of the ids that are known, with their request's hash."""
        by_day: dict[int, list[bytes]] = {}
        for id in ids:
            by_day.setdefault(millis_of(id) // DAY_MS, []).append(id)
        if len(ids) <= _FEW and by_day and max(by_day) - min(by_day) == 1:
            # As most requests ask: each id is looked up in both partitions, in one round trip.
            asked = [(min(by_day), max(by_day) + 1, list(ids))]
        else:
            asked = [(day, day + 1, some) for day, some in by_day.items()]
        rows: list[Any] = []
        if asked:
            async with self._pool.session() as session:
                for day, end, some in asked:
                    rows += await session.fetch(sql("find_keyed"), sorted(some), _id_of_day(day), _id_of_day(end))
        return {row["id"]: KeyedRow(row["id"], decode_mt(row["record"]).body_hash) for row in rows}

    async def list_messages(
        self, account: str | None, chosen: MessageFilter, cursor: str | None, limit: int
    ) -> tuple[list[MessageRow], str | None]:
        """A page, newest first, and the cursor of the next one (None at the end). Raises CursorError.

        Stable: what is accepted meanwhile is newer than the cursor.
        """
        # Without an index to lead, by id: that is nearly the order of acceptance, and the primary key has it.
        led = any((account, chosen.destination_index, chosen.client_ref, chosen.batch))
        where, values = _where(account, chosen)
        if cursor is not None:
            at_ms, id = place_of(cursor)
            values += [at_ms, id] if led else [id]
            number = len(values)
            where += f" and (accepted_ms, id) < (${number}, ${number + 1})" if led else f" and id < ${number + 1}"
        text = sql("list_messages" if led else "list_all_messages").replace("{where}", where)
        async with self._pool.session() as session:
            rows = await session.fetch(text, limit + 1, *values)
        found = [_message(row) for row in rows[:limit]]
        more = of_place(found[-1].accepted_ms, found[-1].id) if len(rows) > limit else None
        return found, more

    async def get_batch(self, account: str | None, id: bytes) -> BatchRow | None:
        """With its messages counted by status."""
        day = millis_of(id) // DAY_MS
        async with self._pool.session() as session:
            row = await session.fetchrow(sql("get_batch"), account, id)
            if row is None:
                return None
            # A stream over midnight, and clocks that differ, leave ids of the days beside.
            counts = await session.fetch(sql("count_batch"), id, _id_of_day(day - 1), _id_of_day(day + 3))
        return BatchRow(**dict(row), counts={Status(status): count for status, count in counts})

    async def count_accepted(self, account: str, since_ms: int) -> int:
        """How many messages of an account were accepted at or after a time: for its quota of the day."""
        async with self._pool.session() as session:
            return int(await session.fetchval(sql("count_accepted"), account, since_ms))


def _message(row: Any, attempts: Any = (), timeline: Any = ()) -> MessageRow:
    record: MtMessage = decode_mt(row["record"])
    extras = record.extras or _NO_EXTRAS
    return MessageRow(
        id=row["id"],
        account=row["account"],
        cls=row["cls"],
        carrier=row["carrier"],
        status=Status(row["status"]),
        sealed=record.sealed,
        accepted_ms=row["accepted_ms"],
        expires_ms=row["expires_ms"],
        updated_ms=row["updated_ms"],
        alphabet=record.alphabet,
        segments=row["segments"],
        price_micros=row["price_micros"],
        currency=row["currency"],
        possible_duplicate=row["possible_duplicate"],
        in_doubt=row["in_doubt"],
        client_ref=row["client_ref"],
        batch=row["batch"],
        campaign=row["campaign"],
        tags=tuple(row["tags"] or ()),
        metadata=dict(extras.metadata or {}),
        body_hash=record.body_hash,
        error_code=row["error_code"],
        carrier_status=row["carrier_status"],
        carrier_error=row["carrier_error"],
        attempts=attempts,
        timeline=timeline,
        not_before_ms=record.not_before_ms,
    )


def _where(account: str | None, chosen: MessageFilter) -> tuple[str, list[Any]]:
    """The conditions of a list, and their values from $2 on."""
    conditions: list[tuple[str, Any]] = []
    for condition, value in (
        ("account = {}", account),
        ("status = {}", chosen.status),
        ("cls = {}", chosen.cls),
        ("carrier = {}", chosen.carrier),
        ("destination = {}", chosen.destination_index),
        ("client_ref = {}", chosen.client_ref),
        ("batch = {}", chosen.batch),
        ("tags @> array[{}::text]", chosen.tag),
        ("accepted_ms >= {}", chosen.from_ms),
        ("accepted_ms < {}", chosen.until_ms),
    ):
        if value is not None:
            conditions.append((condition, int(value) if isinstance(value, Status) else value))
    # The id bounds leave out the partitions of other days. A keyed id tells the start of its day.
    if chosen.from_ms is not None:
        conditions.append(("id >= {}", _id_of_day(chosen.from_ms // DAY_MS)))
    if chosen.until_ms is not None:
        conditions.append(("id < {}", _id_of_day(chosen.until_ms // DAY_MS + 1)))
    texts, values = ["account is not null"], []
    for condition, value in conditions:
        values.append(value)
        texts.append(condition.format(f"${len(values) + 1}"))
    return " and ".join(texts), values


def _id_of_day(day: int) -> bytes:
    return max(0, min(day * DAY_MS, 2**48 - 1)).to_bytes(6, "big") + bytes(10)
