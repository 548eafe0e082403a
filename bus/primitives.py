"""Kafka's own types, as its requests and answers are made of them: those that are packed and parsed by hand here."""

from __future__ import annotations

from struct import Struct
from typing import Final

INT: Final = Struct(">i")
_SHORT: Final = Struct(">h")
NO_TEXT: Final = b"\xff\xff"
"""Null where a text may be."""


def packed_text(text: str) -> bytes:
    """Its length, and itself in UTF-8."""
    raw = text.encode()
    return _SHORT.pack(len(raw)) + raw


def text_at(data: bytes, at: int) -> tuple[str, int]:
    """A text that begins at `at`, and where what follows it begins. Raises struct.error, UnicodeDecodeError."""
    (length,) = _SHORT.unpack_from(data, at)
    end = at + 2 + length
    return data[at + 2 : end].decode(), end


def int_at(data: bytes, at: int) -> tuple[int, int]:
    """As `text_at`. Raises struct.error."""
    return INT.unpack_from(data, at)[0], at + 4
