"""The audit: books in, verdict out."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from auditor.books import TABLES, Journals, read_book, read_rows
from auditor.checks import CHECKS, COUNTS, NOT_FINAL, Check, prepare
from auditor.links import link

MOST_OFFENDERS: Final = 20


@dataclass(frozen=True)
class Verdict:
    """`counts` and `faults` by name; `offenders`: (message, what is wrong) of the first ones of each fault."""

    counts: dict[str, int]
    faults: dict[str, int]
    offenders: dict[str, list[tuple[str, str]]] = field(repr=False)

    @property
    def ok(self) -> bool:
        return not any(self.faults.values())

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **self.counts, **self.faults, "offenders": self.offenders}


async def audit(
    book: str,
    journals: Sequence[str],
    dsn: str,
    *,
    receipts: str = "each",
    packed: Sequence[str] = (),
    require_final: bool = False,
) -> Verdict:
    """Compares. `receipts`: which segments of a long message get one ("each", "first", "last"), as in carriers.toml.

    Raises BadBook, OSError, asyncpg.PostgresError.
    """
    with tables() as db:
        read_book(db, book)
        reader = Journals(db, packed)
        for path in journals:
            reader.read(path)
        reader.finish()
        await read_rows(db, dsn)
        return judge(db, receipts, require_final)


@contextmanager
def tables() -> Iterator[sqlite3.Connection]:
    """An empty set of tables, in a file that goes when they are done with."""
    with tempfile.TemporaryDirectory(prefix="auditor-") as folder:
        db = sqlite3.connect(Path(folder) / "books.sqlite", isolation_level=None)
        try:
            # Nothing of it outlives the process: no journal, no syncs. 64 MB of cache.
            db.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536;")
            db.executescript(TABLES)
            db.execute("begin")
            yield db
        finally:
            db.close()


def judge(db: sqlite3.Connection, receipts: str = "each", require_final: bool = False) -> Verdict:
    """The verdict on what was laid into the tables."""
    link(db)
    prepare(db)
    counts = {name: int(db.execute(query).fetchone()[0]) for name, query in COUNTS.items()}
    counts["not_final"] = counts["accepted"] - counts["final"]
    faults: dict[str, int] = {}
    offenders: dict[str, list[tuple[str, str]]] = {}
    for check in (*CHECKS, NOT_FINAL) if require_final else CHECKS:
        faults[check.name], found = _offenders(db, check, receipts)
        if found:
            offenders[check.name] = found
    return Verdict(counts, faults, offenders)


def _offenders(db: sqlite3.Connection, check: Check, receipts: str) -> tuple[int, list[tuple[str, str]]]:
    given = {"first": receipts != "each"} if ":first" in check.query else {}
    total = int(db.execute(f"select count(*) from ({check.query})", given).fetchone()[0])
    if not total:
        return 0, []
    return total, db.execute(f"{check.query} order by 1 limit {MOST_OFFENDERS}", given).fetchall()
