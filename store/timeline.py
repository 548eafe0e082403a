"""The timeline of a message as its row holds it: msgpack entries one after the other, so that appending is concatenation.

An entry is an array of a kind, a time (Unix milliseconds) and what the kind needs; kinds and places are stored in
Postgres: never reuse or renumber one, add fields only at the end. What entries mean for a status is policy.progress.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from schemas.status import Status
from smpp.states import MessageState
from store.rows import Attempt, Event, Part

Entry = tuple[Any, ...]

QUEUED: Final = 0  # at, attempt, hop, carrier, possible_duplicate
SENT: Final = 1  # at, attempt, hop, carrier, offset, submitted_ms, possible_duplicate, smsc ids
REFUSED: Final = 2  # as SENT, then code, command_status, and when it is tried again: retry_at_ms
RECEIPT: Final = 3  # at, send (number of SENT and REFUSED entries before its own), part from 1, state, error, done_ms
IN_DOUBT: Final = 4  # at, attempt, hop, carrier, action, reason, until_ms
REROUTED: Final = 5  # at, attempt, hop, carrier, to
DEFERRED: Final = 6  # at, attempt, hop, carrier, until_ms, code
STOPPED: Final = 7  # at, attempt, hop, carrier, status, code
UNKNOWN: Final = 8  # at
DUPLICATE: Final = 9  # at, attempt, hop, carrier
SCHEDULED: Final = 10  # at, attempt, hop, carrier, not_before_ms, possible_duplicate
CANCEL_ASKED: Final = 11  # at, actor
RESOLVED: Final = 12  # at, action, actor
RESCHEDULED: Final = 13  # at, not_before_ms, actor

UNKNOWN_HEAD: Final = b"\x92\x08\xcf"
"""What stands before the eight bytes of its time in an UNKNOWN entry, for the bulk update in SQL."""

_ENCODE: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode
_DECODE: Final[Callable[[bytes], list[Entry]]] = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


def pack(entries: Sequence[Entry]) -> bytes:
    """The bytes to append for these entries."""
    packed = _ENCODE(entries)
    # The array's own header is 1 byte up to 15 entries, 3 up to 65,535: the entries stand without it.
    return packed[1:] if len(entries) < 16 else packed[3:]


def unpack(timeline: bytes, count: int) -> list[Entry]:
    """All entries, in the order they were appended. Raises msgspec.DecodeError when the bytes are damaged."""
    return _DECODE(b"\xdd" + count.to_bytes(4, "big") + timeline) if count else []


def events_of(entries: Sequence[Entry]) -> tuple[Event, ...]:
    """The entries in words, in the order of their times."""
    return tuple(_in_words(entry) for entry in sorted(entries, key=_order))


def _order(entry: Entry) -> tuple[int, int]:
    # In one millisecond a message is scheduled, then queued, then sent, whatever was learnt first.
    return entry[1], -1 if entry[0] == SCHEDULED else entry[0]


def attempts_of(entries: Sequence[Entry]) -> tuple[Attempt, ...]:
    """Each submit with its segments and what receipts said of them."""
    sends = [entry for entry in entries if entry[0] in (SENT, REFUSED)]
    states: dict[tuple[int, int], int] = {}
    for entry in entries:
        if entry[0] == RECEIPT:
            place = (entry[2], entry[3])
            if place not in states or not MessageState(states[place]).is_final:
                states[place] = entry[4]
    found = []
    for number, entry in enumerate(sends):
        parts = tuple(
            Part(part, smsc_id, MessageState(states[number, part]).name if (number, part) in states else "")
            for part, smsc_id in enumerate(entry[8], 1)
        )
        found.append((entry[2], entry[6], Attempt(entry[2], entry[4], parts)))
    return tuple(attempt for _, _, attempt in sorted(found, key=lambda item: item[:2]))


_NAMES: Final = ("attempt", "hop", "carrier")
_FIELDS: Final[dict[int, tuple[str, tuple[str, ...]]]] = {
    QUEUED: ("queued", (*_NAMES, "possible_duplicate")),
    SENT: ("sent", (*_NAMES, "", "submitted_at_ms", "possible_duplicate", "smsc_message_ids")),
    REFUSED: (
        "refused",
        (
            *_NAMES,
            "",
            "submitted_at_ms",
            "possible_duplicate",
            "smsc_message_ids",
            "code",
            "carrier_status",
            "retry_at_ms",
        ),
    ),
    RECEIPT: ("receipt", ("", "part", "state", "error", "done_at_ms")),
    IN_DOUBT: ("in_doubt", (*_NAMES, "action", "reason", "until_ms")),
    REROUTED: ("rerouted", (*_NAMES, "to")),
    DEFERRED: ("deferred", (*_NAMES, "until_ms", "code")),
    STOPPED: ("stopped", (*_NAMES, "", "code")),
    UNKNOWN: ("unknown", ()),
    DUPLICATE: ("repeat_dropped", _NAMES),
    SCHEDULED: ("scheduled", (*_NAMES, "not_before_ms", "possible_duplicate")),
    CANCEL_ASKED: ("cancel_requested", ("actor",)),
    RESOLVED: ("resolved", ("action", "actor")),
    RESCHEDULED: ("rescheduled", ("not_before_ms", "actor")),
}
EVENT_TYPES: Final = tuple(
    sorted(({word for word, _ in _FIELDS.values()} - {"stopped"}) | {"expired", "failed", "blocked", "canceled"})
)
"""Every `type` that a timeline can show: for the docs."""


def _in_words(entry: Entry) -> Event:
    word, names = _FIELDS[entry[0]]
    data: dict[str, Any] = {name: value for name, value in zip(names, entry[2:], strict=False) if name}
    if entry[0] == STOPPED:
        word = Status(entry[5]).label
    elif entry[0] == RECEIPT:
        data["state"] = MessageState(entry[4]).name
    for name in ("done_at_ms", "retry_at_ms", "until_ms"):
        if data.get(name) == 0:
            del data[name]
    if not data.get("possible_duplicate", True):
        del data["possible_duplicate"]
    elif "possible_duplicate" in data:
        data["possible_duplicate"] = True
    return Event(entry[1], word, data)
