"""Links receipts to the submits that they speak of, whatever form the SMSC writes its ids in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

_PREPARE: Final = """
create index submits_message on submits (message, part, at);
create index submits_id on submits (destination, id);
create index book_message on book (message);
create index book_id on book (id);
create index row_ids_id on row_ids (id);
create index row_ids_smsc on row_ids (smsc_id);
create table receipts as
    select carrier, destination, id, state, max(sent) as sent, max(acked) as acked, min(case when acked then at end) as acked_at,
        null as message, null as part
    from events group by carrier, destination, id, state;
drop table events;
update receipts set (message, part) = (
    select s.message, s.part from submits s
    where s.destination = receipts.destination and s.id = receipts.id and s.carrier = receipts.carrier
);
"""
_OPEN: Final = "select rowid, carrier, destination, id from receipts where message is null"
_SUBMITS: Final = "select id, message, part from submits where destination = ? and carrier = ? and id <> ''"


def link(db: sqlite3.Connection) -> None:
    """Makes the indexes and the table `receipts`: a row for each receipt, with the message and segment that it is about."""
    db.executescript(_PREPARE)
    for rowid, carrier, destination, told in db.execute(_OPEN).fetchall():
        wanted = set(forms(told))
        for given, message, part in db.execute(_SUBMITS, (destination, carrier)):
            if wanted & set(forms(given)):
                db.execute("update receipts set message = ?, part = ? where rowid = ?", (message, part, rowid))
                break
    db.execute("create index receipts_message on receipts (message)")


def forms(given: str) -> Iterator[str]:
    """The numbers and names that an id may stand for: as written, and read as decimal and as hexadecimal."""
    plain = given.strip().lower().lstrip("0")
    yield plain
    if plain.isdigit():
        yield f"#{int(plain)}"
    try:
        yield f"#{int(plain, 16)}"
    except ValueError:
        return
