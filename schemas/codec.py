"""Bytes of Kafka records: encode, and decode with the two failures told apart.

`NewerRecord`: well-formed, of a version that this release does not know; the reader must stop there and wait for a newer
release. `UnreadableRecord`: no version reads it; it goes to `dead-letters`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec

from schemas.heads import OutcomeHead
from schemas.records import (
    KNOWN_TAGS,
    DeadLetter,
    IntakeRecord,
    LaneStatus,
    MoMessage,
    MtMessage,
    Outcome,
    ReferenceRecord,
)

MOST_TAG: Final = 1023
"""No release numbers a record above this: a larger number, or one below 1, is garbage, and garbage must not stop a reader
to wait for a release that will never come."""

encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode

# TypeError: a map as a key of a map; RecursionError: nested deeper than the stack. Both are only ever garbage.
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, RecursionError)
_ANY: Final = msgspec.msgpack.Decoder()
_MT: Final = msgspec.msgpack.Decoder(MtMessage).decode
_OUTCOME: Final[Callable[[bytes], Outcome]] = msgspec.msgpack.Decoder(Outcome).decode
_INTAKE: Final[Callable[[bytes], IntakeRecord]] = msgspec.msgpack.Decoder(IntakeRecord).decode
_MO: Final = msgspec.msgpack.Decoder(MoMessage).decode
_REFERENCE: Final[Callable[[bytes], ReferenceRecord]] = msgspec.msgpack.Decoder(ReferenceRecord).decode
_STATUS: Final = msgspec.msgpack.Decoder(LaneStatus).decode
_DEAD: Final = msgspec.msgpack.Decoder(DeadLetter).decode


class RecordError(ValueError):
    """A record that this release can't use."""


class NewerRecord(RecordError):
    """A later release wrote it: wait, do not skip."""


class UnreadableRecord(RecordError):
    """Nobody wrote this: set it aside."""


def decode_mt(value: bytes) -> MtMessage:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _MT(value)
    except _FAULTS as fault:
        _explain(value, fault)


def decode_outcome(value: bytes) -> Outcome:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _OUTCOME(value)
    except _FAULTS as fault:
        _explain(value, fault)


_HEAD: Final = msgspec.msgpack.Decoder(OutcomeHead).decode
_WITH_A_PLACE: Final = frozenset((16, *range(18, 25)))
"""Tags of the outcomes that begin with id, class and offset: not Receipt, not Unreadable."""


def message_place(value: bytes) -> tuple[int, int] | None:
    """(class, offset) of the message that an outcome is about; None where it names none. A third of a microsecond."""
    # The array's header is one byte for up to 15 fields, else three; the tag is the first field.
    if len(value) < 4 or (value[3] if value[0] == 0xDC else value[1]) not in _WITH_A_PLACE:
        return None
    try:
        head = _HEAD(value)
    except msgspec.DecodeError:
        return None
    return head.cls, head.offset


def decode_intake(value: bytes) -> IntakeRecord:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _INTAKE(value)
    except _FAULTS as fault:
        _explain(value, fault)


def decode_mo(value: bytes) -> MoMessage:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _MO(value)
    except _FAULTS as fault:
        _explain(value, fault)


def decode_reference(value: bytes) -> ReferenceRecord:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _REFERENCE(value)
    except _FAULTS as fault:
        _explain(value, fault)


def decode_status(value: bytes) -> LaneStatus:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _STATUS(value)
    except _FAULTS as fault:
        _explain(value, fault)


def decode_dead_letter(value: bytes) -> DeadLetter:
    """Raises NewerRecord, UnreadableRecord."""
    try:
        return _DEAD(value)
    except _FAULTS as fault:
        _explain(value, fault)


def _explain(value: bytes, fault: Exception) -> NoReturn:
    try:
        generic = _ANY.decode(value)
    except _FAULTS:
        raise UnreadableRecord(f"not msgpack: {fault}") from None
    if isinstance(generic, list) and generic and type(generic[0]) is int:
        tag = generic[0]
        if 0 < tag <= MOST_TAG and tag not in KNOWN_TAGS:
            raise NewerRecord(f"record kind {tag} is not known to this release: deploy the newer one")
    raise UnreadableRecord(str(fault)) from None
