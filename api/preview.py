"""POST /v1/messages/preview: what would become of a message, and nothing is sent."""

from __future__ import annotations

from pydantic import Field

from api.accepted import ALPHABET_LABELS, amount
from api.answers import Price, Shape
from api.bodies import read_message
from api.intake import Caller, Intake, Plan
from smpp.text.segments import UDHI, Form, Part, decode, encode

_TLV_HEAD = 4


class SegmentText(Shape):
    """What one segment says; with `smart` it may differ from what was sent."""

    part: int
    text: str


class RouteView(Shape):
    """`carrier`: one that would take it (among weighted ones the message's id decides); `fallback`: those after it."""

    carrier: str
    fallback: list[str]


class VerdictView(Shape):
    """What one compliance rule says."""

    rule: str
    version: str
    decision: str
    code: str


class Preview(Shape):
    """`parts`: the text of each segment. Where a carrier takes long texts whole (message_payload), it is one part."""

    to: str
    sender: str
    class_: str = Field(alias="class")
    encoding: str
    segments: int
    parts: list[SegmentText]
    route: RouteView
    price: Price
    verdicts: list[VerdictView]


def preview(intake: Intake, caller: Caller, raw: bytes, message_id: bytes, now_ms: int) -> Preview:
    """The plan for the message in `raw`, as `message_id` would have it. Raises Refusal, as sending it would."""
    order = read_message(raw)
    plan = intake.plan(order, message_id, caller.live, now_ms)
    carrier, fallback = plan.choice
    form = intake.form_of(carrier.name)
    return Preview.model_validate(
        {
            "to": "+" + plan.digits,
            "sender": plan.sender,
            "class": order.cls,
            "encoding": ALPHABET_LABELS[plan.measured.alphabet],
            "segments": plan.measured.segments,
            "parts": _texts(order.text, plan, form),
            "route": {"carrier": carrier.name, "fallback": list(fallback)},
            "price": {"amount": amount(carrier.price_micros * plan.measured.segments), "currency": carrier.currency},
            "verdicts": [],
        }
    )


def _texts(text: str, plan: Plan, form: Form) -> list[SegmentText]:
    encoded = encode(text, plan.mode, form, reference=0)
    return [
        SegmentText(part=number, text=_text_of(part, encoded.data_coding, form))
        for number, part in enumerate(encoded.parts, 1)
    ]


def _text_of(part: Part, data_coding: int, form: Form) -> str:
    octets = part.short_message or part.tlvs[_TLV_HEAD:]  # without a short message the only TLV is message_payload
    return decode(octets, data_coding, form.default_alphabet, bool(part.esm_class_bits & UDHI))[0]
