"""Message and batch ids: 16 bytes, written as a UUID; the first 48 bits tell the day of acceptance.

Without an Idempotency-Key an id is a UUIDv7 (milliseconds, then random bits). With one it is a UUIDv8: the day,
then an HMAC of account, key and index, so that a repeat gives the same id in any process, with no look-up. Over
midnight the day part differs and the HMAC part does not: `identity` is what repeats are compared by.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_V7: Final = 0x70
_V8: Final = 0x80
_VARIANT: Final = 0x80
_TEXT: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z", re.IGNORECASE | re.ASCII
).match


def random_ids(now_ms: int, entropy: bytes) -> list[bytes]:
    """One UUIDv7 for every ten bytes of `entropy`, all with the same time (Unix milliseconds)."""
    head = now_ms.to_bytes(6, "big")
    out = []
    for start in range(0, len(entropy), 10):
        tail = entropy[start : start + 10]
        out.append(head + bytes((_V7 | tail[0] & 0x0F, tail[1], _VARIANT | tail[2] & 0x3F)) + tail[3:])
    return out


def keyed_id(secret: bytes, account: str, key: str, index: int, now_ms: int) -> bytes:
    """The UUIDv8 of (account, Idempotency-Key, index in the batch); `secret` is the service's index key."""
    text = b"\0".join((account.encode(), key.encode(), str(index).encode()))
    tail = hmac.digest(secret, text, hashlib.sha256)
    head = (now_ms // DAY_MS * DAY_MS).to_bytes(6, "big")
    return head + bytes((_V8 | tail[0] & 0x0F, tail[1], _VARIANT | tail[2] & 0x3F)) + tail[3:10]


def is_keyed(message_id: bytes) -> bool:
    """True when a producer can make this id again (it came from an Idempotency-Key)."""
    return message_id[6] & 0xF0 == _V8


def identity(message_id: bytes) -> bytes:
    """The part of an id that a repeat shares, whatever the day: all but the time."""
    return message_id[6:]


def at_day(message_id: bytes, day_start_ms: int) -> bytes:
    """The same keyed id as it would be, had it been made on another day."""
    return day_start_ms.to_bytes(6, "big") + message_id[6:]


def millis_of(message_id: bytes) -> int:
    """Unix milliseconds in the id: the acceptance (v7), or the start of its day (v8)."""
    return int.from_bytes(message_id[:6], "big")


def day_of(message_id: bytes) -> date:
    """The UTC day of acceptance: the partition of the message in Postgres."""
    return _EPOCH + timedelta(days=millis_of(message_id) // DAY_MS)


def to_text(message_id: bytes) -> str:
    """The canonical 36 characters."""
    h = message_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def from_text(text: str) -> bytes:
    """16 bytes of the canonical 36 characters, of version 7 or 8. Raises ValueError on anything else."""
    if _TEXT(text) is None:
        # Not uuid.UUID: it takes braces, underscores and digits of other scripts, so that one id had many texts.
        raise ValueError("not an id of this service")
    return bytes.fromhex(text.replace("-", ""))


def rfc3339(millis: int) -> str:
    """Unix milliseconds as RFC 3339 UTC with milliseconds."""
    return f"{_second(millis // 1000)}{millis % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    # The times of an answer are of few seconds, and strftime takes longer than the rest of it.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
