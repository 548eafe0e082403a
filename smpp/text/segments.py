"""From a text to the segments that are submitted: which alphabet, how many, and the bytes of each.

`measure` tells what `encode` will do, for the price in the 202; both choose the same way. A segment holds 140 octets on
the air, less the header that tells its place (6 octets, 7 with a 16-bit reference), whoever writes that header.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from smpp.text import gsm, smart
from smpp.text.graphemes import last_boundary
from smpp.text.incoming import (
    CONCAT_8,
    CONCAT_16,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    Concat,
    decode,
)
from smpp.text.modes import Alphabet, Mode

__all__ = ["Concat", "Encoded", "Form", "Measure", "Part", "TooLong", "Unencodable", "decode", "encode", "measure"]

MAX_SEGMENTS: Final = 255
MESSAGE_PAYLOAD: Final = 0x0424  # SMPP 3.4 §5.3.2.32
UDHI: Final = 0x40
UCS2_CODING: Final = 8
_LONGEST: Final = MAX_SEGMENTS * 153
"""No text of more characters fits, whatever it is written in: not worth looking at."""


class Form(NamedTuple):
    """How a carrier takes texts (carriers.toml)."""

    default_alphabet: str
    """What data_coding 0 means: gsm7 | gsm7-packed | latin1 | ascii."""
    long_message: str
    """udh8 | udh16 | sar | payload."""


class Measure(NamedTuple):
    """What the sender is told. `segments` is what is paid, at least 1."""

    alphabet: Alphabet
    segments: int


class Part(NamedTuple):
    """What goes into one submit_sm."""

    esm_class_bits: int
    """0x40 when short_message starts with a user data header, else 0."""
    short_message: bytes
    tlvs: bytes
    """Encoded, to be appended to the PDU."""


class Encoded(NamedTuple):
    """A text ready to submit."""

    alphabet: Alphabet
    data_coding: int
    parts: tuple[Part, ...]


class Unencodable(ValueError):
    """A character that the alphabet asked for does not have. `index` counts characters of the text as given, from 0."""

    def __init__(self, character: str, index: int, reason: str) -> None:
        name = f"U+{ord(character):04X}"
        shown = f"{character!r} ({name})" if character.isprintable() else name
        super().__init__(f"character {index + 1}, {shown}, {reason}")
        self.character = character
        self.index = index


class TooLong(ValueError):
    """More than 255 segments: the header that tells a segment's place has one octet for it."""

    def __init__(self) -> None:
        super().__init__(f"the text takes more than {MAX_SEGMENTS} segments: shorten it")


_ALPHABETS: Final = {
    "gsm7": Alphabet.GSM7,
    "gsm7-packed": Alphabet.GSM7,
    "latin1": Alphabet.LATIN1,
    "ascii": Alphabet.ASCII,
}
_SINGLE: Final = {Alphabet.GSM7: 160, Alphabet.ASCII: 160, Alphabet.LATIN1: 140, Alphabet.UCS2: 140}
"""Octets of data that fit without a header: septets where the SMSC packs them."""
_LONG_6: Final = {Alphabet.GSM7: 153, Alphabet.ASCII: 153, Alphabet.LATIN1: 134, Alphabet.UCS2: 134}
_LONG_7: Final = {Alphabet.GSM7: 152, Alphabet.ASCII: 152, Alphabet.LATIN1: 133, Alphabet.UCS2: 132}
_LONG: Final = {"udh8": _LONG_6, "udh16": _LONG_7, "sar": _LONG_6, "payload": _LONG_6}


# A text in its alphabet: the data is GSM septets (for ASCII too: they are what is counted), Latin-1 or UTF-16BE; the text
# is as sent, since smart encoding may have changed it. A bare tuple, as it costs a third of a named one.
_Spelled = tuple[Alphabet, bytes, str]


def _in_default(text: str, default_alphabet: str, mode: int) -> bytes | None:
    """The data of `text` in the carrier's default alphabet, None when a character is not in it.

    ASCII has to be in GSM as well: the SMSC converts, and would lose a backtick. With Mode.GSM7 the same holds for
    Latin-1: whoever asks for GSM gets a text that any GSM carrier of the route takes, too.
    """
    if default_alphabet == "latin1":
        if mode == Mode.GSM7 and gsm.encode(text) is None:
            return None
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return None
    if default_alphabet == "ascii" and not text.isascii():
        return None
    return gsm.encode(text)


_BOTH: Final = {
    "gsm7": ("the GSM alphabet", gsm.CHARACTERS),
    "gsm7-packed": ("the GSM alphabet", gsm.CHARACTERS),
    "latin1": ("both GSM and Latin-1", gsm.CHARACTERS.intersection(map(chr, range(0x100)))),
    "ascii": ("both GSM and ASCII", gsm.CHARACTERS.intersection(map(chr, range(0x80)))),
}
"""What Mode.GSM7 takes on a carrier with this default alphabet."""


def _refusal(text: str, default_alphabet: str) -> Unencodable:
    name, characters = _BOTH[default_alphabet]
    index = next(place for place, character in enumerate(text) if character not in characters)
    return Unencodable(text[index], index, f"is not in {name}: ask for encoding auto, or leave it out")


def _spell(text: str, mode: int, default_alphabet: str) -> _Spelled:
    """Raises Unencodable and TooLong."""
    if len(text) > _LONGEST:
        raise TooLong
    if mode != Mode.UCS2:
        data = _in_default(text, default_alphabet, mode)
        if data is not None:
            return _ALPHABETS[default_alphabet], data, text
        if mode == Mode.GSM7:
            raise _refusal(text, default_alphabet)
        if mode == Mode.SMART:
            plain = smart.transliterate(text)
            data = _in_default(plain, default_alphabet, mode)
            if data is not None:
                return _ALPHABETS[default_alphabet], data, plain
    try:
        return Alphabet.UCS2, text.encode("utf-16-be"), text
    except UnicodeEncodeError as error:
        reason = "is half of a surrogate pair and no character: leave it out"
        raise Unencodable(text[error.start], error.start, reason) from None


def _septet_cuts(data: bytes, size: int) -> list[int]:
    """Where segments end, an escape never last."""
    cuts, at = [], 0
    while len(data) - at > size:
        at += size - 1 if data[at + size - 1] == gsm.ESCAPE else size
        cuts.append(at)
    cuts.append(len(data))
    return cuts


def _ucs2_cuts(data: bytes, size: int, text: str) -> list[int]:
    """Where segments end, in octets; what a reader sees as one character stays together if it fits at all."""
    cuts, at, first = [], 0, 0
    narrow = len(data) == 2 * len(text)
    while len(data) - at > size:
        if narrow:
            last = last_boundary(text, first, first + size // 2)
            at += 2 * (last - first)
        else:
            # "ignore" drops the half of a surrogate pair at the end.
            fitting = len(data[at : at + size].decode("utf-16-be", "ignore"))
            last = last_boundary(text, first, first + fitting)
            at += len(text[first:last].encode("utf-16-be"))
        cuts.append(at)
        first = last
    cuts.append(len(data))
    return cuts


def _cuts(spelled: _Spelled, size: int) -> list[int]:
    """Ends of the segments in the data. Raises TooLong."""
    alphabet, data, text = spelled
    if len(data) > MAX_SEGMENTS * size:
        raise TooLong
    if alphabet is Alphabet.UCS2:
        cuts = _ucs2_cuts(data, size, text)
    elif alphabet is Alphabet.LATIN1:
        cuts = [*range(size, len(data), size), len(data)]
    else:
        cuts = _septet_cuts(data, size)
    if len(cuts) > MAX_SEGMENTS:
        raise TooLong
    return cuts


_SINGLE_SEGMENT: Final = {alphabet: Measure(alphabet, 1) for alphabet in _SINGLE}


def measure(text: str, mode: int, form: Form) -> Measure:
    """Alphabet and number of segments of `text` on a carrier of this form; `mode` is a modes.Mode.

    auto: the carrier's default alphabet if every character is in it, else UCS-2. gsm7: never UCS-2. ucs2: always.
    smart: as auto, and if that gives UCS-2, the transliterated text if all of it then fits. Raises Unencodable (gsm7 with
    a character outside, or half of a surrogate pair) and TooLong (more than 255 segments). An empty text takes one.
    """
    spelled = _spell(text, mode, form.default_alphabet)
    alphabet, data, _ = spelled
    if len(data) <= _SINGLE[alphabet]:
        return _SINGLE_SEGMENT[alphabet]
    return Measure(alphabet, len(_cuts(spelled, _LONG[form.long_message][alphabet])))


_UDH8: Final = Struct(">BBBBBB")
_UDH16: Final = Struct(">BBBHBB")
_SAR: Final = Struct(">HHHHHBHHB")
_TLV: Final = Struct(">HH")


def _body(alphabet: Alphabet, data: bytes, form: Form, fill_bits: int = 0, limit: int | None = None) -> bytes:
    """`data`, or a piece of it cut out by `_cuts`, as the carrier takes it."""
    if alphabet is Alphabet.GSM7:
        return gsm.pack(data, fill_bits, limit) if form.default_alphabet == "gsm7-packed" else data
    return gsm.decode(data).encode("ascii") if alphabet is Alphabet.ASCII else data


def _long_parts(spelled: _Spelled, form: Form, reference: int) -> tuple[Part, ...]:
    alphabet, data, _ = spelled
    cuts = _cuts(spelled, _LONG[form.long_message][alphabet])
    if form.long_message == "payload":
        payload = _body(alphabet, data, form)
        return (Part(0, b"", _TLV.pack(MESSAGE_PAYLOAD, len(payload)) + payload),)
    total = len(cuts)
    reference &= 0xFF if form.long_message == "udh8" else 0xFFFF
    parts, start = [], 0
    for sequence, end in enumerate(cuts, 1):
        piece, start = data[start:end], end
        if form.long_message == "udh8":
            # 48 header bits, then one to the next septet's start (TS 23.040 §9.2.3.24).
            header = _UDH8.pack(5, CONCAT_8, 3, reference, total, sequence)
            parts.append(Part(UDHI, header + _body(alphabet, piece, form, fill_bits=1, limit=134), b""))
        elif form.long_message == "udh16":
            header = _UDH16.pack(6, CONCAT_16, 4, reference, total, sequence)
            parts.append(Part(UDHI, header + _body(alphabet, piece, form, limit=133), b""))
        else:
            place = (SAR_MSG_REF_NUM, 2, reference, SAR_TOTAL_SEGMENTS, 1, total, SAR_SEGMENT_SEQNUM, 1, sequence)
            parts.append(Part(0, _body(alphabet, piece, form, limit=134), _SAR.pack(*place)))
    return tuple(parts)


def encode(text: str, mode: int, form: Form, reference: int) -> Encoded:
    """The submit_sm contents of `text` for a carrier of this form; mode and errors as `measure`.

    `reference` (0 or more) ties the segments together: its low 8 bits with udh8, 16 with udh16 and sar. The parts are
    as many as `measure` says, but for a long `payload`, which is one part. An empty text gives one empty part.
    """
    spelled = _spell(text, mode, form.default_alphabet)
    alphabet, data, _ = spelled
    coding = UCS2_CODING if alphabet is Alphabet.UCS2 else 0
    if len(data) > _SINGLE[alphabet]:
        return Encoded(alphabet, coding, _long_parts(spelled, form, reference))
    return Encoded(alphabet, coding, (Part(0, _body(alphabet, data, form, limit=140), b""),))
