"""Daily partitions of `messages` (by id) and `submissions` (by time of the submit): names, bounds, making and dropping.

A day is a number: days since 1970 in UTC. Days out of bounds (LATEST_DAYS ahead, EARLIEST_DAYS back) get no partition of
their own: their rows go to the default one, since a clock gone mad must not make a thousand tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg

from runtime.logs import logger
from schemas.ids import DAY_MS
from store.named import sql

log = logger("store.partitions")
Table = Literal["messages", "submissions"]
TABLES: Final[tuple[Table, ...]] = ("messages", "submissions")
LATEST_DAYS: Final = 3
EARLIEST_DAYS: Final = 40
AHEAD_DAYS: Final = range(-2, LATEST_DAYS + 1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A message changes about twice, and whole pages change together: there must be room for all their rows' new versions. At
# 85 % a change costs Postgres 18 µs, three in four leave their page; at 45 % 8 µs, one in twenty does, and since they fill
# the room the table is only a sixth larger (measured, bench/recorder.py).
_FILLFACTOR: Final[dict[Table, int]] = {"messages": 45, "submissions": 100}


def leaf_name(table: Table, day: int) -> str:
    """`messages_20260131`."""
    return f"{table}_{_EPOCH + timedelta(days=day):%Y%m%d}"


def _bound(table: Table, day: int) -> str:
    start = day * DAY_MS
    if table == "submissions":
        return str(start)
    digits = start.to_bytes(6, "big").hex()
    return f"'{digits[:8]}-{digits[8:]}-0000-0000-000000000000'"


class Partitions:
    """Which daily partitions there are, as last seen: another recorder may make or drop one at any time."""

    def __init__(self) -> None:
        self._leaves: dict[Table, dict[int, str]] = {table: {} for table in TABLES}

    def leaf(self, table: Table, day: int) -> str:
        """The partition that holds a day."""
        return self._leaves[table].get(day) or f"{table}_default"

    def days(self, table: Table) -> list[int]:
        """The days that have a partition of their own."""
        return sorted(self._leaves[table])

    def wanting(self, table: Table, days: Iterable[int], today: int) -> list[int]:
        """Days that should have a partition and are not known to."""
        known = self._leaves[table]
        return sorted(
            day for day in set(days) if day not in known and today - EARLIEST_DAYS <= day <= today + LATEST_DAYS
        )

    async def refresh(self, session: Any) -> None:
        """Looks again. Raises what asyncpg raises."""
        found: dict[Table, dict[int, str]] = {table: {} for table in TABLES}
        for table, leaf in await session.fetch(sql("list_partitions")):
            text = leaf.removeprefix(f"{table}_")
            if text != "default":
                day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
                found[table][(day - _EPOCH).days] = leaf
        self._leaves = found

    async def make(self, session: Any, table: Table, days: Iterable[int]) -> None:
        """Makes partitions, and moves what the default one holds of their days. Raises what asyncpg raises."""
        for day in days:
            try:
                async with session.transaction():
                    await self._make(session, table, day)
            except (asyncpg.DuplicateTableError, asyncpg.UniqueViolationError, asyncpg.InvalidObjectDefinitionError):
                log.info("partition_made_by_another", leaf=leaf_name(table, day))
        await self.refresh(session)

    @staticmethod
    async def _make(session: Any, table: Table, day: int) -> None:
        leaf, low, high = leaf_name(table, day), _bound(table, day), _bound(table, day + 1)
        column = "id" if table == "messages" else "submitted_ms"
        # Attaching needs a weaker lock on the parent than making it a partition at once: readers go on.
        await session.execute(
            f"set local lock_timeout = '5s';"
            f" create table {leaf} (like {table} including all) with (fillfactor = {_FILLFACTOR[table]});"
            f" with moved as (delete from {table}_default where {column} >= {low} and {column} < {high} returning *)"
            f" insert into {leaf} select * from moved;"
            f" alter table {table} attach partition {leaf} for values from ({low}) to ({high})"
        )

    async def drop_before(self, session: Any, day: int) -> list[str]:
        """Drops partitions of the days before, and such rows of the default ones. Gives what was dropped."""
        dropped = []
        for table in TABLES:
            for old, leaf in list(self._leaves[table].items()):
                if old < day:
                    await session.execute(f"set lock_timeout = '2s'; drop table if exists {leaf}; reset lock_timeout")
                    del self._leaves[table][old]
                    dropped.append(leaf)
        low = day * DAY_MS
        await session.execute(sql("trim_messages_default"), low.to_bytes(6, "big") + bytes(10))
        await session.execute(sql("trim_submissions_default"), low)
        return dropped
