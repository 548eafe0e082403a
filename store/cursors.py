"""Cursors of lists: where a page ended, as text that nobody else needs to understand."""

from __future__ import annotations

import base64
import struct
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
_PLACE: Final = struct.Struct(">q16s")
_FIRST: Final = (2**63 - 1, b"\xff" * 16)


class CursorError(ValueError):
    """Not a cursor that this service gave."""


def of_place(at_ms: int, id: bytes) -> str:
    """Of a list that is ordered by time and id, newest first."""
    return _text(_PLACE.pack(at_ms, id))


def place_of(cursor: str | None) -> tuple[int, bytes]:
    """What `of_place` was given; for None what is newer than everything. Raises CursorError."""
    if cursor is None:
        return _FIRST
    try:
        at_ms, id = _PLACE.unpack(_bytes(cursor))
    except struct.error:
        raise _not_ours() from None
    return at_ms, id


def of_values(*values: int | str) -> str:
    """Of a list that is ordered by several columns."""
    return _text(msgspec.msgpack.encode(values))


def values_of(cursor: str, kind: type[T]) -> T:
    """What `of_values` was given, as the tuple type `kind`. Raises CursorError."""
    try:
        values: Any = msgspec.msgpack.decode(_bytes(cursor), type=kind)
    except msgspec.DecodeError:
        raise _not_ours() from None
    if any("\0" in value if isinstance(value, str) else not -(2**63) <= value < 2**63 for value in values):
        raise _not_ours()
    found: T = values
    return found


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except ValueError:
        raise _not_ours() from None


def _not_ours() -> CursorError:
    return CursorError("not a cursor of this list: begin without one")
