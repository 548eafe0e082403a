"""Reading what handsets and SMSCs send."""

from __future__ import annotations

import pytest

from smpp.text.incoming import Concat, concat_of_tlvs, decode


@pytest.mark.parametrize(
    ("octets", "coding", "alphabet", "text"),
    [
        (b"Hi \0", 0, "gsm7", "Hi @"),
        (bytes.fromhex("e8329bfd4697d9ec37"), 0, "gsm7-packed", "hellohello"),
        (b"Hi @ \xe9", 0, "latin1", "Hi @ é"),
        (b"Hi @", 0, "ascii", "Hi @"),
        (b"Hi @", 1, "gsm7", "Hi @"),
        (b"caf\xe9", 1, "gsm7", "café"),
        (b"\x00\xffA", 2, "gsm7", "00ff41"),
        (b"\x00\xffA", 4, "gsm7", "00ff41"),
        (b"caf\xe9", 3, "gsm7", "café"),
        (b"\xbf\xe0\xd8", 6, "gsm7", "При"),
        (b"\xf9\xec", 7, "gsm7", "של"),
        ("您好😀".encode("utf-16-be"), 8, "gsm7", "您好😀"),
        (b"\xff\xfea\0", 8, "gsm7", "a"),
        (b"\xfe\xff\0a", 8, "gsm7", "a"),
        (b"\0a\0", 8, "gsm7", "a\ufffd"),
        (b"\xd8\x3d", 8, "gsm7", "\ufffd"),
        (b"\0\x1be", 0x10, "gsm7", "@€"),  # GSM class 0, default alphabet
        (b"\0", 0xF1, "gsm7", "@"),
        (b"\x01", 0xF5, "gsm7", "01"),  # GSM class 1, 8-bit data
        (b"\0a", 0x18, "gsm7", "a"),  # GSM class 0, UCS-2
        (b"\0a", 0xE0, "gsm7", "a"),  # waiting indication, UCS-2
        (b"\0", 0xC0, "gsm7", "@"),
        (b"\0", 0x8F, "gsm7", "@"),  # reserved: the default alphabet
    ],
)
def test_data_coding_tells_the_alphabet(octets: bytes, coding: int, alphabet: str, text: str) -> None:
    assert decode(octets, coding, alphabet, False) == (text, None)


@pytest.mark.parametrize(
    ("header", "concat"),
    [
        ("050003a70302", Concat(0xA7, 3, 2)),
        ("060804abcd0302", Concat(0xABCD, 3, 2)),
        ("0b0504158200000003a70201", Concat(0xA7, 2, 1)),  # port addressing in front
        ("050003a70300", None),  # place 0
        ("050003a70304", None),  # past the last
        ("050003a70000", None),
        ("0500030a", None),  # the header's length runs past the data: no header at all
        ("03000302", None),  # an element longer than its header
        ("00", None),
        ("0100", None),
    ],
)
def test_the_place_in_a_long_message_is_read_from_the_header(header: str, concat: Concat | None) -> None:
    assert decode(bytes.fromhex(header), 0, "gsm7", True)[1] == concat


def test_the_header_is_no_text() -> None:
    assert decode(bytes.fromhex("050003a70302") + b"Hi", 0, "gsm7", True) == ("Hi", Concat(0xA7, 3, 2))
    assert decode(bytes.fromhex("050003a70302") + b"\xff", 4, "gsm7", True)[0] == "ff"


def test_a_header_that_is_none_stays_text() -> None:
    assert decode(b"id:42 stat:DELIVRD", 0, "gsm7", True) == ("id:42 stat:DELIVRD", None)
    assert decode(b"", 0, "gsm7", True) == ("", None)


def test_national_language_tables_of_the_header_are_used() -> None:
    assert decode(bytes.fromhex("03240101") + b"\x1bs\x1bg", 0, "gsm7", True)[0] == "şğ"
    assert decode(bytes.fromhex("03250101") + b"\x40", 0, "gsm7", True)[0] == "İ"
    assert decode(bytes.fromhex("06240101250101") + b"\x40\x1bs", 0, "gsm7", True)[0] == "İş"


@pytest.mark.parametrize(
    ("tlvs", "concat"),
    [
        ({0x020C: b"\xab\xcd", 0x020E: b"\x03", 0x020F: b"\x01"}, Concat(0xABCD, 3, 1)),
        ({0x020C: b"\xab\xcd", 0x020E: b"\x03"}, None),
        ({0x020C: b"\xab\xcd", 0x020E: b"\x03", 0x020F: b""}, None),
        ({0x020C: b"\xab\xcd", 0x020E: b"\x03", 0x020F: b"\x04"}, None),
        ({}, None),
    ],
)
def test_the_place_is_read_from_sar_tlvs(tlvs: dict[int, bytes], concat: Concat | None) -> None:
    assert concat_of_tlvs(tlvs) == concat
