"""What a Postgres server and its database are like, as facts: for `doctor`, which judges them. Reads only."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import asyncpg

from store.named import sql
from store.partitions import TABLES, Partitions
from store.pool import AWAY, connect, unreachable

STATEMENT_TIMEOUT_MS: Final = 5000


class ServerFacts(NamedTuple):
    """`skew_ms`: the server's clock less ours. `days`: days (since 1970) that both tables have partitions for; None and the
    rest empty when the database was never migrated. `revision`: of the schema."""

    answered_ms: float
    version: str
    version_number: int
    skew_ms: float
    fsync: bool
    full_page_writes: bool
    encoding: str
    connections: int
    connections_allowed: int
    bytes: int
    revision: str | None
    days: tuple[int, ...]
    sessions: int
    """Sessions of our processes, this one not counted."""
    projected: int
    """Kafka partitions that have a position."""


async def inspect(dsn: str) -> ServerFacts:
    """Raises UnavailableError."""
    started = time.monotonic()
    session = await connect(dsn, name="doctor", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
    answered_ms = (time.monotonic() - started) * 1000
    try:
        return await _inspect(session, answered_ms)
    except (*AWAY, asyncpg.PostgresError) as fault:
        raise unreachable(dsn, fault) from None
    finally:
        session.terminate()


async def _inspect(session: Any, answered_ms: float) -> ServerFacts:
    before_ms = time.time() * 1000
    server = await session.fetchrow(sql("inspect_server"))
    skew_ms = server["wall_ms"] - (before_ms + time.time() * 1000) / 2
    sessions = await session.fetchval(sql("inspect_sessions")) - 1
    revision: str | None = None
    days: tuple[int, ...] = ()
    projected = 0
    if await session.fetchval(sql("inspect_migrated")):
        revision = await session.fetchval(sql("inspect_revision"))
    if revision is not None:
        partitions = Partitions()
        await partitions.refresh(session)
        days = tuple(sorted(set.intersection(*(set(partitions.days(table)) for table in TABLES))))
        projected = await session.fetchval(sql("inspect_positions"))
    return ServerFacts(
        answered_ms, server["version"], server["version_number"], skew_ms, server["fsync"], server["full_page_writes"],
        server["encoding"], server["connections"], server["connections_allowed"], server["bytes"], revision, days, sessions,
        projected,
    )  # fmt: skip
