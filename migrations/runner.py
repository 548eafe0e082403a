"""Applies revisions: reads what the database has, asks alembic for each pending revision's SQL, runs it in a transaction."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from runtime.errors import ConfigError, UnavailableError
from store.pool import connect

Phase = Literal["pre", "post", "all"]
HERE = Path(__file__).parent
# Any number, but the same for all who migrate: two at once would collide.
_LOCK = 0x736D7070
_LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Revision:
    """One step. `phase` is in its file's name."""

    number: str
    phase: str
    title: str


def revisions() -> list[Revision]:
    """All revisions, oldest first. Raises ConfigError for a file that names no phase."""
    found = []
    for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions())):
        phase = Path(script.path).name.split("_")[1]
        if phase not in ("pre", "post"):
            raise ConfigError(f"{script.path} names no phase", "call it NNNN_pre_… or NNNN_post_…")
        found.append(Revision(script.revision, phase, script.doc))
    return found


def pending(current: str | None, phase: Phase) -> list[Revision]:
    """What is to be applied now. Raises ConfigError: an unknown state, or a step of the other phase that comes first."""
    steps = revisions()
    numbers = [step.number for step in steps]
    if current is not None and current not in numbers:
        raise ConfigError(
            f"the database is at revision {current}, which this release does not know", "run a newer release's migrate"
        )
    rest = steps[numbers.index(current) + 1 if current else 0 :]
    if phase == "all":
        return rest
    count = next((at for at, step in enumerate(rest) if step.phase != phase), len(rest))
    if not count and any(step.phase == phase for step in rest):
        other = rest[0].phase
        raise ConfigError(
            f"revision {rest[0].number} ({other}) comes before the next {phase} one",
            f"finish the deploy before this one: migrate --phase {other}",
        )
    return rest[:count]


async def migrate(dsn: str, phase: Phase = "all") -> list[Revision]:
    """Brings the database up; gives the revisions applied. Raises UnavailableError, ConfigError."""
    session = await connect(dsn, name="migrate", statement_timeout_ms=0)
    try:
        # Held to the end of the session: two who migrate at once wait for each other.
        await session.execute(f"select pg_advisory_lock({_LOCK})", timeout=_LOCK_TIMEOUT_S)
        steps = pending(await _current(session), phase)
        for step in steps:
            await _apply(session, step)
        return steps
    except TimeoutError:
        raise UnavailableError("another migrate has been running for a minute", "wait for it, or end it") from None
    except asyncpg.PostgresError as fault:
        raise UnavailableError(f"Postgres refused a migration ({fault})", "nothing of that step was applied") from None
    finally:
        await session.close()


async def current_revision(session: Any) -> str | None:
    """What the database has; None when it was never migrated."""
    return await _current(session)


async def _current(session: Any) -> str | None:
    if await session.fetchval("select to_regclass('alembic_version')") is None:
        return None
    found: str | None = await session.fetchval("select version_num from alembic_version")
    return found


async def _apply(session: Any, step: Revision) -> None:
    async with session.transaction():
        await session.execute(sql_of(step))


def sql_of(step: Revision) -> str:
    """The statements of one revision, its line in alembic_version included."""
    steps = revisions()
    at = [one.number for one in steps].index(step.number)
    before = steps[at - 1].number if at else "base"
    out = io.StringIO()
    command.upgrade(_config(out), f"{before}:{step.number}", sql=True)
    return out.getvalue()


def _config(out: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=out) if out is not None else Config()
    config.set_main_option("script_location", str(HERE))
    return config


def describe(steps: Sequence[Revision]) -> list[dict[str, str]]:
    """For `migrate --json`."""
    return [{"revision": step.number, "phase": step.phase, "title": step.title} for step in steps]
