"""What clients get: the shapes of answers, and the values in them. Hot answers are built as bytes by msgspec; the models
describe them in the OpenAPI document, and tests hold the two together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from api.accepted import ALPHABET_LABELS, QUEUED, SCHEDULED, amount
from schemas.classes import CLASS_NAMES
from schemas.ids import rfc3339, to_text
from schemas.records import MtMessage
from store.rows import MessageRow

encode_json: Final = msgspec.json.Encoder().encode


class Shape(BaseModel):
    """An answer: no field that is not told here."""

    model_config = ConfigDict(extra="forbid")


class Price(Shape):
    """`amount`: a decimal number of the currency's unit, for all segments."""

    amount: str = Field(examples=["0.0320"])
    currency: str = Field(examples=["USD"])


class MessageAccepted(Shape):
    """A message that is in Kafka."""

    id: str
    status: str = Field(
        description="At acceptance `queued`, or `scheduled` for a `send_at` to come.", examples=["queued"]
    )
    class_: Literal["otp", "notice", "marketing"] = Field(alias="class")
    carrier: str
    encoding: str = Field(description="What the text is written in: gsm7, ucs2, latin1 or ascii.")
    segments: int
    price: Price
    accepted_at: str
    send_at: str | None = Field(description="When it is to be sent; null: at once.")
    expires_at: str
    client_ref: str | None


class RowFault(Shape):
    """Why one message of a batch was rejected."""

    code: str
    field: str | None
    detail: str
    retryable: bool


class RowResult(Shape):
    """One message of a batch: `id` when it is queued or scheduled, `error` when it was rejected."""

    index: int
    id: str | None = None
    status: Literal["queued", "scheduled", "rejected"]
    error: RowFault | None = None


class BatchAnswer(Shape):
    """What became of each message of a batch, in the order of the request."""

    batch_id: str
    total: int
    accepted: int
    rejected: int
    results: list[RowResult]


def accepted_body(message: MtMessage | MessageRow) -> dict[str, Any]:
    """The members of MessageAccepted, from the record, or for a repeat from the row that was made of it."""
    return {
        "id": to_text(message.id),
        "status": SCHEDULED if message.not_before_ms else QUEUED,
        "class": CLASS_NAMES[message.cls],
        "carrier": message.carrier,
        "encoding": ALPHABET_LABELS.get(message.alphabet, "unknown"),
        "segments": message.segments,
        "price": {"amount": amount(message.price_micros), "currency": message.currency},
        "accepted_at": rfc3339(message.accepted_ms),
        "send_at": rfc3339(message.not_before_ms) if message.not_before_ms else None,
        "expires_at": rfc3339(message.expires_ms),
        "client_ref": message.client_ref,
    }


class Queued(msgspec.Struct, gc=False):
    """The result of one accepted message."""

    index: int
    id: str
    status: str = QUEUED


class Rejected(msgspec.Struct, gc=False):
    """The result of one rejected message."""

    index: int
    error: dict[str, Any]
    status: str = "rejected"


Result = Queued | Rejected


class BatchResult(msgspec.Struct):
    """The body of the answer; BatchAnswer describes it."""

    batch_id: str
    total: int
    accepted: int
    rejected: int
    results: Sequence[Result]
