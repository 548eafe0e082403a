"""One transaction of the projection: what it asks of Postgres and what it writes. Values in, values out; the session and its
faults are store.projection's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from store import packing
from store.named import sql, sql_on
from store.partitions import Partitions, Table


class Moved(Exception):
    """The positions are elsewhere: another recorder has projected these partitions."""


class Conflict(Exception):
    """Somebody changed the same rows meanwhile: do the batch again."""


class Refused(Exception):
    """Postgres will not have some row of the batch."""


class Stored(NamedTuple):
    """A message as it is in Postgres. `filled`: the message itself is known, not only an outcome."""

    id: bytes
    rev: int
    entries: int
    timeline: bytes
    cls: int
    carrier: str
    filled: bool
    accepted_ms: int
    status: int


class Found(NamedTuple):
    """A submission under one of the keys asked for."""

    key: str
    carrier: str
    id: bytes
    send: int
    part: int
    check: int
    submitted_ms: int


class Parked(NamedTuple):
    """A receipt that waits."""

    carrier: str
    part: int
    log_offset: int
    tries: int
    record: bytes


class ReceiptName(NamedTuple):
    """Where a receipt stands in Kafka."""

    carrier: str
    part: int
    log_offset: int


class Span(NamedTuple):
    """Records of one partition: from `start` up to, and without, `stop`."""

    topic: str
    part: int
    start: int
    stop: int


Row = tuple[bytes, bytes]
"""An id, to sort by, and the row packed."""


class Transaction:
    """One batch. Reads first, then `write_*`; each in few statements, rows sorted by id so that two recorders meet in
    the same order."""

    def __init__(self, session: Any, partitions: Partitions) -> None:
        self._session = session
        self._partitions = partitions
        self._copied_changes = False

    async def advance(self, spans: Sequence[Span]) -> None:
        """First of all: holds the positions, so that nobody else projects these records. Raises Moved."""
        if not spans:
            return
        spans = sorted(spans)
        done = await self._session.execute(
            sql("advance_positions"),
            [span.topic for span in spans],
            [span.part for span in spans],
            [span.start for span in spans],
            [span.stop for span in spans],
        )
        if _count(done) != len(spans):
            raise Moved(f"{len(spans) - _count(done)} of {len(spans)} partitions were projected by another recorder")

    async def load(self, ids: Mapping[int, Sequence[bytes]]) -> list[Stored]:
        """What Postgres knows of these messages; ids by day."""
        found: list[Stored] = []
        for leaf, some in _by_leaf(self._partitions, "messages", ids).items():
            rows = await self._session.fetch(sql_on("load_messages", leaf), sorted(some))
            found.extend([Stored(*row) for row in rows])
        return found

    async def find(self, keys: Mapping[int, Sequence[str]]) -> list[Found]:
        """Submissions under these keys, each looked for on its days."""
        found: list[Found] = []
        for leaf, some in _by_leaf(self._partitions, "submissions", keys).items():
            rows = await self._session.fetch(sql_on("find_submissions", leaf), sorted(set(some)))
            found.extend([Found(*row) for row in rows])
        return found

    async def any_parked(self) -> bool:
        return bool(await self._session.fetchval(sql("any_parked")))

    async def parked(self, keys: Sequence[str]) -> list[Parked]:
        """Receipts that wait for these keys, oldest first; of any carrier."""
        return [Parked(*row) for row in await self._session.fetch(sql("find_parked"), sorted(set(keys)))]

    async def due(self, now_ms: int, most: int) -> list[Parked]:
        """Receipts to try again; another recorder's are left out."""
        return [Parked(*row) for row in await self._session.fetch(sql("due_parked"), now_ms, most)]

    async def write_messages(
        self, rows: Mapping[int, Sequence[Row]], replaced: Mapping[int, Sequence[tuple[bytes, int]]]
    ) -> None:
        """New rows by day; `replaced`: (id, rev) of those that stand already. Raises Conflict."""
        for leaf, some in _by_leaf(self._partitions, "messages", replaced).items():
            olds = sorted(some)
            done = await self._session.execute(
                sql_on("delete_messages", leaf), [id for id, _ in olds], [rev for _, rev in olds]
            )
            if _count(done) != len(olds):
                raise Conflict("a message changed while it was read")
        for leaf, news in _by_leaf(self._partitions, "messages", rows).items():
            await self._copy(leaf, packing.MESSAGE_COLUMNS, [row for _, row in sorted(news)])

    async def write_changes(self, rows: Mapping[int, Sequence[Row]]) -> None:
        """Progress of rows that stand, by day. Raises Conflict."""
        for leaf, some in _by_leaf(self._partitions, "messages", rows).items():
            if self._copied_changes:
                await self._session.execute(sql("clear_changes"))
            self._copied_changes = True
            await self._copy("changes", packing.CHANGE_COLUMNS, [row for _, row in sorted(some)])
            done = await self._session.execute(sql_on("change_messages", leaf))
            if _count(done) != len(some):
                raise Conflict("a message changed while it was read")

    async def write_submissions(self, rows: Mapping[int, Sequence[bytes]]) -> None:
        """Segments by the day of their submit."""
        for leaf, some in _by_leaf(self._partitions, "submissions", rows).items():
            await self._copy(leaf, packing.SUBMISSION_COLUMNS, some)

    async def unpark(self, names: Sequence[ReceiptName]) -> None:
        """These receipts have found their message."""
        await self._session.execute(sql("unpark_receipts"), *_columns(names))

    async def postpone(self, names: Sequence[ReceiptName], next_ms: Sequence[int]) -> None:
        """When to try these receipts again."""
        await self._session.execute(sql("postpone_receipts"), *_columns(names), list(next_ms))

    async def put(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a named query for each of few rows."""
        if rows:
            await self._session.executemany(sql(query), rows)

    async def put_all(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a named query once for many rows: it gets each column of them as an array."""
        if rows:
            await self._session.execute(sql(query), *map(list, zip(*rows, strict=True)))

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        await self._session.copy_to_table(table, source=_chunks(rows), columns=columns, format="binary")


def _columns(names: Sequence[ReceiptName]) -> tuple[list[str], list[int], list[int]]:
    return [one.carrier for one in names], [one.part for one in names], [one.log_offset for one in names]


async def _chunks(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    # Half a megabyte at a time: the session's buffer stays small, and the server works while we join.
    yield packing.HEADER
    for start in range(0, len(rows), 1000):
        yield b"".join(rows[start : start + 1000])
    yield packing.TRAILER


def _by_leaf(partitions: Partitions, table: Table, days: Mapping[int, Sequence[Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for day in sorted(days):
        if days[day]:
            found.setdefault(partitions.leaf(table, day), []).extend(days[day])
    return found


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
