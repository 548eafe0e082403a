"""The GSM alphabet: tables, escapes, packing."""

from __future__ import annotations

import pytest

from smpp.text import gsm
from smpp.text.national import LOCKING_SHIFTS, PORTUGUESE, SINGLE_SHIFTS, SPANISH, TURKISH


def test_the_basic_table_has_128_places_and_no_character_twice() -> None:
    assert len(gsm.BASIC) == len(set(gsm.BASIC)) == 128
    assert gsm.BASIC[gsm.ESCAPE] == "\x1b"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", ""),
        ("@", "00"),
        ("$_", "0211"),
        ("Az09", "417a3039"),
        ("\n\r", "0a0d"),
        ("ÄÖÑÜ§¿äöñüà", "5b5c5d5e5f607b7c7d7e7f"),
        ("ΔΦΓΛΩΠΨΣΘΞ", "1012131415161718191a"),
        ("¡¤", "4024"),
        ("€", "1b65"),
        ("^{}\\[~]|\f", "1b141b281b291b2f1b3c1b3d1b3e1b401b0a"),
        ("a[b€@", "611b3c621b6500"),
    ],
)
def test_known_texts_encode_to_the_octets_of_the_specification_and_back(text: str, octets: str) -> None:
    assert gsm.encode(text) == bytes.fromhex(octets)
    assert gsm.decode(bytes.fromhex(octets)) == text
    assert gsm.septets(text) == len(octets) // 2


@pytest.mark.parametrize("text", ["`", "a\0", "\0é", "\x1b", "\t", "ç", "您", "😀", "e\u0301", "\ud83d", "€`"])
def test_a_character_outside_the_alphabet_is_never_replaced(text: str) -> None:
    assert gsm.encode(text) is None
    assert gsm.septets(text) is None


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1ba", "a"),  # no extended meaning: the basic character
        (b"\x1b\x00", "@"),
        (b"\x1b\x1be", " e"),  # an escape to a further table: a space
        (b"a\x1b", "a "),
        (b"\x80\xff", "\ufffd\ufffd"),
        (b"\x1b\xe5", "\ufffd"),
        (b"\x1b\n", "\f"),
    ],
)
def test_what_the_tables_do_not_explain_decodes_as_the_specification_says(octets: bytes, text: str) -> None:
    assert gsm.decode(octets) == text


def test_national_tables_are_whole() -> None:
    for table in LOCKING_SHIFTS.values():
        assert len(table) == len(set(table)) == 128
        assert table[gsm.ESCAPE] == "\x1b"
        assert table[0x0A] + table[0x0D] + table[0x20] == "\n\r "
    for extension in SINGLE_SHIFTS.values():
        assert extension.items() >= {0x0A: "\f", 0x14: "^", 0x65: "€", 0x40: "|"}.items()


@pytest.mark.parametrize(
    ("octets", "locking", "single", "text"),
    [
        (b"\x40stanbul \x1bs", TURKISH, TURKISH, "İstanbul ş"),
        (b"\x1ba\x1bi \x1b\x09", 0, SPANISH, "áí ç"),
        (b"S\x7bo \x1b\x7f", PORTUGUESE, PORTUGUESE, "São â"),
        (b"\x1be\x00", 99, 99, "€@"),
    ],
)
def test_national_language_tables_are_read(octets: bytes, locking: int, single: int, text: str) -> None:
    assert gsm.decode(octets, locking, single) == text


def test_the_well_known_example_packs_and_unpacks() -> None:
    assert gsm.pack(b"hellohello").hex() == "e8329bfd4697d9ec37"
    assert gsm.unpack(bytes.fromhex("e8329bfd4697d9ec37")) == b"hellohello"


def test_packing_agrees_with_bits_written_out() -> None:
    septets = bytes(range(1, 101))
    for fill_bits in range(7):
        bits = "".join(format(septet, "07b") for septet in reversed(septets)) + "0" * fill_bits
        if len(bits) % 8 == 1:
            bits = format(gsm.CARRIAGE_RETURN, "07b") + bits
        expected = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
        assert gsm.pack(septets, fill_bits) == expected


def test_seven_spare_bits_are_a_carriage_return_and_no_at_sign() -> None:
    packed = gsm.pack(b"A" * 7)
    assert packed[-1] >> 1 == gsm.CARRIAGE_RETURN
    assert gsm.unpack(packed) == b"A" * 7
    behind_a_header = gsm.pack(b"A" * 8, fill_bits=1)
    assert behind_a_header[-1] >> 1 == gsm.CARRIAGE_RETURN
    assert gsm.unpack(behind_a_header, fill_bits=1) == b"A" * 8


def test_a_wanted_carriage_return_on_an_octet_boundary_is_doubled_if_there_is_room() -> None:
    eight = b"A" * 7 + b"\r"
    assert gsm.unpack(gsm.pack(eight)) == eight + b"\r"
    assert len(gsm.pack(eight, limit=7)) == 7
    assert gsm.unpack(gsm.pack(eight, limit=7)) == eight[:-1]


def test_a_full_message_packs_into_140_octets() -> None:
    assert len(gsm.pack(b"x" * 160)) == 140
    assert len(gsm.pack(b"x" * 153, fill_bits=1)) == 134
    assert gsm.unpack(gsm.pack(b"x" * 153, fill_bits=1), fill_bits=1) == b"x" * 153


def test_octets_too_few_for_a_septet_unpack_to_nothing() -> None:
    assert gsm.unpack(b"") == b""
    assert gsm.unpack(b"\xff", fill_bits=6) == b""
