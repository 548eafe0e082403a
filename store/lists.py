"""Lists for operators: doubts, where messages stand, the audit log, messages from handsets. A part of store.reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from schemas.status import Status
from store.cursors import of_place, of_values, place_of, values_of
from store.named import sql
from store.pool import Pool
from store.rows import AuditFilter, AuditRow, DoubtRow, InboundRow, StandingRow

_SENT: Final = {"sent": True, "refused": False}
"""What the end of a doubt tells of whether the carrier took the message."""
_NEWEST_ACT: Final = (2**63 - 1, 2**63 - 1, "", "")


class Lists:
    """See the module."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_in_doubt(
        self,
        account: str | None = None,
        carrier: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        *,
        open_only: bool = True,
        since_ms: int | None = None,
    ) -> tuple[list[DoubtRow], str | None]:
        """A page of what is, or (not `open_only`) was, in doubt, newest first, and the next cursor. Raises CursorError."""
        at_ms, id = place_of(cursor)
        text = sql("list_doubts").replace("{which}", "d.resolved_ms is null" if open_only else "true")
        async with self._pool.session() as session:
            rows = await session.fetch(text, account, carrier, at_ms, id, limit + 1, since_ms)
        found = [_doubt(row) for row in rows[:limit]]
        return found, of_place(found[-1].at_ms, found[-1].id) if len(rows) > limit else None

    async def messages_by_ids(self, account: str | None, ids: Sequence[bytes]) -> dict[bytes, StandingRow]:
        """Those of the ids that are known, and the account's."""
        async with self._pool.session() as session:
            rows = await session.fetch(sql("messages_by_ids"), account, list(ids))
        return {row["id"]: StandingRow(**{**dict(row), "status": Status(row["status"])}) for row in rows}

    async def list_audit(
        self, chosen: AuditFilter, cursor: str | None, limit: int
    ) -> tuple[list[AuditRow], str | None]:
        """A page of what was done, newest first, and the next cursor. Raises CursorError."""
        place = _NEWEST_ACT if cursor is None else values_of(cursor, tuple[int, int, str, str])
        wanted = (chosen.kind, chosen.subject, chosen.actor, chosen.from_ms, chosen.until_ms)
        async with self._pool.session() as session:
            rows = await session.fetch(sql("list_audit"), *wanted, *place, limit + 1)
        found = [
            AuditRow(row["at_ms"], row["kind"], row["subject"], row["actor"], row["reason"], json.loads(row["what"]))
            for row in rows[:limit]
        ]
        last = rows[limit - 1] if len(rows) > limit else None
        more = of_values(last["at_ms"], last["log_offset"], last["kind"], last["subject"]) if last else None
        return found, more

    async def list_inbound(
        self, account: str | None, cursor: str | None, limit: int
    ) -> tuple[list[InboundRow], str | None]:
        """A page of messages from handsets, newest first, and the next cursor. Raises CursorError."""
        at_ms, id = place_of(cursor)
        async with self._pool.session() as session:
            rows = await session.fetch(sql("list_inbound"), account, at_ms, id, limit + 1)
        found = [InboundRow(**dict(row)) for row in rows[:limit]]
        return found, of_place(found[-1].at_ms, found[-1].id) if len(rows) > limit else None


def _doubt(row: Any) -> DoubtRow:
    status = None if row["status"] is None else Status(row["status"])
    return DoubtRow(**{**dict(row), "status": status, "sent": _SENT.get(row["resolution"])})
