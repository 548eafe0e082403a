"""Rows as COPY's binary format, packed by hand: a row costs a microsecond or two here, ten through drivers and objects.

Each function's struct lists the fixed fields of its table in order, each behind its length; a field of varying length is
four bytes of length and the bytes. Everything raises struct.error for a number that its column can't hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"
_TEXT_OID: Final = 25

MESSAGE_COLUMNS: Final = (
    "id", "accepted_ms", "expires_ms", "updated_ms", "price_micros", "rev", "cls", "status", "attempt", "hop",
    "segments", "entries", "possible_duplicate", "in_doubt", "carrier", "timeline", "account", "currency", "destination",
    "record", "client_ref", "batch", "campaign", "tags", "smsc_ids", "error_code", "carrier_status", "carrier_error",
)  # fmt: skip
_MESSAGE: Final = struct.Struct(">h i16s iq iq iq iq ii ih ih ih ih ih ih i? i?".replace(" ", ""))
CHANGE_COLUMNS: Final = (
    "id", "updated_ms", "rev", "status", "entries", "possible_duplicate", "in_doubt", "timeline", "smsc_ids",
    "error_code", "carrier_status", "carrier_error",
)  # fmt: skip
_CHANGE: Final = struct.Struct(">h i16s iq ii ih ih i? i?".replace(" ", ""))
SUBMISSION_COLUMNS: Final = ("submitted_ms", "id", "send", "part", "check_bits", "carrier", "key")
_SUBMISSION: Final = struct.Struct(">h iq i16s ih ih ih".replace(" ", ""))
_LENGTH: Final = struct.Struct(">i").pack
_INT8: Final = struct.Struct(">iq").pack
_ARRAY: Final = struct.Struct(">iiiii")


def clean(text: str) -> str:
    """Postgres holds no NUL in a text; whoever sent one sees that something stood there."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def text(value: str | None) -> bytes:
    """A text field."""
    if value is None:
        return NULL
    packed = clean(value).encode()
    return _LENGTH(len(packed)) + packed


@lru_cache(maxsize=8192)
def name(value: str) -> bytes:
    """A text field with few values: carriers, accounts, currencies."""
    return text(value)


def _bytea(value: bytes | None) -> bytes:
    return NULL if value is None else _LENGTH(len(value)) + value


def texts(values: Iterable[str]) -> bytes:
    """A text[] field of one dimension; null when empty."""
    packed = b"".join([text(value) for value in values])
    if not packed:
        return NULL
    count = len(tuple(values))
    return _LENGTH(20 + len(packed)) + _ARRAY.pack(1, 0, _TEXT_OID, count, 1) + packed


def standing(code: str | None, carrier_status: int | None, carrier_error: str | None) -> bytes:
    """error_code, carrier_status, carrier_error."""
    status = NULL if carrier_status is None else _INT8(8, carrier_status)
    return (NULL if code is None else name(code)) + status + text(carrier_error)


NO_ERROR: Final = NULL * 3
NO_LABELS: Final = NULL * 4


def labels(client_ref: str | None, batch: bytes | None, campaign: str | None, tags: tuple[str, ...]) -> bytes:
    """client_ref, batch, campaign, tags."""
    return text(client_ref) + _bytea(batch) + text(campaign) + texts(tags)


def pack_message(
    id: bytes,
    accepted_ms: int,
    expires_ms: int,
    updated_ms: int,
    price_micros: int,
    rev: int,
    cls: int,
    status: int,
    attempt: int,
    hop: int,
    segments: int,
    entries: int,
    possible_duplicate: bool,
    in_doubt: bool,
    carrier: str,
    timeline: bytes,
    origin: bytes,
    label: bytes,
    smsc_ids: bytes,
    error: bytes,
) -> bytes:
    """A row of `messages`. `origin`: `pack_origin`; `label`: `labels`; `smsc_ids`: `text`; `error`: `standing`."""
    fixed = _MESSAGE.pack(
        28, 16, id, 8, accepted_ms, 8, expires_ms, 8, updated_ms, 8, price_micros, 4, rev, 2, cls, 2, status,
        2, attempt, 2, hop, 2, segments, 2, entries, 1, possible_duplicate, 1, in_doubt,
    )  # fmt: skip
    return b"".join((fixed, name(carrier), _LENGTH(len(timeline)), timeline, origin, label, smsc_ids, error))


NO_ORIGIN: Final = NULL * 4


def pack_origin(account: str, currency: str, destination: bytes, record: bytes) -> bytes:
    """account, currency, destination, record."""
    return b"".join(
        (name(account), name(currency), _LENGTH(len(destination)), destination, _LENGTH(len(record)), record)
    )


def pack_change(
    id: bytes,
    updated_ms: int,
    rev: int,
    status: int,
    entries: int,
    possible_duplicate: bool,
    in_doubt: bool,
    timeline: bytes,
    smsc_ids: bytes,
    error: bytes,
) -> bytes:
    """A row of `changes`: `rev` is the one that was read, `entries` and `timeline` what is appended."""
    return (
        _CHANGE.pack(
            12, 16, id, 8, updated_ms, 4, rev, 2, status, 2, entries, 1, possible_duplicate, 1, in_doubt
        )
        + _LENGTH(len(timeline)) + timeline + smsc_ids + error
    )  # fmt: skip


def pack_submission(submitted_ms: int, id: bytes, send: int, part: int, check: int, carrier: str, key: str) -> bytes:
    """A row of `submissions`."""
    return _SUBMISSION.pack(7, 8, submitted_ms, 16, id, 2, send, 2, part, 2, check) + name(carrier) + text(key)
