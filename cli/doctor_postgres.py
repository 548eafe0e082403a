"""Postgres: is it there, up to date, and does its clock agree? Facts come from store.inspection, the judgement is pure."""

from __future__ import annotations

from collections.abc import Iterator

from cli.findings import Finding
from migrations.runner import revisions
from runtime.clock import SystemClock
from runtime.settings import Settings
from schemas.ids import DAY_MS
from store.inspection import ServerFacts, inspect
from store.partitions import leaf_name

OLDEST = 15
NEWEST_TESTED = 18
MOST_SKEW_MS = 1000.0


async def look_at_postgres(settings: Settings) -> list[Finding]:
    """Raises UnavailableError."""
    facts = await inspect(settings.postgres_dsn)
    return list(judge(facts, [step.number for step in revisions()], SystemClock.wall_ms() // DAY_MS))


def judge(facts: ServerFacts, known: list[str], today: int) -> Iterator[Finding]:
    """What is wrong with a database. `known`: the revisions of this release, in order; `today`: days since 1970. Pure."""
    yield from _of_server(facts)
    yield from _of_schema(facts, known)
    if facts.revision is not None:
        yield from _of_partitions(facts, today)


def _of_server(facts: ServerFacts) -> Iterator[Finding]:
    what = (
        f"Postgres {facts.version}, answered in {facts.answered_ms:.0f} ms, the database has {facts.bytes / 1e6:.0f} MB"
    )
    yield Finding("ok", "postgres", what)
    if facts.version_number < OLDEST * 10_000:
        yield Finding("error", "postgres", f"Postgres {facts.version} is too old", f"use {OLDEST} or newer")
    if abs(facts.skew_ms) > MOST_SKEW_MS:
        what = f"the server's clock is {facts.skew_ms / 1000:+.1f} s off this machine's"
        yield Finding(
            "warning", "postgres", what, "run chrony or ntpd on both: times in reports come from several machines"
        )
    if not (facts.fsync and facts.full_page_writes):
        off = [name for name, on in (("fsync", facts.fsync), ("full_page_writes", facts.full_page_writes)) if not on]
        remedy = "turn it on: a crash may leave a broken database, which only `recorder --rebuild` mends"
        yield Finding("error", "postgres", f"{' and '.join(off)} is off", remedy)
    if facts.encoding != "UTF8":
        yield Finding("error", "postgres", f"the database is in {facts.encoding}", "create it with encoding UTF8")
    if facts.connections > facts.connections_allowed * 0.8:
        what = f"{facts.connections} of {facts.connections_allowed} connections are in use"
        yield Finding("warning", "postgres", what, "raise max_connections, or find who holds them")


def _of_schema(facts: ServerFacts, known: list[str]) -> Iterator[Finding]:
    if facts.revision is None:
        yield Finding("error", "postgres", "the database was never migrated", "run `smpp-dispatch migrate`")
    elif facts.revision not in known:
        what = f"the database is at revision {facts.revision}, which this release does not know"
        yield Finding("error", "postgres", what, "run the release that made it, or a newer one")
    elif facts.revision != known[-1]:
        what = f"the database is at revision {facts.revision}, this release has {known[-1]}"
        yield Finding("error", "postgres", what, "run `smpp-dispatch migrate` (docs/howto/upgrade.md)")
    else:
        what = f"schema at {facts.revision}, up to date; {facts.projected} Kafka partitions projected; {facts.sessions} sessions"
        yield Finding("ok", "postgres", what)


def _of_partitions(facts: ServerFacts, today: int) -> Iterator[Finding]:
    if today not in facts.days or today + 1 not in facts.days:
        missing = leaf_name("messages", today if today not in facts.days else today + 1)
        what = f"the daily partition {missing} is not there: its rows go to the default one"
        yield Finding("warning", "postgres", what, "a running `smpp-dispatch recorder` makes it, and moves the rows")
    else:
        ahead = max(day for day in facts.days) - today
        yield Finding("ok", "postgres", f"daily partitions are there for {ahead} days ahead")
