"""The body of a 202 is written out; it says what its members say."""

from __future__ import annotations

import json

import msgspec
import pytest

from api.accepted import accepted_json, amount
from api.answers import MessageAccepted, accepted_body, encode_json
from schemas.records import MtMessage
from tests.unit.schemas.samples import MESSAGE

CASES: dict[str, dict[str, object]] = {
    "as it is": {},
    "nothing of the sender's": {"client_ref": None},
    "quotes and lines": {"client_ref": 'a"b\\c\n\t\x00\x7f</script>'},
    "other letters": {"client_ref": "订单 €\u2028 🙂"},
    "nothing in it": {"client_ref": ""},
    "scheduled": {"not_before_ms": 1_790_000_123_004},
    "marketing": {"cls": 2, "segments": 255, "price_micros": 123_456_789},
    "an alphabet of a newer release": {"alphabet": 99},
    "free": {"price_micros": 0, "currency": "EUR"},
}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_the_members(name: str) -> None:
    message: MtMessage = msgspec.structs.replace(MESSAGE, **CASES[name])
    written = accepted_json(message)
    assert written == encode_json(accepted_body(message))
    assert MessageAccepted.model_validate(json.loads(written)).client_ref == message.client_ref


@pytest.mark.parametrize(
    ("micros", "told"),
    [(0, "0.0000"), (32_000, "0.0320"), (1, "0.000001"), (2_000_010, "2.00001"), (10**9, "1000.0000")],
)
def test_an_amount_has_four_to_six_places(micros: int, told: str) -> None:
    assert amount(micros) == told
