"""A message as submit_sm bodies: what the carrier is told of its time to live."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from dispatcher.encoding import Encoder
from schemas.records import MtMessage
from schemas.sealing import Sealer
from smpp.core.sm import decode_sm
from tests.unit.dispatcher.rig import NOW_MS, OTP, carrier, message

SEALER = Sealer({1: bytes(32)}, bytes(6))


def sealed(ttl_ms: int, text: str = "hi") -> MtMessage:
    item = message(0, OTP)
    return replace(
        item, sealed=SEALER.seal(item.id, "8613800000000", "Acme", text), expires_ms=NOW_MS + ttl_ms, segments=2
    )


@pytest.mark.parametrize(
    ("form", "ttl_ms", "told"),
    [
        ("relative", 300_000, "000000000500000R"),
        ("relative", 299_999, "000000000459000R"),
        ("relative", 90_061_000, "000001010101000R"),
        ("relative", 500, "000000000001000R"),
        ("relative", 90 * 86_400_000, "000031000000000R"),
        ("absolute", 300_000, "260921141820000+"),
        ("none", 300_000, ""),
    ],
)
def test_what_is_left_of_the_time_to_live_is_told(form: str, ttl_ms: int, told: str) -> None:
    encode = Encoder(carrier(validity_period=form), SEALER)
    (body,) = encode(sealed(ttl_ms), NOW_MS)
    assert decode_sm(body, 0, len(body)).validity == told


def test_each_segment_is_told() -> None:
    encode = Encoder(carrier(), SEALER)
    bodies = encode(sealed(60_000, "x" * 200), NOW_MS)
    assert [decode_sm(body, 0, len(body)).validity for body in bodies] == ["000000000100000R"] * 2
