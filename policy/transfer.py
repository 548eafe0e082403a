"""Making a message over to another carrier: measured and priced anew, since each carrier has its own alphabet and price."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.carriers import Carrier
from schemas.records import MtMessage
from smpp.text.segments import Form, TooLong, Unencodable, measure


def made_over(message: MtMessage, text: str, to: Carrier, *, hop: int, possible_duplicate: bool) -> MtMessage | None:
    """The copy for carrier `to`, which notes whom it comes from; None when `to` can't carry this text."""
    try:
        alphabet, segments = measure(text, message.mode, Form(to.default_alphabet, to.long_message))
    except (Unencodable, TooLong):
        return None
    return replace(
        message,
        carrier=to.name,
        hop=hop,
        tried=(*message.tried, message.carrier),
        segments=segments,
        alphabet=alphabet,
        price_micros=to.price_micros * segments,
        currency=to.currency,
        possible_duplicate=message.possible_duplicate or possible_duplicate,
    )
