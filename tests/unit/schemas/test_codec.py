"""Bytes that this release can't use: a newer record stops the reader, garbage is set aside, nothing else is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.codec import (
    MOST_TAG,
    NewerRecord,
    UnreadableRecord,
    decode_dead_letter,
    decode_intake,
    decode_mo,
    decode_mt,
    decode_outcome,
    decode_reference,
    decode_status,
    encode,
)
from schemas.records import KNOWN_TAGS, Account, MtMessage
from tests.unit.schemas.samples import MESSAGE, SAMPLES

DECODERS: list[Callable[[bytes], Any]] = [
    decode_mt,
    decode_outcome,
    decode_intake,
    decode_mo,
    decode_reference,
    decode_status,
    decode_dead_letter,
]
pack = msgspec.msgpack.encode


@pytest.mark.parametrize("decode", DECODERS)
def test_a_kind_that_nobody_knows_yet_is_newer(decode: Callable[[bytes], Any]) -> None:
    unknown = min(set(range(1, 200)) - KNOWN_TAGS)
    for value in ([unknown], [unknown, 1, "x", None, {"a": [1]}], [MOST_TAG]):
        with pytest.raises(NewerRecord, match=str(value[0])):
            decode(pack(value))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",  # never used in msgpack
        b"not msgpack at all",
        pack(None),
        pack([]),
        pack({}),
        pack(["MtMessage", 1]),
        pack([True, 1]),
        pack([1.5]),
        pack([[1]]),
        pack([-1]),  # no release will ever number a record so: it must not stop the reader for ever
        pack([0]),
        pack([2**64 - 1, 1]),
        b"\x91" * 100_000,  # deeper than any stack
        b"\x92\x01" * 50_000,
        b"\x92\x63" + b"\x91" * 100_000,
        b"\x81\xa1a" * 50_000,
        b"\xdd\xff\xff\xff\xff",  # an array that says it is four thousand million long
        b"\xdf\xff\xff\xff\xff\x01",
        b"\xc6\xff\xff\xff\xff",
        b"\x92\x01\xa2\xff\xff",  # a text that is not UTF-8
        b"\x81\x81\x01\x01\x01",  # a map as key of a map
    ],
    ids=lambda value: value[:12].hex(),
)
def test_garbage_is_unreadable(decode: Callable[[bytes], Any], value: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        decode(value)


@pytest.mark.parametrize("decode", DECODERS)
def test_a_known_kind_in_the_wrong_topic_is_unreadable(decode: Callable[[bytes], Any]) -> None:
    """It is not newer: no later release would read it there, and the partition would wait for ever."""
    for sample in SAMPLES:
        try:
            assert decode(encode(sample)) == sample
        except UnreadableRecord:
            continue


def test_trailing_fields_may_be_missing_and_may_be_more() -> None:
    """An older writer, and a newer one."""
    lean = MtMessage(
        MESSAGE.id, "shop", 0, "alpha", b"s", b"i", 1, 2, 1, 0, 0, 3, 0, "USD"
    )  # fmt: skip
    fields = msgspec.msgpack.decode(encode(lean))
    assert decode_mt(pack(fields[:15])) == lean
    assert decode_mt(pack([*fields, "a field of the future", {"and": "another"}])) == lean
    with pytest.raises(UnreadableRecord):
        decode_mt(pack(fields[:14]))


def test_a_field_of_another_type_is_unreadable_and_says_which() -> None:
    fields = msgspec.msgpack.decode(encode(MESSAGE))
    fields[3] = "otp"
    with pytest.raises(UnreadableRecord, match=r"Expected `int`"):
        decode_mt(pack(fields))


def test_a_bottomless_field_behind_the_known_ones_is_unreadable() -> None:
    fields = [pack(field) for field in msgspec.msgpack.decode(encode(MESSAGE))]
    bottomless = b"\xdc" + (len(fields) + 1).to_bytes(2, "big") + b"".join(fields) + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(UnreadableRecord):
        decode_mt(bottomless)


def test_a_word_that_a_newer_release_added_to_a_field_is_unreadable_here() -> None:
    """New words in a Literal are no compatible change: a new struct with a new tag is needed (schemas.records)."""
    sample = next(sample for sample in SAMPLES if type(sample).__name__ == "CarrierSwitch")
    fields = msgspec.msgpack.decode(encode(sample))
    fields[3] = "closed"
    with pytest.raises(UnreadableRecord, match="closed"):
        decode_reference(pack(fields))


def test_records_are_values() -> None:
    account = next(sample for sample in SAMPLES if isinstance(sample, Account))
    with pytest.raises(AttributeError):
        account.suspended = False  # type: ignore[misc]  # that it is refused is the test
    assert decode_reference(encode(account)) == account
