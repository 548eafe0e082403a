"""What the scheduler asks of Postgres, and what it fixes there. One session, known by an advisory lock: when the session is
gone, another scheduler inherits what it had fixed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg

from schemas.codec import decode_outcome
from schemas.records import Receipt
from store.named import sql
from store.pool import AWAY, connect, unreachable
from store.timeline import Entry, unpack

STATEMENT_TIMEOUT_MS: Final = 30_000
_SETTINGS: Final = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "lock_timeout": "5000",
}


class Due(NamedTuple):
    """A message whose time has come. `record` is None while only an outcome of it is known."""

    id: bytes
    attempt: int
    hop: int
    reason: str
    record: bytes | None
    entries: list[Entry]


class Fixed(NamedTuple):
    """A decision to publish: which turn of which message, and what goes where."""

    id: bytes
    attempt: int
    hop: int
    topic: str
    part: int
    key: bytes
    value: bytes


class KnownRelease(NamedTuple):
    """A release, and what the projection knows of its message."""

    fixed: Fixed
    entries: list[Entry]


class OpenDoubt(NamedTuple):
    """A doubt that lasts."""

    id: bytes
    carrier: str
    check: int
    at_ms: int
    waits: bool
    account: str


class Schedule:
    """See the module. Every method raises UnavailableError when Postgres is away, or others are in the way: try again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: Any = None
        self.owner = 0

    async def connect(self) -> bool:
        """True when the session is new: whatever was under way belongs to one that is gone."""
        if self._session is not None and not self._session.is_closed():
            return False
        # Synchronous commits: what is fixed must outlast whatever happens next.
        session = await connect(self._dsn, name="scheduler", statement_timeout_ms=STATEMENT_TIMEOUT_MS, **_SETTINGS)
        self._session, self.owner = session, secrets.randbits(62)
        async with self._asking() as asked:
            await asked.execute(sql("hold_lock"), self.owner)
        return True

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        if self._session is None:
            raise unreachable(self._dsn, "not connected")
        try:
            yield self._session
        except asyncpg.UndefinedTableError:
            await self.close()
            raise unreachable(
                self._dsn, "the database has no tables of this service: `smpp-dispatch migrate`"
            ) from None
        except (*AWAY, asyncpg.PostgresError) as fault:
            await self.close()
            raise unreachable(self._dsn, fault) from fault

    @asynccontextmanager
    async def claiming(self, now_ms: int, most: int) -> AsyncIterator[Claim]:
        """Messages that are due, and what becomes of them, in one transaction."""
        async with self._asking() as session, session.transaction():
            rows = await session.fetch(sql("claim_due"), now_ms, most)
            claim = Claim([_due(row) for row in rows])
            yield claim
            if claim.fixed:
                columns = [list(column) for column in zip(*claim.fixed, strict=True)]
                await session.execute(sql("fix_releases"), self.owner, now_ms, *columns)
                await session.execute(sql("take_due"), columns[0])
            if claim.put_off:
                ids, times = zip(*claim.put_off, strict=True)
                await session.execute(sql("put_off_due"), list(ids), list(times))

    async def acknowledge(self, published: Sequence[Fixed]) -> None:
        """Kafka has these."""
        columns = [list(column) for column in zip(*((one.id, one.attempt, one.hop) for one in published), strict=True)]
        async with self._asking() as session:
            await session.execute(sql("acknowledge_releases"), *columns)

    async def releases(self, *, acked: bool, most: int = 20_000) -> list[KnownRelease]:
        """Those of this session."""
        async with self._asking() as session:
            rows = await session.fetch(sql("releases_of"), self.owner, acked, most)
        return [
            KnownRelease(
                Fixed(row["id"], row["attempt"], row["hop"], row["topic"], row["part"], row["key"], row["value"]),
                _entries(row),
            )
            for row in rows
        ]

    async def forget(self, ids: Sequence[bytes]) -> None:
        """Releases that the projection knows of."""
        async with self._asking() as session:
            await session.execute(sql("forget_releases"), list(ids))

    async def inherit(self) -> int:
        """Takes over what sessions that are gone had fixed; gives how many sessions."""
        heirs = 0
        async with self._asking() as session:
            for row in await session.fetch(sql("release_owners"), self.owner):
                owner = row["owner"]
                if await session.fetchval(sql("lock_is_free"), owner):
                    await session.execute(sql("inherit_releases"), owner, self.owner)
                    await session.execute(sql("unlock_owner"), owner)
                    heirs += 1
        return heirs

    async def positions(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """How far the recorder has come."""
        async with self._asking() as session:
            rows = await session.fetch(sql("read_positions"), list(topics))
        return {(row["topic"], row["part"]): row["next"] for row in rows}

    async def oldest_due(self, now_ms: int) -> tuple[int, int]:
        """When the oldest message that is due should have left (0: none is), and how many are due, at most 100,000."""
        async with self._asking() as session:
            row = await session.fetchrow(sql("due_oldest"), now_ms)
        return row[0], row[1]

    async def open_doubts(self) -> list[OpenDoubt]:
        """Of carriers of which some message waits for evidence."""
        async with self._asking() as session:
            return [OpenDoubt(*row) for row in await session.fetch(sql("open_doubts"))]

    async def unclaimed(self, carriers: Sequence[str], since_ms: int) -> list[tuple[str, str, Receipt]]:
        """Receipts that no submission claims: carrier, where it stands, and what it says."""
        async with self._asking() as session:
            rows = await session.fetch(sql("unclaimed_receipts"), list(carriers), since_ms)
        found = []
        for row in rows:
            record = decode_outcome(row["record"])
            if isinstance(record, Receipt):
                found.append((row["carrier"], f"{row['carrier']}/{row['part']}/{row['log_offset']}", record))
        return found


class Claim:
    """Messages that are due. `fixed` and `put_off` (id, when) are for the caller to fill."""

    def __init__(self, due: list[Due]) -> None:
        self.due = due
        self.fixed: list[Fixed] = []
        self.put_off: list[tuple[bytes, int]] = []


def _due(row: Any) -> Due:
    return Due(row["id"], row["attempt"], row["hop"], row["reason"], row["record"], _entries(row))


def _entries(row: Any) -> list[Entry]:
    return unpack(row["timeline"], row["entries"]) if row["timeline"] is not None else []
