"""The ledger of one queue (a partition of `mt.<carrier>.<class>`): what is settled, what may be written, what is open.

It lives in the metadata of the offset commit, so it moves with the partition and changes atomically with the offset:
the committed offset is `low`, everything below it is settled; the metadata holds `{token, high, open}`, where nothing at or
above `high` was ever written to a socket and `open` lists the offsets from `low` to `high` that are not settled.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from bus.ports import Commit

VERSION: Final = "1"
MOST_METADATA: Final = 4096
NO_TOKEN: Final = "-"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class LedgerError(ValueError):
    """Metadata that is no ledger, or of a version that this release does not know."""


class Divert(NamedTuple):
    """Everything that is not settled goes to other carriers; nothing is written here until this is taken back (rule 13).

    Records from `mid` on were never written here, so one that is open after a crash is only copied again; an open one below
    `mid` may have been. `way`: the carrier or carriers (joined by "+") that copies must not go to; after
    an "@", a mark of the routes that they are made by.
    """

    mid: int
    way: str


class LedgerState(NamedTuple):
    """A ledger as committed."""

    token: str
    low: int
    high: int
    open: tuple[int, ...]
    divert: Divert | None = None


def empty_commit(offset: int) -> Commit:
    """The ledger of a queue that nobody has owned yet (rule 14)."""
    return encode(LedgerState(NO_TOKEN, offset, offset, ()))


def encode(state: LedgerState) -> Commit:
    """The commit that holds a ledger. Raises LedgerError when it outgrows the metadata limit."""
    fields = [VERSION, state.token, str(state.high), _pack(state.low, state.open)]
    if state.divert is not None:
        fields.append(f"{state.divert.mid}:{state.divert.way}")
    metadata = " ".join(fields)
    if len(metadata) > MOST_METADATA:
        raise LedgerError(f"a ledger of {len(state.open)} open records needs {len(metadata)} bytes: lower the exposure")
    return Commit(state.low, metadata)


def decode(commit: Commit) -> LedgerState:
    """Raises LedgerError, never guesses: a wrong ledger would lose or double messages."""
    fields = commit.metadata.split(" ")
    if fields[0] != VERSION:
        raise LedgerError(f"ledger of version {fields[0][:20]!r}: this release knows {VERSION}")
    try:
        _, token, high_text, packed, *rest = fields
        high = int(high_text)
        opened = _unpack(commit.offset, packed)
        divert = _divert(rest[0]) if rest else None
    except (ValueError, IndexError):
        raise LedgerError(f"damaged ledger {commit.metadata[:60]!r}") from None
    if not _TOKEN.match(token) or high < commit.offset or (opened and not commit.offset <= opened[-1] < high):
        raise LedgerError(f"inconsistent ledger {commit.metadata[:60]!r} at offset {commit.offset}")
    return LedgerState(token, commit.offset, high, opened, divert)


def _divert(text: str) -> Divert:
    mid, way = text.split(":")
    return Divert(int(mid), way)


def _pack(low: int, offsets: Iterable[int]) -> str:
    """Gaps between ascending offsets as LEB128 varints, in base64."""
    out = bytearray()
    last = low - 1
    for offset in offsets:
        gap = offset - last - 1
        last = offset
        while gap > 0x7F:
            out.append(gap & 0x7F | 0x80)
            gap >>= 7
        out.append(gap)
    return base64.b64encode(out).decode()


def _unpack(low: int, packed: str) -> tuple[int, ...]:
    offsets = []
    last = low - 1
    gap = shift = 0
    for byte in base64.b64decode(packed, validate=True):
        gap |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            continue
        last += gap + 1
        offsets.append(last)
        gap = shift = 0
    if shift:
        raise ValueError("truncated")
    return tuple(offsets)


class QueueLedger:
    """The ledger of one queue in the hands of its owner.

    `open` maps each unsettled offset below `reserved` to what the owner knows of it, ascending. `high` is what a commit
    acknowledged; `reserved` is what the next commit will ask for.
    """

    __slots__ = ("dirty", "divert", "high", "open", "reserved")

    def __init__(self, state: LedgerState) -> None:
        self.high = state.high
        self.reserved = state.high
        self.open: dict[int, object] = dict.fromkeys(state.open)
        self.divert = state.divert
        self.dirty = False

    def reserve(self, offset: int, what: object) -> None:
        """The next record of the queue is to be sent. It may be written when `raised` says so."""
        if offset < self.reserved:
            raise ValueError(f"offset {offset} is below {self.reserved}: reserved before")
        self.open[offset] = what
        self.reserved = offset + 1
        self.dirty = True

    def raised(self, high: int) -> None:
        """A commit with this `high` was acknowledged."""
        self.high = max(self.high, high)

    def settle(self, offset: int) -> None:
        """Kafka acknowledged the outcome of a record (rule 2). Unknown or settled before: nothing."""
        if offset in self.open:
            del self.open[offset]
            self.dirty = True

    def state(self, token: str) -> LedgerState:
        """What a commit now has to say."""
        return LedgerState(token, next(iter(self.open), self.reserved), self.reserved, tuple(self.open), self.divert)
