"""What holds for every text: the codec is exact, a text comes back out of its segments, `measure` tells the truth."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import assume, example, given
from hypothesis import strategies as st

from smpp.text import gsm, smart
from smpp.text.graphemes import is_boundary
from smpp.text.modes import Alphabet, Mode
from smpp.text.segments import Concat, Encoded, Form, TooLong, Unencodable, decode, encode, measure

FORMS = [
    Form(alphabet, long_message)
    for alphabet in ("gsm7", "gsm7-packed", "latin1", "ascii")
    for long_message in ("udh8", "udh16", "sar", "payload")
]
GSM_CHARACTERS = sorted(gsm.CHARACTERS)
CLUSTERS = [
    "👍🏽",
    "👨\u200d👩\u200d👧",
    "🇩🇪",
    "1\ufe0f\u20e3",
    "e\u0301\u0323",
    "\r\n",
    "\u1112\u1161",
    "“",
    "…",
    "\u00a0",
]

forms = st.sampled_from(FORMS)
modes = st.sampled_from(Mode)
gsm_texts = st.text(st.sampled_from(GSM_CHARACTERS), max_size=700)
texts = st.one_of(
    gsm_texts,
    st.text(st.characters(max_codepoint=0x7F), max_size=700),
    st.text(st.characters(max_codepoint=0xFF), max_size=500),
    st.text(max_size=400),
    st.lists(st.sampled_from([*CLUSTERS, "a", "您", "😀"]), max_size=150).map("".join),
    st.builds(lambda body, times: body * times, st.text("ab[€é\r@", min_size=1, max_size=40), st.integers(1, 40)),
)


def _pieces(encoded: Encoded, form: Form) -> list[str]:
    """The text of each part, as our own reading of MO has it."""
    return [
        decode(
            part.short_message or part.tlvs[4:] * (form.long_message == "payload"),
            encoded.data_coding,
            form.default_alphabet,
            part.esm_class_bits != 0,
        )[0]
        for part in encoded.parts
    ]


def _refused(call: Callable[[], object]) -> Unencodable | TooLong | None:
    try:
        call()
    except (Unencodable, TooLong) as error:
        return error
    return None


@given(gsm_texts)
def test_gsm_comes_back_as_it_was(text: str) -> None:
    encoded = gsm.encode(text)
    assert encoded is not None
    assert encoded.isascii()
    assert gsm.decode(encoded) == text
    assert gsm.septets(text) == sum(2 if c in gsm.EXTENSION.values() else 1 for c in text)


@given(st.text())
def test_gsm_takes_a_text_exactly_when_it_has_every_character(text: str) -> None:
    assert (gsm.encode(text) is None) == any(character not in GSM_CHARACTERS for character in text)


@given(texts, forms)
def test_mode_gsm7_takes_a_text_or_names_its_first_character_outside(text: str, form: Form) -> None:
    refused = _refused(lambda: measure(text, Mode.GSM7, form))
    if isinstance(refused, TooLong):
        return
    accepted = text
    if isinstance(refused, Unencodable):
        accepted, outside = text[: refused.index], text[refused.index]
        assert refused.character == outside
        assert isinstance(_refused(lambda: measure(outside, Mode.GSM7, form)), Unencodable)
    assert _refused(lambda: measure(accepted, Mode.GSM7, form)) is None
    assert gsm.encode(accepted) is not None


@given(st.binary(max_size=700), st.integers(0, 6))
@example(b"\x0d" * 8, 0)
def test_packing_is_undone_by_unpacking(octets: bytes, fill_bits: int) -> None:
    septets = bytes(octet & 0x7F for octet in octets)
    packed = gsm.pack(septets, fill_bits)
    assert len(packed) in (-(-(fill_bits + 7 * len(septets)) // 8), -(-(fill_bits + 7 * len(septets) + 7) // 8))
    # A carriage return that ends on an octet boundary is doubled, as the specification has it.
    assert gsm.unpack(packed, fill_bits) in (septets, septets + b"\r")


@given(st.binary(max_size=300), st.integers(0, 6))
def test_unpacking_and_decoding_take_any_octets(octets: bytes, fill_bits: int) -> None:
    assert len(gsm.unpack(octets, fill_bits)) <= max(0, (8 * len(octets) - fill_bits) // 7)
    assert isinstance(gsm.decode(octets, octets[0] if octets else 0, len(octets) % 5), str)


@given(texts, modes, forms)
@example("x" * 152 + "€" * 200, Mode.AUTO, Form("gsm7", "udh8"))
@example("您" * 66 + "😀" * 80, Mode.AUTO, Form("gsm7", "udh16"))
def test_measure_says_what_encode_does(text: str, mode: Mode, form: Form) -> None:
    refused = _refused(lambda: measure(text, mode, form))
    assert str(_refused(lambda: encode(text, mode, form, 1))) == str(refused)
    if refused is not None:
        return
    told, encoded = measure(text, mode, form), encode(text, mode, form, 1)
    assert told.alphabet is encoded.alphabet
    if form.long_message == "payload":
        assert len(encoded.parts) == 1
        assert told.segments == measure(text, mode, form._replace(long_message="udh8")).segments
    else:
        assert told.segments == len(encoded.parts)


@given(texts, st.sampled_from([Mode.AUTO, Mode.UCS2]), forms, st.integers(0, 1 << 32))
def test_a_text_comes_back_out_of_its_segments(text: str, mode: Mode, form: Form, reference: int) -> None:
    try:
        encoded = encode(text, mode, form, reference)
    except (TooLong, Unencodable):
        return
    pieces = _pieces(encoded, form)
    if form.default_alphabet == "gsm7-packed" and encoded.alphabet is Alphabet.GSM7:
        # Packed octets don't tell whether a final carriage return is padding: one may come or go at a segment's end.
        assert "".join(pieces).replace("\r", "") == text.replace("\r", "")
        return
    if encoded.alphabet is Alphabet.UCS2 and text[:1] in ("\ufeff", "\ufffe"):
        return  # read as a byte order mark, which is what it looks like
    if encoded.alphabet is Alphabet.UCS2:
        assume("\ufeff" not in text and "\ufffe" not in text)
    assert "".join(pieces) == text


@given(texts, forms)
def test_no_segment_is_longer_than_140_octets_on_the_air(text: str, form: Form) -> None:
    assume(form.long_message != "payload")
    try:
        encoded = encode(text, Mode.AUTO, form, 1)
    except (TooLong, Unencodable):
        return
    outside = 6 if form.long_message == "sar" and len(encoded.parts) > 1 else 0
    for part in encoded.parts:
        header = part.short_message[0] + 1 if part.esm_class_bits else 0
        body = part.short_message[header:]
        if encoded.alphabet is Alphabet.ASCII:
            body = gsm.encode(body.decode("ascii")) or b""
        if encoded.alphabet is Alphabet.ASCII or (encoded.alphabet, form.default_alphabet) == (Alphabet.GSM7, "gsm7"):
            assert 8 * (header + outside) + 7 * len(body) <= 1120
        else:
            assert header + outside + len(body) <= 140


@given(texts, st.sampled_from(["udh8", "udh16", "sar"]), st.integers(0, 0xFFFF))
def test_segments_tell_their_places_in_order_under_one_reference(text: str, long_message: str, reference: int) -> None:
    form = Form("gsm7", long_message)
    try:
        encoded = encode(text, Mode.AUTO, form, reference)
    except (TooLong, Unencodable):
        return
    if len(encoded.parts) == 1:
        return
    for sequence, part in enumerate(encoded.parts, 1):
        if long_message == "sar":
            told = Concat(int.from_bytes(part.tlvs[4:6], "big"), part.tlvs[10], part.tlvs[15])
        else:
            concat = decode(part.short_message, encoded.data_coding, "gsm7", True)[1]
            assert concat is not None
            told = concat
        expected = reference & 0xFF if long_message == "udh8" else reference
        assert told == (expected, len(encoded.parts), sequence)


@given(texts)
def test_ucs2_segments_end_at_boundaries_unless_one_character_fills_them(text: str) -> None:
    try:
        encoded = encode(text, Mode.UCS2, Form("gsm7", "udh8"), 1)
    except (TooLong, Unencodable):
        return
    start = 0
    for part in encoded.parts[:-1]:
        piece = part.short_message[6:].decode("utf-16-be")  # strict: half a pair would raise
        end = start + len(piece)
        if not is_boundary(text, start, end):
            assert not any(is_boundary(text, start, index) for index in range(start + 1, end))
        start = end


@given(texts)
def test_smart_encoding_is_asked_for_once_and_never_costs_more(text: str) -> None:
    plain = smart.transliterate(text)
    assert smart.transliterate(plain) == plain
    try:
        smarter = measure(text, Mode.SMART, Form("gsm7", "udh8"))
        usual = measure(text, Mode.AUTO, Form("gsm7", "udh8"))
    except (TooLong, Unencodable):
        return
    assert usual.alphabet is Alphabet.UCS2 or smarter == usual


@given(
    st.binary(max_size=300),
    st.integers(0, 255),
    st.sampled_from(["gsm7", "gsm7-packed", "latin1", "ascii"]),
    st.booleans(),
)
def test_decode_takes_any_octets(octets: bytes, data_coding: int, alphabet: str, udhi: bool) -> None:
    text, concat = decode(octets, data_coding, alphabet, udhi)
    text.encode()  # no halves of surrogate pairs: the text can be stored
    assert concat is None or (udhi and 1 <= concat.sequence <= concat.total)
