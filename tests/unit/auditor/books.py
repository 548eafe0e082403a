"""Small books made by hand: a carrier, a client and Postgres that agree, until a test plants a fault."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

from auditor.audit import Verdict, judge, tables
from auditor.books import Journals, lay_rows, read_book

CJK_HEADER = bytes((5, 0, 3))


class Books:
    """`message` books, submits, acknowledges and projects one message as all goes well; each part can be left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client: list[dict[str, Any]] = []
        self.journal: list[dict[str, Any]] = []
        self.rows: list[tuple[str, str, bool, bool, bool, list[str]]] = []
        self._ids = count(1)
        self._at = count(1_000)

    def message(self, nonce: str, to: str = "8613800000001") -> str:
        """Everything as it should be. Gives the SMSC's id."""
        self.accept(nonce, to)
        given = self.submit(nonce, to)
        self.receipt(given, to)
        self.row(nonce, "delivered", [given])
        return given

    def accept(self, nonce: str, to: str = "8613800000001", id: str | None = "") -> None:
        """A line of the client's book; `id` None: nobody answered."""
        given = f"id-{nonce}" if id == "" else id
        at = None if given is None else "2026-11-22T00:00:00.000Z"
        self.client.append({"id": given, "to": f"+{to}", "nonce": nonce, "accepted_at": at})

    def submit(
        self, nonce: str, to: str = "8613800000001", text: bytes | None = None, *, status: int = 0, id: str | None = None,
        esm_class: int = 0, coding: int = 0, carrier: str = "alpha", tlvs: dict[str, str] | None = None,
    ) -> str:  # fmt: skip
        """A submit_sm; gives the id."""
        given = (f"{next(self._ids):08d}" if status in (0, -1) else "") if id is None else id
        data = f"{nonce} hello".encode() if text is None else text
        self.journal.append(
            {
                "type": "submit", "at": float(next(self._at)), "system_id": carrier, "bind": 1, "sequence": 1,
                "source": "Acme", "destination": to, "esm_class": esm_class, "data_coding": coding, "registered": 1,
                "validity": "", "short_message": data.hex(), "tlvs": tlvs or {}, "status": status, "id": given,
            }
        )  # fmt: skip
        return given

    def part(self, nonce: str, number: int, total: int, reference: int = 7, to: str = "8613800000001") -> str:
        """One segment of a long message with an 8-bit reference."""
        body = f"{nonce} begins".encode() if number == 1 else b"and goes on"
        return self.submit(nonce, to, CJK_HEADER + bytes((reference, total, number)) + body, esm_class=0x40)

    def receipt(
        self, id: str, to: str = "8613800000001", state: str = "DELIVRD", *, acked: bool = True, carrier: str = "alpha"
    ) -> None:
        line = {
            "type": "receipt", "system_id": carrier, "bind": 1, "id": id, "destination": to, "state": state,
            "status": 0, "again": False,
        }  # fmt: skip
        self.journal.append({**line, "event": "sent", "at": float(next(self._at))})
        if acked:
            self.journal.append({**line, "event": "acked", "at": float(next(self._at))})

    def row(
        self, nonce: str, status: str = "delivered", ids: list[str] | None = None, *, duplicate: bool = False, doubt: bool = False
    ) -> None:  # fmt: skip
        final = status not in ("queued", "sent", "held", "scheduled", "unknown")
        self.rows.append((f"id-{nonce}", status, final, duplicate, doubt, ids or []))

    def write(self) -> tuple[str, str]:
        """The paths of book and journal."""
        paths = (self.folder / "book", self.folder / "journal")
        for path, lines in zip(paths, (self.client, self.journal), strict=True):
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(paths[0]), str(paths[1])

    def verdict(self, receipts: str = "each", packed: tuple[str, ...] = (), require_final: bool = False) -> Verdict:
        book, journal = self.write()
        with tables() as db:
            read_book(db, book)
            reader = Journals(db, packed)
            reader.read(journal)
            reader.finish()
            lay_rows(db, self.rows)
            return judge(db, receipts, require_final)

    def faults(self, **options: Any) -> dict[str, int]:
        """Only those that were found."""
        return {name: number for name, number in self.verdict(**options).faults.items() if number}
