"""The batch writer of the projection: one session, one transaction a batch, faults told apart by what to do about them.

`Moved`: the positions are not where the batch began, another recorder was faster: read them again. `Conflict`: others
changed the same rows, or a partition came or went: do the batch again. `Refused`: Postgres will not have these rows, and
never will: find the one. UnavailableError: it is away: wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from runtime.errors import UnavailableError
from store.named import sql
from store.partitions import Partitions, Table
from store.pool import AWAY, connect, unreachable
from store.transaction import Conflict, Refused, Transaction

STATEMENT_TIMEOUT_MS: Final = 60_000
_SETTINGS: Final = {
    # A crash takes offsets and rows back together, and Kafka still has the records (DESIGN §8).
    "synchronous_commit": "off",
    # Numbers of rows are known here and not to the planner: always by index, planned once.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "10000",
}
_CONFLICTS: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
    asyncpg.UndefinedTableError,
    asyncpg.CheckViolationError,  # a row of a day that has just got, or lost, its partition
)
_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


class Projection:
    """See the module. Not for two tasks at once."""

    def __init__(self, dsn: str, name: str = "recorder") -> None:
        self._dsn = dsn
        self._name = name
        self._session: Any = None
        self.partitions = Partitions()

    async def connect(self) -> None:
        """A session, also after one was lost. Raises UnavailableError."""
        if self._session is not None and not self._session.is_closed():
            return
        session = await connect(self._dsn, name=self._name, statement_timeout_ms=STATEMENT_TIMEOUT_MS, **_SETTINGS)
        try:
            await session.execute(sql("create_changes"))
            await self.partitions.refresh(session)
        except asyncpg.UndefinedTableError:
            session.terminate()
            raise UnavailableError(
                "the database has no tables of this service", "run `smpp-dispatch migrate`"
            ) from None
        except (*AWAY, asyncpg.PostgresError) as fault:
            session.terminate()
            raise unreachable(self._dsn, fault) from fault
        self._session = session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    @property
    def backend_pid(self) -> int:
        """Of the server's process that works for this session."""
        return int(self._session.get_server_pid())

    @asynccontextmanager
    async def _faults(self) -> AsyncIterator[None]:
        try:
            yield
        except (*_CONFLICTS, asyncpg.QueryCanceledError) as fault:
            raise Conflict(str(fault)) from fault
        except _REFUSALS as fault:
            raise Refused(f"{type(fault).__name__}: {fault}") from fault
        except AWAY as fault:
            await self.close()
            raise unreachable(self._dsn, fault) from fault
        except asyncpg.PostgresError as fault:
            # Out of disk or memory, read-only, no permission: an operator's matter, and it may pass.
            await self.close()
            raise unreachable(self._dsn, fault) from fault

    async def make_room(self, table: Table, days: Iterable[int], today: int) -> None:
        """Sees to it that these days have partitions, when they may. Raises UnavailableError, Conflict."""
        wanting = self.partitions.wanting(table, days, today)
        if wanting:
            await self.connect()
            async with self._faults():
                await self.partitions.make(self._session, table, wanting)

    async def look_again(self) -> None:
        """Partitions may have come or gone. Raises UnavailableError."""
        await self.connect()
        async with self._faults():
            await self.partitions.refresh(self._session)

    async def positions(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The next offset of each partition that has one. Raises UnavailableError."""
        await self.connect()
        async with self._faults():
            rows = await self._session.fetch(sql("read_positions"), list(topics))
        return {(row[0], row[1]): row[2] for row in rows}

    async def begin_positions(self, begins: Mapping[tuple[str, int], int]) -> None:
        """First positions of partitions that have none. Raises UnavailableError."""
        await self.connect()
        topics, parts = [topic for topic, _ in begins], [part for _, part in begins]
        async with self._faults():
            await self._session.execute(sql("begin_positions"), topics, parts, list(begins.values()))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end, rolls back on any exception. Raises what the module tells."""
        await self.connect()
        async with self._faults():
            scope = self._session.transaction()
            await scope.start()
            try:
                yield Transaction(self._session, self.partitions)
            except BaseException:
                await self._roll_back(scope)
                raise
            await scope.commit()

    async def _roll_back(self, scope: Any) -> None:
        """What ended the transaction is what is to be told, a cancellation above all: not that rolling back failed too."""
        try:
            await scope.rollback()
        except Exception:
            await self.close()
        except BaseException:
            await self.close()
            raise
