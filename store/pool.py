"""Sessions with Postgres: settings that every session has, bounded waits, and one clear line when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from runtime.errors import ConfigError, UnavailableError

CONNECT_TIMEOUT_S: Final = 5.0
_ADMIN: Final = (
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)
AWAY: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, *_ADMIN)
"""What asyncpg raises when the server is not there, is going, or went: worth trying again."""


def unreachable(dsn: str, fault: object) -> UnavailableError:
    """The one line for a Postgres that does not answer; the password is not in it."""
    return UnavailableError(
        f"Postgres is not reachable at {_place(dsn)} ({_reason(fault)})",
        "start it, or set SMPPD_POSTGRES_DSN to where it is",
    )


def _place(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        return f"{parts.hostname or 'the Unix socket'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "SMPPD_POSTGRES_DSN"


def _reason(fault: object) -> str:
    return str(fault) or type(fault).__name__


def _settings(name: str, statement_timeout_ms: int) -> dict[str, str]:
    return {
        "application_name": f"smpp-dispatch {name}",
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
        "timezone": "UTC",
    }


async def raw_ids(session: Any) -> None:
    """Ids go in and out as their 16 bytes: a UUID object costs a microsecond."""
    await session.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")


async def connect(dsn: str, *, name: str, statement_timeout_ms: int, **settings: str) -> Any:
    """A session of its own. `settings`: further ones of the server. Raises UnavailableError."""
    try:
        session = await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            # A peer that is gone without a word answers nothing, not even that a statement took too long.
            command_timeout=statement_timeout_ms / 1000 + 10 if statement_timeout_ms else None,
            server_settings={**_settings(name, statement_timeout_ms), **settings},
        )
        await raw_ids(session)
    except (*AWAY, asyncpg.PostgresError, ValueError) as fault:
        raise unreachable(dsn, fault) from None
    return session


async def require_tables(dsn: str, name: str) -> None:
    """Raises UnavailableError when Postgres is not there, ConfigError when `smpp-dispatch migrate` was not run."""
    session = await connect(dsn, name=name, statement_timeout_ms=5000)
    try:
        found = await session.fetchval("select to_regclass('messages') is not null")
    except (*AWAY, asyncpg.PostgresError) as fault:
        raise unreachable(dsn, fault) from None
    finally:
        session.terminate()
    if not found:
        raise ConfigError("the database has no tables of this service", "run `smpp-dispatch migrate`")


async def _as_it_is(_session: Any) -> None:
    """Nothing here changes a session's settings or leaves a lock in it: asyncpg's query that would undo it, a second round
    trip for each question, is left out. An open transaction asyncpg ends by itself."""


class Pool:
    """A few sessions for short questions. Opens none before the first: Postgres may be away when a process starts."""

    def __init__(self, dsn: str, *, name: str, size: int = 4, statement_timeout_ms: int = 2000) -> None:
        self._dsn = dsn
        self._timeout_s = statement_timeout_ms / 1000 + 1.0
        self._pool: Any = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=self._timeout_s,
            max_inactive_connection_lifetime=300,
            server_settings=_settings(name, statement_timeout_ms),
            init=raw_ids,
            reset=_as_it_is,
        )

    async def start(self) -> None:
        await self._pool

    async def stop(self) -> None:
        self._pool.terminate()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """A session; waits for one no longer than a statement may take. Raises UnavailableError."""
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as session:
                yield session
        except asyncpg.QueryCanceledError:
            raise UnavailableError(
                f"Postgres did not answer within {self._timeout_s - 1:.0f} s", "ask for less, or for a shorter time"
            ) from None
        except AWAY as fault:
            raise unreachable(self._dsn, fault) from None
