"""The body of a 202, written out: it is made for every message, and members of a dictionary cost more than the rest of it.

`api.answers.accepted_body` has the same members, for readers and for the document; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.classes import CLASS_NAMES
from schemas.ids import rfc3339, to_text
from schemas.records import MtMessage
from smpp.text.modes import Alphabet

QUEUED: Final = "queued"
SCHEDULED: Final = "scheduled"
ALPHABET_LABELS: Final[dict[int, str]] = {int(alphabet): alphabet.label for alphabet in Alphabet}
_encode: Final = msgspec.json.Encoder().encode


def amount(micros: int) -> str:
    """Millionths as a decimal number with four to six places: 32000 as 0.0320."""
    whole, rest = divmod(micros, 1_000_000)
    places = f"{rest:06d}"
    return f"{whole}.{places[:4]}{places[4:].rstrip('0')}"


def accepted_json(message: MtMessage) -> bytes:
    """Of a message that is in Kafka. Only `client_ref` is anything that a sender may write: the names of carriers and
    currencies are what carriers.toml allows."""
    at_ms = message.not_before_ms
    status, send_at = (SCHEDULED, f'"{rfc3339(at_ms)}"') if at_ms else (QUEUED, "null")
    ref = "null" if message.client_ref is None else _encode(message.client_ref).decode()
    encoding = ALPHABET_LABELS.get(message.alphabet, "unknown")
    return (
        f'{{"id":"{to_text(message.id)}","status":"{status}","class":"{CLASS_NAMES[message.cls]}",'
        f'"carrier":"{message.carrier}","encoding":"{encoding}","segments":{message.segments},'
        f'"price":{{"amount":"{amount(message.price_micros)}","currency":"{message.currency}"}},'
        f'"accepted_at":"{rfc3339(message.accepted_ms)}","send_at":{send_at},'
        f'"expires_at":"{rfc3339(message.expires_ms)}","client_ref":{ref}}}'
    ).encode()
