"""Parcels: the messages of one request, what became of each, and what the answers of the API mean for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import msgspec

from load.connection import Answer
from load.messages import Message

RETRY_LATER: Final = frozenset({429, 503})
"""With Retry-After. 503 may have reached Kafka all the same, 429 has not."""


class RowFault(msgspec.Struct):
    code: str
    retryable: bool = False


class Row(msgspec.Struct, gc=False):
    """A result of a batch, or a line of a stream's answer; its last line has `complete` instead."""

    index: int = -1
    id: str | None = None
    error: RowFault | None = None
    complete: bool | None = None


class Batch(msgspec.Struct):
    batch_id: str
    results: list[Row]


class Single(msgspec.Struct):
    id: str


class Head(msgspec.Struct):
    """The first line of a stream's answer, or a problem."""

    batch_id: str | None = None
    code: str = ""
    retryable: bool = False


SINGLE: Final = msgspec.json.Decoder(Single).decode
BATCH: Final = msgspec.json.Decoder(Batch).decode
ROW: Final = msgspec.json.Decoder(Row).decode
HEAD: Final = msgspec.json.Decoder(Head).decode


@dataclass(slots=True)
class Parcel:
    """The messages of one request. `since` is when it was due, or sent in a closed loop (monotonic seconds)."""

    number: int
    messages: Sequence[Message]
    since: float
    ids: list[str | None] = field(init=False)
    codes: dict[int, str] = field(default_factory=dict)
    """Why messages were rejected for good, by index."""
    unsure: bool = False
    """An attempt got no answer: what is not settled may have been accepted."""

    def __post_init__(self) -> None:
        self.ids = [None] * len(self.messages)

    def settle(self, rows: Iterable[Row], first: int = 0) -> None:
        """Takes results in; `first` is the index of this parcel's first message. Rows to be repeated stay open."""
        ids = self.ids
        for row in rows:
            if row.id is not None:
                ids[row.index - first] = row.id
            elif row.error is not None and not row.error.retryable:
                self.codes[row.index - first] = row.error.code

    def reject(self, code: str) -> None:
        """All that is not settled was refused for good."""
        for at, given in enumerate(self.ids):
            if given is None:
                self.codes.setdefault(at, code)

    @property
    def open(self) -> int:
        """Messages that are neither accepted nor rejected."""
        return self.ids.count(None) - len(self.codes)

    def left(self) -> list[Message]:
        """The messages that are open."""
        return [
            message
            for at, (message, given) in enumerate(zip(self.messages, self.ids, strict=True))
            if given is None and at not in self.codes
        ]


class Outcome(Enum):
    """What an attempt to hand a parcel over came to."""

    SETTLED = "settled"
    REFUSED = "refused"
    """Certainly not taken; may be repeated."""
    UNSURE = "unsure"
    """Perhaps taken; must be repeated under the same key, or not at all."""


def code_of(answer: Answer) -> tuple[str, bool]:
    """The problem's code, and whether a repeat may help."""
    try:
        head = HEAD(answer.body)
    except msgspec.MsgspecError:
        return f"http_{answer.status}", answer.status >= 500
    return head.code or f"http_{answer.status}", head.retryable or answer.status >= 500


def judge(answer: Answer, parcel: Parcel) -> Outcome:
    """What an answer that is not 202 means; rejects the parcel when it was refused for good."""
    code, again = code_of(answer)
    if answer.status == 429:
        return Outcome.REFUSED
    if again or answer.status >= 500:
        parcel.unsure = True
        return Outcome.UNSURE
    parcel.reject(code)
    return Outcome.SETTLED
