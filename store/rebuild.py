"""Making the projection empty, for a rebuild."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from store.named import sql
from store.pool import AWAY, connect, unreachable

STATEMENT_TIMEOUT_MS: Final = 60_000


async def is_empty(dsn: str) -> bool:
    """Nothing was ever projected into this database. Raises UnavailableError."""
    return not await _ask(dsn, "fetchval", sql("anything_projected"))


async def truncate(dsn: str) -> None:
    """Empties every table but the audit log, which Kafka could not give back whole. Raises UnavailableError."""
    await _ask(dsn, "execute", sql("empty_projection"))


async def _ask(dsn: str, method: str, query: str) -> Any:
    session = await connect(dsn, name="rebuild", statement_timeout_ms=STATEMENT_TIMEOUT_MS)
    try:
        return await getattr(session, method)(query)
    except (*AWAY, asyncpg.PostgresError) as fault:
        raise unreachable(dsn, fault) from fault
    finally:
        session.terminate()
