"""An in-memory twin of store.projection: the same questions and answers over dicts, from the packed rows themselves.

Parses the rows that were packed for COPY, so that a field in the wrong place shows here already. The real thing is held
to the same scenarios in tests/integration/recorder.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from runtime.errors import UnavailableError
from schemas.ids import DAY_MS
from store import packing
from store.transaction import Found, Moved, Parked, ReceiptName, Refused, Row, Span, Stored

_INT2 = ("cls", "status", "attempt", "hop", "segments", "entries", "send", "part", "check_bits")
_INT4 = ("rev",)
_INT8 = ("accepted_ms", "expires_ms", "updated_ms", "price_micros", "carrier_status", "submitted_ms")
_BOOL = ("possible_duplicate", "in_doubt")
_BYTES = ("id", "timeline", "destination", "record", "batch")


def parse(columns: Sequence[str], packed: bytes) -> dict[str, Any]:
    """A row of COPY's binary format by column. Raises AssertionError for what Postgres would refuse."""
    (count,) = struct.unpack_from(">h", packed)
    assert count == len(columns), (count, columns)
    at, row = 2, {}
    for column in columns:
        (length,) = struct.unpack_from(">i", packed, at)
        field, at = (None, at + 4) if length < 0 else (packed[at + 4 : at + 4 + length], at + 4 + length)
        row[column] = None if field is None else _value(column, field)
    assert at == len(packed)
    return row


def _value(column: str, field: bytes) -> Any:
    for names, form in ((_INT2, ">h"), (_INT4, ">i"), (_INT8, ">q"), (_BOOL, ">?")):
        if column in names:
            assert len(field) == struct.calcsize(form), column
            return struct.unpack(form, field)[0]
    if column in _BYTES:
        return field
    if column == "tags":
        dims, _, oid, count, _ = struct.unpack_from(">iiiii", field)
        assert (dims, oid) == (1, 25)
        tags, at = [], 20
        for _ in range(count):
            (length,) = struct.unpack_from(">i", field, at)
            tags.append(field[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return tags
    text = field.decode()
    if "\0" in text:
        raise Refused("invalid byte sequence for encoding: 0x00")
    return text


class Tables:
    """What the twin holds."""

    def __init__(self) -> None:
        self.messages: dict[bytes, dict[str, Any]] = {}
        self.submissions: list[dict[str, Any]] = []
        self.parked: dict[ReceiptName, dict[str, Any]] = {}
        self.lists: dict[str, list[tuple[Any, ...]]] = {}
        self.doubts: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.due: dict[bytes, tuple[Any, ...]] = {}
        self.positions: dict[tuple[str, int], int] = {}


class MemoryProjection:
    """See store.projection.Projection. `away` makes it unreachable; `refused` are texts that it will not store."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.away = False
        self.fail_commits = 0
        """So many commits are done, but their answer is lost."""
        self.refused: set[str] = set()

    async def make_room(self, table: str, days: Iterable[int], today: int) -> None:
        self._answer()

    async def look_again(self) -> None:
        self._answer()

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("Postgres is not reachable", "start it")

    async def positions(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        self._answer()
        return {place: at for place, at in self.tables.positions.items() if place[0] in topics}

    async def begin_positions(self, begins: Mapping[tuple[str, int], int]) -> None:
        self._answer()
        for place, at in begins.items():
            self.tables.positions.setdefault((place[0], place[1]), at)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryTransaction]:
        self._answer()
        tables = copy.deepcopy(self.tables)
        yield MemoryTransaction(tables, self.refused)
        self._answer()
        self.tables = tables
        if self.fail_commits:
            self.fail_commits -= 1
            raise UnavailableError("Postgres is not reachable (connection was closed in the middle of operation)")


class MemoryTransaction:
    """See store.projection.Transaction."""

    def __init__(self, tables: Tables, refused: set[str]) -> None:
        self._tables = tables
        self._refused = refused

    async def advance(self, spans: Sequence[Span]) -> None:
        for span in spans:
            if self._tables.positions.get((span.topic, span.part)) != span.start:
                raise Moved(str(span))
            self._tables.positions[span.topic, span.part] = span.stop

    async def load(self, ids: Mapping[int, Sequence[bytes]]) -> list[Stored]:
        found = []
        for day, some in ids.items():
            for id in some:
                assert int.from_bytes(id[:6], "big") // DAY_MS == day
                row = self._tables.messages.get(id)
                if row is not None:
                    filled = row["account"] is not None
                    names = ("id", "rev", "entries", "timeline", "cls", "carrier", "accepted_ms", "status")
                    found.append(Stored(**{name: row[name] for name in names}, filled=filled))
        return found

    async def find(self, keys: Mapping[int, Sequence[str]]) -> list[Found]:
        return [
            Found(
                row["key"], row["carrier"], row["id"], row["send"], row["part"], row["check_bits"], row["submitted_ms"]
            )
            for row in self._tables.submissions
            if row["key"] in keys.get(row["submitted_ms"] // DAY_MS, ())
        ]

    async def any_parked(self) -> bool:
        return bool(self._tables.parked)

    async def parked(self, keys: Sequence[str]) -> list[Parked]:
        wanted = set(keys)
        found = [(row["at_ms"], name) for name, row in self._tables.parked.items() if wanted & set(row["keys"])]
        return [self._parked(name) for _, name in sorted(found)]

    async def due(self, now_ms: int, most: int) -> list[Parked]:
        return [self._parked(name) for name, row in self._tables.parked.items() if row["next_ms"] <= now_ms][:most]

    def _parked(self, name: ReceiptName) -> Parked:
        row = self._tables.parked[name]
        return Parked(*name, row["tries"], row["record"])

    async def write_messages(
        self, rows: Mapping[int, Sequence[Row]], replaced: Mapping[int, Sequence[tuple[bytes, int]]]
    ) -> None:
        for olds in replaced.values():
            for id, rev in olds:
                assert self._tables.messages.pop(id)["rev"] == rev
        for some in rows.values():
            for id, packed in some:
                row = parse(packing.MESSAGE_COLUMNS, packed)
                if row["client_ref"] in self._refused:
                    raise Refused("that one")
                assert row["id"] == id
                assert id not in self._tables.messages
                self._tables.messages[id] = row

    async def write_changes(self, rows: Mapping[int, Sequence[Row]]) -> None:
        for some in rows.values():
            for id, packed in some:
                change = parse(packing.CHANGE_COLUMNS, packed)
                row = self._tables.messages[id]
                assert row["rev"] == change["rev"]
                added = {"rev": 1 + row["rev"], "entries": row["entries"] + change["entries"]}
                row.update(change, **added, timeline=row["timeline"] + change["timeline"])

    async def write_submissions(self, rows: Mapping[int, Sequence[bytes]]) -> None:
        for some in rows.values():
            self._tables.submissions += [parse(packing.SUBMISSION_COLUMNS, packed) for packed in some]

    async def unpark(self, names: Sequence[ReceiptName]) -> None:
        for name in names:
            del self._tables.parked[name]

    async def postpone(self, names: Sequence[ReceiptName], next_ms: Sequence[int]) -> None:
        for name, at in zip(names, next_ms, strict=True):
            self._tables.parked[name]["next_ms"] = at
            self._tables.parked[name]["tries"] += 1

    async def put(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            put = getattr(self, f"_{query}", None)
            if put is not None:
                put(*row)
            else:
                self._tables.lists.setdefault(query, []).append(tuple(row))

    async def put_all(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.put(query, rows)

    def _park_receipt(
        self, carrier: str, part: int, log_offset: int, rank: int, key: str, at_ms: int, next_ms: int, record: bytes
    ) -> None:
        fresh = {"keys": [], "at_ms": at_ms, "next_ms": next_ms, "tries": 0, "record": record}
        self._tables.parked.setdefault(ReceiptName(carrier, part, log_offset), fresh)["keys"].append(key)

    def _open_doubt(self, id: bytes, at_ms: int, attempt: int, hop: int, *rest: Any) -> None:
        until_ms, carrier, reason, action, resolved_ms, resolution = rest[3:]
        row = {"action": action, "resolved_ms": resolved_ms, "resolution": resolution, "until_ms": until_ms}
        self._tables.doubts.setdefault((id, carrier, attempt, hop, at_ms, reason), row)

    def _resolve_doubt(self, id: bytes, carrier: str, attempt: int, hop: int, at_ms: int, *end: Any) -> None:
        for key, row in self._tables.doubts.items():
            same = key[:5] == (id, carrier, attempt, hop, at_ms) and key[5] != "possible_duplicate"
            if same:
                row["resolved_ms"], row["resolution"] = end

    def _put_due(self, id: bytes, *row: Any) -> None:
        self._tables.due[id] = row

    def _drop_due(self, id: bytes) -> None:
        self._tables.due.pop(id, None)

    def _withdraw_repeat(self, id: bytes) -> None:
        for key in [key for key in self._tables.doubts if key[0] == id and key[5] == "possible_duplicate"]:
            del self._tables.doubts[key]
