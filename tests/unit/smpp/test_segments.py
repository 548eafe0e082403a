"""How texts are spelled, counted and cut, per carrier."""

from __future__ import annotations

import itertools

import pytest

from smpp.text.modes import Alphabet, Mode
from smpp.text.segments import Form, Measure, Part, TooLong, Unencodable, decode, encode, measure

UDH8 = Form("gsm7", "udh8")
UDH16 = Form("gsm7", "udh16")
SAR = Form("gsm7", "sar")
PAYLOAD = Form("gsm7", "payload")
LATIN1 = Form("latin1", "udh8")
ASCII = Form("ascii", "udh8")
PACKED = Form("gsm7-packed", "udh8")
ALPHABETS = ("gsm7", "gsm7-packed", "latin1", "ascii")
LONG = ("udh8", "udh16", "sar", "payload")


def _texts(text: str, form: Form, mode: Mode = Mode.AUTO) -> list[str]:
    encoded = encode(text, mode, form, 7)
    return [
        decode(part.short_message, encoded.data_coding, form.default_alphabet, part.esm_class_bits != 0)[0]
        for part in encoded.parts
    ]


@pytest.mark.parametrize(
    ("character", "length", "form", "expected"),
    [
        ("a", 160, UDH8, (Alphabet.GSM7, 1)),
        ("a", 161, UDH8, (Alphabet.GSM7, 2)),
        ("a", 306, UDH8, (Alphabet.GSM7, 2)),
        ("a", 307, UDH8, (Alphabet.GSM7, 3)),
        ("a", 304, UDH16, (Alphabet.GSM7, 2)),
        ("a", 305, UDH16, (Alphabet.GSM7, 3)),
        ("a", 306, SAR, (Alphabet.GSM7, 2)),
        ("a", 306, PAYLOAD, (Alphabet.GSM7, 2)),
        ("a", 307, PAYLOAD, (Alphabet.GSM7, 3)),
        ("a", 307, PACKED, (Alphabet.GSM7, 3)),
        ("€", 80, UDH8, (Alphabet.GSM7, 1)),
        ("€", 81, UDH8, (Alphabet.GSM7, 2)),
        ("€", 152, UDH8, (Alphabet.GSM7, 2)),  # 76 a segment: the 153rd septet would be an escape
        ("€", 153, UDH8, (Alphabet.GSM7, 3)),
        ("您", 70, UDH8, (Alphabet.UCS2, 1)),
        ("您", 71, UDH8, (Alphabet.UCS2, 2)),
        ("您", 134, UDH8, (Alphabet.UCS2, 2)),
        ("您", 135, UDH8, (Alphabet.UCS2, 3)),
        ("您", 132, UDH16, (Alphabet.UCS2, 2)),
        ("您", 133, UDH16, (Alphabet.UCS2, 3)),
        ("😀", 35, UDH8, (Alphabet.UCS2, 1)),
        ("😀", 66, UDH8, (Alphabet.UCS2, 2)),  # 33 a segment: the 67th unit would be half of one
        ("😀", 67, UDH8, (Alphabet.UCS2, 3)),
        ("ç", 140, LATIN1, (Alphabet.LATIN1, 1)),
        ("ç", 141, LATIN1, (Alphabet.LATIN1, 2)),
        ("ç", 268, LATIN1, (Alphabet.LATIN1, 2)),
        ("ç", 269, LATIN1, (Alphabet.LATIN1, 3)),
        ("ç", 267, Form("latin1", "udh16"), (Alphabet.LATIN1, 3)),
        ("a", 160, ASCII, (Alphabet.ASCII, 1)),
        ("a", 307, ASCII, (Alphabet.ASCII, 3)),
        ("[", 80, ASCII, (Alphabet.ASCII, 1)),
        ("[", 81, ASCII, (Alphabet.ASCII, 2)),
        ("é", 70, ASCII, (Alphabet.UCS2, 1)),
        ("`", 70, ASCII, (Alphabet.UCS2, 1)),  # IA5 has it, GSM, where the SMSC takes it to, has not
        ("€", 70, LATIN1, (Alphabet.UCS2, 1)),
    ],
)
def test_segments_are_counted_as_the_air_counts_them(
    character: str, length: int, form: Form, expected: tuple[Alphabet, int]
) -> None:
    assert measure(character * length, Mode.AUTO, form) == Measure(*expected)


def test_an_empty_text_is_one_empty_part() -> None:
    for alphabet, long_message in itertools.product(ALPHABETS, LONG):
        form = Form(alphabet, long_message)
        assert encode("", Mode.AUTO, form, 1).parts == (Part(0, b"", b""),)
        assert measure("", Mode.AUTO, form).segments == 1


def test_a_short_text_has_no_header_and_no_tlv_whatever_the_form() -> None:
    for long_message in LONG:
        assert encode("Hi @", Mode.AUTO, Form("gsm7", long_message), 1).parts == (Part(0, b"Hi \0", b""),)
    assert encode("hellohello", Mode.AUTO, PACKED, 1).parts[0].short_message.hex() == "e8329bfd4697d9ec37"
    assert encode("Hi @", Mode.AUTO, ASCII, 1).parts[0].short_message == b"Hi @"
    assert encode("¡Olé!", Mode.AUTO, LATIN1, 1).parts[0].short_message == "¡Olé!".encode("latin-1")
    assert encode("您", Mode.AUTO, UDH8, 1) == (Alphabet.UCS2, 8, (Part(0, b"\x60\xa8", b""),))


def test_udh8_carries_the_low_8_bits_of_the_reference() -> None:
    first, second = encode("x" * 161, Mode.AUTO, UDH8, 0xABCD).parts
    assert first == (0x40, bytes.fromhex("050003cd0201") + b"x" * 153, b"")
    assert second == (0x40, bytes.fromhex("050003cd0202") + b"x" * 8, b"")


def test_udh16_carries_16_bits() -> None:
    first, second = encode("您" * 67 + "!" * 4, Mode.AUTO, UDH16, 0x1ABCD).parts
    assert first == (0x40, bytes.fromhex("060804abcd0201") + ("您" * 66).encode("utf-16-be"), b"")
    assert second == (0x40, bytes.fromhex("060804abcd0202") + "您!!!!".encode("utf-16-be"), b"")


def test_sar_tells_the_place_in_tlvs() -> None:
    first, second = encode("x" * 161, Mode.AUTO, SAR, 0x1ABCD).parts
    assert first == (0, b"x" * 153, bytes.fromhex("020c0002abcd 020e000102 020f000101"))
    assert second == (0, b"x" * 8, bytes.fromhex("020c0002abcd 020e000102 020f000102"))


def test_a_long_payload_is_one_part_in_the_tlv() -> None:
    encoded = encode("x" * 161, Mode.AUTO, PAYLOAD, 1)
    assert encoded.parts == (Part(0, b"", bytes.fromhex("042400a1") + b"x" * 161),)
    packed = encode("x" * 161, Mode.AUTO, Form("gsm7-packed", "payload"), 1).parts[0]
    assert len(packed.tlvs) == 4 + 141
    assert encode("[" * 100, Mode.AUTO, Form("ascii", "payload"), 1).parts[0].tlvs[4:] == b"[" * 100


def test_packed_segments_start_on_a_septet_boundary_behind_the_header() -> None:
    first, second = encode("x" * 160 + "yz", Mode.AUTO, PACKED, 1).parts
    assert len(first.short_message) == 140
    assert first.short_message[6] & 1 == 0
    assert _texts("x" * 160 + "yz", PACKED) == ["x" * 153, "x" * 7 + "yz"]
    assert _texts("x" * 160 + "yz", Form("gsm7-packed", "udh16")) == ["x" * 152, "x" * 8 + "yz"]
    assert len(second.short_message) == 6 + 8


def test_an_escape_pair_is_never_split() -> None:
    text = "x" * 152 + "€" + "y" * 10
    assert _texts(text, UDH8) == ["x" * 152, "€" + "y" * 10]
    assert _texts("x" * 152 + "[" + "y" * 10, ASCII) == ["x" * 152, "[" + "y" * 10]


@pytest.mark.parametrize(
    "whole", ["😀", "👨\u200d👩\u200d👧", "🇩🇪", "👍🏽", "1\ufe0f\u20e3", "e\u0301\u0323", "❤\ufe0f"]
)
def test_what_is_read_as_one_character_stays_in_one_segment(whole: str) -> None:
    text = "您" * 66 + whole + "您" * 20
    assert _texts(text, UDH8) == ["您" * 66, whole + "您" * 20]


def test_a_cluster_that_fits_in_no_segment_is_cut_but_no_pair_is() -> None:
    text = "您" + "\U0001f9d1\u200d" * 60
    parts = _texts(text, UDH8)
    assert "".join(parts) == text
    assert "\ufffd" not in "".join(parts)


def test_mode_ucs2_is_obeyed() -> None:
    assert measure("abc", Mode.UCS2, UDH8) == Measure(Alphabet.UCS2, 1)
    assert encode("abc", Mode.UCS2, UDH8, 1).parts[0].short_message == b"\0a\0b\0c"


def test_mode_gsm7_names_the_first_character_outside() -> None:
    with pytest.raises(Unencodable, match=r"character 4, 'ç' \(U\+00E7\), is not in the GSM alphabet") as caught:
        measure("a€bç您", Mode.GSM7, UDH8)
    assert (caught.value.character, caught.value.index) == ("ç", 3)
    with pytest.raises(Unencodable, match=r"character 1, U\+200B, is not"):
        encode("\u200b", Mode.GSM7, UDH8, 1)


@pytest.mark.parametrize(
    ("form", "text", "index"),
    [
        (LATIN1, "ñç", 1),  # in Latin-1, not in GSM
        (LATIN1, "ñΔ", 1),  # in GSM, not in Latin-1
        (LATIN1, "ñ€", 1),
        (ASCII, "[é", 1),  # in GSM, not in ASCII
        (ASCII, "[`", 1),  # in ASCII, not in GSM
    ],
)
def test_mode_gsm7_on_another_default_alphabet_takes_what_both_have(form: Form, text: str, index: int) -> None:
    with pytest.raises(Unencodable, match="both GSM and") as caught:
        encode(text, Mode.GSM7, form, 1)
    assert caught.value.index == index
    assert encode(text[:index], Mode.GSM7, form, 1).data_coding == 0


def test_mode_smart_changes_a_text_only_when_all_of_it_then_fits() -> None:
    assert _texts("“It’s 5 – 6…”", UDH8, Mode.SMART) == ['"It\'s 5 - 6..."']
    assert measure("“It’s”", Mode.SMART, UDH8).alphabet is Alphabet.GSM7
    assert _texts("“It’s” 您", UDH8, Mode.SMART) == ["“It’s” 您"]
    assert _texts("a\u00a0b «ñ»", LATIN1, Mode.SMART) == ["a\u00a0b «ñ»"]
    assert _texts("plain\r\n[ok]", UDH8, Mode.SMART) == ["plain\r\n[ok]"]


def test_mode_auto_never_changes_a_text() -> None:
    assert _texts("It’s", UDH8) == ["It’s"]


def test_half_of_a_surrogate_pair_is_refused_by_name() -> None:
    for mode in Mode:
        for call in (lambda mode: measure("ab\ud83d", mode, UDH8), lambda mode: encode("ab\ud83d", mode, UDH8, 1)):
            with pytest.raises(Unencodable, match=r"U\+D83D") as caught:
                call(mode)
            assert caught.value.index == 2


@pytest.mark.parametrize(
    ("text", "form", "fits"),
    [
        ("x" * 153 * 255, UDH8, True),
        ("x" * 153 * 255 + "x", UDH8, False),
        ("x" * 153 * 255 + "x", PAYLOAD, False),
        ("您" * 67 * 255, UDH8, True),
        ("您" * 67 * 255 + "您", UDH8, False),
        ("😀" * 33 * 255, UDH8, True),
        ("😀" * 33 * 255 + "😀", UDH8, False),
        ("x" * 1_000_000, UDH8, False),
        ("ç" * 134 * 255 + "ç", LATIN1, False),
    ],
)
def test_more_than_255_segments_are_too_long(text: str, form: Form, fits: bool) -> None:
    if fits:
        assert measure(text, Mode.AUTO, form).segments == 255
        assert len(encode(text, Mode.AUTO, form, 1).parts) == 255
        return
    with pytest.raises(TooLong, match="255"):
        measure(text, Mode.AUTO, form)
    with pytest.raises(TooLong, match="255"):
        encode(text, Mode.AUTO, form, 1)


def test_every_part_fits_into_short_message() -> None:
    for alphabet, long_message in itertools.product(ALPHABETS, LONG):
        for text in ("x" * 500, "[" * 500, "ç" * 500, "😀" * 200):
            for part in encode(text, Mode.AUTO, Form(alphabet, long_message), 1).parts:
                assert len(part.short_message) <= 160


def test_a_mode_may_come_as_the_number_in_a_record() -> None:
    assert measure("abc", 2, UDH8) == measure("abc", Mode.UCS2, UDH8)
    assert encode("“a”", 3, UDH8, 1) == encode("“a”", Mode.SMART, UDH8, 1)
