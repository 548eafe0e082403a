"""Lays the three books into tables. One pass over each file; nothing of them is kept in memory but what is on its way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import asyncpg

from auditor.text import Place, read

TABLES: Final = """
create table book (message text, id text);
create table submits (message text, part int, parts int, carrier text, destination text, id text, answered int, at real);
create table events (carrier text, destination text, id text, state text, sent int, acked int, at real);
create table rows (id text primary key, status text, is_final int, duplicate int, doubt int) without rowid;
create table row_ids (id text, smsc_id text);
"""
_ROWS: Final = """
select id::text, status, is_final, possible_duplicate, in_doubt, smsc_message_ids from audit_messages
"""
_BATCH: Final = 5_000
_NOT_ANSWERED: Final = -1


class BadBook(Exception):
    """A file that can't be read, or a line that is not what it should be."""


def message_key(destination: str, nonce: str) -> str:
    """What names a message everywhere: destination in digits, and nonce."""
    return f"{destination.lstrip('+')} {nonce}"


def read_book(db: sqlite3.Connection, path: str) -> None:
    """The client's book; `id` stays null for a request that got no answer. Raises BadBook."""

    def rows() -> Iterator[tuple[str, str | None]]:
        for number, line in lines_of(path):
            try:
                yield message_key(line["to"], line["nonce"]), line["id"]
            except (KeyError, AttributeError):
                raise BadBook(f"{path}:{number} is no line of a client's book") from None

    _insert(db, "insert into book values (?, ?)", rows())


class Journals:
    """Reads the simulators' journals. `packed`: system_ids whose data_coding 0 is packed septets."""

    def __init__(self, db: sqlite3.Connection, packed: Iterable[str] = ()) -> None:
        self._db = db
        self._packed = frozenset(packed)
        # Of long messages: the nonce by destination, sender, reference and number of segments. The last one seen counts,
        # since references are used again.
        self._first: dict[tuple[str, str, int, int], str] = {}
        self._headless: list[tuple[tuple[str, str, int, int], tuple[Any, ...]]] = []

    def read(self, path: str) -> None:
        """Raises BadBook."""
        submits: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        for number, line in lines_of(path):
            try:
                if line["type"] == "submit":
                    self._submit(line, submits)
                elif line["type"] == "receipt":
                    events.append(_event(line))
            except (KeyError, ValueError, AttributeError):
                raise BadBook(f"{path}:{number} is no line of a simulator's journal") from None
            if len(submits) + len(events) >= _BATCH:
                self._flush(submits, events)
        self._flush(submits, events)

    def finish(self) -> None:
        """Segments that came before their first one."""
        rows = [(self._first.get(key, "") or f"{row[4]} ?", *row[1:]) for key, row in self._headless]
        self._flush(rows, [])
        self._headless.clear()

    def _submit(self, line: dict[str, Any], out: list[tuple[Any, ...]]) -> None:
        carrier, destination = line["system_id"], line["destination"].lstrip("+")
        place, nonce = read(
            line["esm_class"],
            line["data_coding"],
            bytes.fromhex(line["short_message"]),
            line["tlvs"],
            carrier in self._packed,
        )
        message = message_key(destination, nonce or "?")
        key = _long_key(destination, line["source"], place)
        if key is not None and place.part == 1:
            self._first[key] = message
        # -1 with an id: accepted, and never answered.
        status, given = line["status"], line["id"]
        if status != 0 and not (status == _NOT_ANSWERED and given):
            return
        row = (message, place.part, place.parts, carrier, destination, given, status == 0, line["at"])
        if key is None or place.part == 1:
            out.append(row)
        elif key in self._first:
            out.append((self._first[key], *row[1:]))
        else:
            self._headless.append((key, row))

    def _flush(self, submits: list[tuple[Any, ...]], events: list[tuple[Any, ...]]) -> None:
        self._db.executemany("insert into submits values (?, ?, ?, ?, ?, ?, ?, ?)", submits)
        self._db.executemany("insert into events values (?, ?, ?, ?, ?, ?, ?)", events)
        submits.clear()
        events.clear()


def _long_key(destination: str, source: str, place: Place) -> tuple[str, str, int, int] | None:
    return None if place.reference is None else (destination, source, place.reference, place.parts)


def _event(line: dict[str, Any]) -> tuple[Any, ...]:
    acked = line["event"] == "acked" and line["status"] == 0
    destination = line["destination"].lstrip("+")
    return line["system_id"], destination, line["id"], line["state"], line["event"] == "sent", acked, line["at"]


async def read_rows(db: sqlite3.Connection, dsn: str) -> None:
    """The view audit_messages. Raises OSError, asyncpg.PostgresError."""
    session = await asyncpg.connect(dsn, timeout=10)
    try:
        async with session.transaction(readonly=True):
            cursor = await session.cursor(_ROWS)
            while found := await cursor.fetch(_BATCH):
                lay_rows(db, ((*row[:5], row[5]) for row in found))
    finally:
        await session.close(timeout=10)


def lay_rows(db: sqlite3.Connection, rows: Iterable[tuple[str, str, bool, bool, bool, list[str]]]) -> None:
    """Rows of the view: (id, status, is_final, possible_duplicate, in_doubt, smsc_message_ids)."""
    for row in rows:
        db.execute("insert into rows values (?, ?, ?, ?, ?)", row[:5])
        db.executemany("insert into row_ids values (?, ?)", [(row[0], given) for given in row[5] or ()])


def lines_of(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each line. A last line without its end was cut short by a kill: it is left out. Raises BadBook."""
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    found = json.loads(line)
                except ValueError:
                    raise BadBook(f"{path}:{number} is not JSON") from None
                if not isinstance(found, dict):
                    raise BadBook(f"{path}:{number} is no JSON object")
                yield number, found
    except OSError as fault:
        raise BadBook(f"can't read {path}: {fault.strerror}") from None


def _insert(db: sqlite3.Connection, statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
    while some := list(islice(rows, _BATCH)):
        db.executemany(statement, some)
