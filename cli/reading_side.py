"""The read side for commands: Postgres straight, without an api; numbers and texts opened only with the seal keys at hand."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from runtime.errors import ConfigError
from runtime.logs import logger
from runtime.settings import Settings
from schemas.addresses import AddressError, normalize_destination
from schemas.ids import from_text
from schemas.sealing import BlindIndex, Sealer, parse_keys
from store.pool import Pool
from store.reads import Reads

log = logger("cli.content")
TIMEOUT_MS = 10_000


@asynccontextmanager
async def reads(settings: Settings) -> AsyncIterator[Reads]:
    """The read side. What is asked raises UnavailableError when Postgres is away."""
    pool = Pool(settings.postgres_dsn, name="cli", size=1, statement_timeout_ms=TIMEOUT_MS)
    await pool.start()
    try:
        yield Reads(pool)
    finally:
        await pool.stop()


class Opener(NamedTuple):
    """`full`: numbers and texts are shown whole."""

    sealer: Sealer
    full: bool


def opener(settings: Settings, content: bool, what: str) -> Opener:
    """Opens with the keys of the settings, if there are any. Raises ConfigError when `content` is asked for without them.

    Reading content leaves a line in the log, as it does in the api: who can, is seen to.
    """
    if content:
        keys, _ = settings.keys()
        log.warning("content_read", command=what, uid=os.getuid())
        return Opener(Sealer(keys, os.urandom(6)), True)
    if settings.seal_keys:
        return Opener(Sealer(parse_keys(settings.seal_keys), os.urandom(6)), False)
    # Without keys: a sealer that opens nothing, so numbers and senders are shown as not known.
    return Opener(Sealer({255: os.urandom(32)}, os.urandom(6)), False)


def id_of(text: str, what: str) -> bytes:
    """Raises ConfigError for what is no id of ours."""
    try:
        return from_text(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no {what} id", "ids look like 0199a1b2-c3d4-7e5f-8a6b-0123456789ab") from None


def index_of(settings: Settings, account: str | None, number: str) -> bytes:
    """The blind index of a number in an account's rows. Raises ConfigError."""
    if account is None:
        raise ConfigError(
            "--to needs --account", "numbers are indexed by account, so that two accounts can't be linked"
        )
    try:
        return BlindIndex(settings.keys()[1]).of_account(account, normalize_destination(number))
    except AddressError as fault:
        raise ConfigError(f"--to {number} is wrong", str(fault)) from None


def millis_of(text: str | None, option: str) -> int | None:
    """Unix milliseconds of RFC 3339, or of a date; in UTC where it names no zone. Raises ConfigError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no time", "write 2026-01-31T12:00:00Z or 2026-01-31") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
