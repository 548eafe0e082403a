"""Any bytes at all: a record, `NewerRecord` or `UnreadableRecord`, and a record that was read is written as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import (
    RecordError,
    decode_dead_letter,
    decode_intake,
    decode_mo,
    decode_mt,
    decode_outcome,
    decode_reference,
    decode_status,
    encode,
)
from schemas.records import KNOWN_TAGS
from tests.unit.schemas.samples import SAMPLES

DECODERS: list[Callable[[bytes], Any]] = [
    decode_mt, decode_outcome, decode_intake, decode_mo, decode_reference, decode_status, decode_dead_letter,
]  # fmt: skip
decoders = st.sampled_from(DECODERS)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=8), st.binary(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=20,
)
tagged = st.builds(
    lambda tag, rest: msgspec.msgpack.encode([tag, *rest]),
    st.sampled_from(sorted(KNOWN_TAGS)),
    st.lists(values, max_size=26),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real record with bytes changed, cut off, put in or put behind."""
    value = bytearray(encode(draw(st.sampled_from(SAMPLES))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(value)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "append"]))
        if kind == "flip" and at < len(value):
            value[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del value[at:]
        elif kind == "insert":
            value[at:at] = draw(st.binary(max_size=6))
        else:
            value += draw(st.binary(max_size=6))
    return bytes(value)


def _decode(decode: Callable[[bytes], Any], value: bytes) -> None:
    try:
        record = decode(value)
    except RecordError:
        return
    written = encode(record)
    assert encode(decode(written)) == written


@settings(max_examples=400)
@given(decoders, st.one_of(st.binary(max_size=200), values.map(msgspec.msgpack.encode), tagged))
def test_any_bytes_end_in_a_record_or_in_one_of_the_two_faults(decode: Callable[[bytes], Any], value: bytes) -> None:
    _decode(decode, value)


@settings(max_examples=400)
@given(decoders, damaged())
def test_damaged_records_end_in_a_record_or_in_one_of_the_two_faults(
    decode: Callable[[bytes], Any], value: bytes
) -> None:
    _decode(decode, value)
