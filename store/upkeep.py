"""What the recorder's housekeeping asks of Postgres: counts, retention, and chores with a mark of how far they have come."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from schemas.ids import DAY_MS
from store.named import sql
from store.partitions import AHEAD_DAYS, TABLES, Partitions
from store.pool import AWAY, connect, unreachable
from store.timeline import UNKNOWN_HEAD

STATEMENT_TIMEOUT_MS: Final = 30_000
RECEIPT_TIMEOUT: Final = "receipt_timeout"
"""The chore that makes `sent` messages `unknown`, by carrier: up to which submit it has come."""
_BY_INDEX: Final = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}
_CHUNK: Final = 5000
_FIRST_WINDOW_MS: Final = 60_000
_LONGEST_WINDOW_MS: Final = 21_600_000
_OVERLAP_MS: Final = 600_000
"""A transaction that was under way when the mark passed may have put a submit behind it."""


class Upkeep:
    """A session of its own. Every method raises UnavailableError; what was not done is done the next time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: Any = None
        self._partitions = Partitions()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    async def _ask(self, method: str, query: str, *args: Any) -> Any:
        async with self._in_session() as session:
            return await getattr(session, method)(query, *args)

    @asynccontextmanager
    async def _in_session(self) -> AsyncIterator[Any]:
        await self._connect()
        try:
            yield self._session
        except (*AWAY, asyncpg.PostgresError) as fault:
            await self.close()
            raise unreachable(self._dsn, fault) from fault

    async def _connect(self) -> None:
        if self._session is None or self._session.is_closed():
            # Synchronous commits: none of this could be had from Kafka again.
            self._session = await connect(
                self._dsn, name="upkeep", statement_timeout_ms=STATEMENT_TIMEOUT_MS, **_BY_INDEX
            )

    async def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Receipts that wait, and messages in doubt, by carrier."""
        parked = await self._ask("fetch", sql("count_parked"))
        doubts = await self._ask("fetch", sql("count_doubts"))
        return {row[0]: row[1] for row in parked}, {row[0]: row[1] for row in doubts}

    async def make_partitions(self, today: int) -> None:
        """Those of the days around today."""
        async with self._in_session() as session:
            await self._partitions.refresh(session)
            for table in TABLES:
                wanting = self._partitions.wanting(table, (today + day for day in AHEAD_DAYS), today)
                await self._partitions.make(session, table, wanting)

    async def _submit_days(self) -> list[int]:
        """Looked for anew: from 1970 to the first partition is eighty thousand windows, longer than any budget."""
        async with self._in_session() as session:
            await self._partitions.refresh(session)
        return self._partitions.days("submissions")

    async def drop_before(self, day: int) -> list[str]:
        """Everything of the days before: partitions, doubts, unclaimed receipts, messages from handsets."""
        async with self._in_session() as session:
            await self._partitions.refresh(session)
            dropped = await self._partitions.drop_before(session, day)
        for chore in ("trim_doubts", "trim_due"):
            await self._ask("execute", sql(chore), day * DAY_MS)
        for chore in ("trim_inbound", "trim_receipt_history"):
            while _count(await self._ask("execute", sql(chore), day * DAY_MS)) >= _CHUNK:
                pass
        return dropped

    async def give_up_parked(self, carrier: str, before_ms: int) -> int:
        """Receipts of a carrier that came before, and that no submission claimed, become history. Gives how many."""
        return _count(await self._ask("execute", sql("give_up_parked"), carrier, before_ms))

    async def time_out(self, carrier: str, before_ms: int, at_ms: int, budget_s: float = 20.0) -> int:
        """`sent` messages of a carrier whose submit was before become `unknown`. Gives how many.

        Goes on from where it was, some submits at a time, for no longer than the budget; the recorder sets the mark
        back when it projects an older submit.
        """
        await self._ask("execute", sql("begin_chore"), RECEIPT_TIMEOUT, carrier, 0)
        mark: int = await self._ask("fetchval", sql("read_chore"), RECEIPT_TIMEOUT, carrier)
        earliest = min(await self._submit_days(), default=0) * DAY_MS
        low = max(mark - _OVERLAP_MS, earliest)
        done, window_ms = 0, _FIRST_WINDOW_MS
        deadline = time.monotonic() + budget_s
        while mark < before_ms and time.monotonic() < deadline:
            started = time.monotonic()
            high = min(max(low, mark) + window_ms, before_ms)
            done += _count(
                await self._ask("execute", sql("time_out_messages"), carrier, low, high, at_ms, UNKNOWN_HEAD)
            )
            if not _count(await self._ask("execute", sql("advance_chore"), RECEIPT_TIMEOUT, carrier, mark, high)):
                break
            low = mark = high
            window_ms = _next_window(window_ms, time.monotonic() - started)
        return done


def _next_window(window_ms: int, took_s: float) -> int:
    """Quiet hours are passed over quickly, and a busy minute is no long statement."""
    if took_s < 0.2:
        return min(window_ms * 2, _LONGEST_WINDOW_MS)
    return max(window_ms // 2, 1000) if took_s > 2 else window_ms


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
