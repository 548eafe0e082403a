"""The auditor's decoder finds the nonce in every alphabet and form that a carrier may be sent."""

from __future__ import annotations

import pytest

from auditor.text import Place, read


def packed(text: str, fill_bits: int = 0) -> bytes:
    bits = sum(ord(sign) << 7 * at for at, sign in enumerate(text)) << fill_bits
    return bits.to_bytes((7 * len(text) + fill_bits + 7) // 8, "little")


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (0, b"k3v9x2 hello"),
        (3, b"k3v9x2 caf\xe9"),
        (1, b"k3v9x2 hello"),
        (8, "k3v9x2 您好".encode("utf-16-be")),
        (8, "k3v9x2 🎉".encode("utf-16-be")),
    ],
)
def test_the_nonce_is_read_in_each_alphabet(coding: int, data: bytes) -> None:
    assert read(0, coding, data, {}, packed=False) == (Place(), "k3v9x2")


def test_packed_septets_are_unpacked() -> None:
    assert read(0, 0, packed("k3v9x2 hello"), {}, packed=True) == (Place(), "k3v9x2")


def test_packed_septets_begin_at_a_boundary_behind_a_header() -> None:
    header = bytes((5, 0, 3, 9, 2, 1))
    assert read(0x40, 0, header + packed("k3v9x2 hello", 1), {}, packed=True) == (Place(1, 2, 9), "k3v9x2")


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (bytes((5, 0, 3, 200, 3, 1)), Place(1, 3, 200)),
        (bytes((6, 8, 4, 1, 0, 3, 1)), Place(1, 3, 256)),
        (bytes((9, 4, 2, 0, 0, 0, 3, 7, 2, 1)), Place(1, 2, 7)),
    ],
)
def test_a_segment_tells_its_place(header: bytes, place: Place) -> None:
    assert read(0x40, 0, header + b"k3v9x2 long", {}, packed=False) == (place, "k3v9x2")


def test_later_segments_have_no_nonce() -> None:
    assert read(0x40, 0, bytes((5, 0, 3, 7, 2, 2)) + b"abcdef ghi", {}, packed=False) == (Place(2, 2, 7), "")


def test_sar_and_payload_are_read() -> None:
    sar = {"0x020c": "0102", "0x020e": "02", "0x020f": "01"}
    assert read(0, 0, b"k3v9x2 hello", sar, packed=False) == (Place(1, 2, 258), "k3v9x2")
    assert read(0, 0, b"", {"0x0424": b"k3v9x2 hello".hex()}, packed=False) == (Place(), "k3v9x2")


@pytest.mark.parametrize("data", [b"", b"Hello there", b"nonce", b"\xff\xff\xff"])
def test_what_has_no_nonce_gives_none(data: bytes) -> None:
    assert read(0, 0, data, {}, packed=False) == (Place(), "")


@pytest.mark.parametrize("header", [b"\x40", b"\x05\x00", b"\x05\x00\x03\x01"])
def test_a_broken_header_is_no_crash(header: bytes) -> None:
    assert read(0x40, 0, header, {}, packed=False)[1] == ""
