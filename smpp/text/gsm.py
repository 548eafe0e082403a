"""The GSM 7-bit default alphabet with its extension table (3GPP TS 23.038 §6.2.1), and the packing of septets (§6.1.2).

Unpacked, as SMPP carries it, a septet fills one octet with the top bit clear. A character of the extension table is
the escape 0x1B and a second septet. Encoding is exact: a text with a character outside the alphabet is not encoded.
"""

from __future__ import annotations

import re
from codecs import charmap_build, charmap_decode, charmap_encode
from functools import cache
from typing import Final

from smpp.text.national import LOCKING_SHIFTS, SINGLE_SHIFTS

ESCAPE: Final = 0x1B
CARRIAGE_RETURN: Final = 0x0D

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""§6.2.1; the place of the escape holds the escape."""
EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""§6.2.1.1: the septet after the escape."""

CHARACTERS: Final = frozenset(BASIC.replace("\x1b", "")).union(EXTENSION.values())
"""All that can be encoded."""

_UNDEFINED: Final = "\ufffe"  # what charmap_build leaves out


def _ascii_table() -> bytes:
    """Octet of an ASCII character to its septet; ESCAPE stands for "needs two septets, or has none"."""
    table = bytearray([ESCAPE]) * 256
    for septet, character in enumerate(BASIC):
        if septet != ESCAPE and character.isascii():
            table[ord(character)] = septet
    return bytes(table)


def _single_octet_alphabet() -> str:
    """The whole alphabet as a charset of one octet a character, extended ones at 0x80 plus their second septet.

    It lets the C codec do the work. That codec is fast only if octet 0 stands for NUL, so "@" (septet 0) borrows
    the place of the escape; `_SEPTETS` puts it right, and `encode` refuses NUL.
    """
    table = list(BASIC) + [_UNDEFINED] * 128
    table[0], table[ESCAPE] = "\0", BASIC[0]
    for septet, character in EXTENSION.items():
        table[0x80 | septet] = character
    return "".join(table)


_ASCII: Final = _ascii_table()
_ENCODING: Final = charmap_build(_single_octet_alphabet())
_SEPTETS: Final = bytes(0 if octet == ESCAPE else octet for octet in range(256))
_EXTENDED: Final = re.compile(rb"[\x80-\xff]")
_PAIRS: Final = {bytes((0x80 | septet,)): bytes((ESCAPE, septet)) for septet in EXTENSION}


def encode(text: str) -> bytes | None:
    """The septets of `text`, one an octet, escapes included; None when a character is not in the alphabet."""
    if text.isascii():
        septets = text.encode("ascii").translate(_ASCII)
        if ESCAPE not in septets:
            return septets
    if "\0" in text:
        return None
    try:
        octets, _ = charmap_encode(text, "strict", _ENCODING)
    except UnicodeEncodeError:
        return None
    septets = octets.translate(_SEPTETS)
    if septets.isascii():
        return septets
    return _EXTENDED.sub(lambda found: _PAIRS[found[0]], septets)


def septets(text: str) -> int | None:
    """How many septets `text` takes, escapes included; None when a character is not in the alphabet."""
    encoded = encode(text)
    return None if encoded is None else len(encoded)


@cache
def _tables(locking: int, single: int) -> tuple[str, dict[str, str]]:
    """Decoding tables for a pair of national language identifiers; unknown ones mean the default tables (§6.2.1.2.2)."""
    basic = LOCKING_SHIFTS.get(locking, BASIC)
    extension = SINGLE_SHIFTS.get(single, EXTENSION)
    pairs = {"\x1b" + character: character for character in basic}
    # An escape that nothing explains is shown as a space (§6.2.1, note 1; §6.2.1.1, note 1).
    pairs["\x1b\x1b"] = pairs["\x1b"] = " "
    pairs.update(("\x1b" + basic[septet], character) for septet, character in extension.items())
    return basic + "\ufffd" * 128, pairs


_ESCAPED: Final = re.compile("\x1b.?", re.DOTALL)


def decode(octets: bytes, locking: int = 0, single: int = 0) -> str:
    """The text of unpacked septets. Never raises: an octet above 0x7F gives U+FFFD.

    An escape before a septet without an extended meaning shows the basic character, one before another escape or
    at the end a space (§6.2.1.1). `locking` and `single` are national language identifiers (§6.2.1.2.4), 0 for none.
    """
    basic, pairs = _tables(locking if locking in LOCKING_SHIFTS else 0, single if single in SINGLE_SHIFTS else 0)
    text, _ = charmap_decode(octets, "strict", basic)
    if ESCAPE not in octets:
        return text
    return _ESCAPED.sub(lambda found: pairs.get(found[0], found[0][1:]), text)


_BLOCK: Final = 256  # septets packed at a time: 224 octets


def _lanes(value: int, width: int) -> int:
    """`value` repeated every `width` octets over a block."""
    return int.from_bytes(value.to_bytes(width, "little") * (_BLOCK // width), "little")


# Packing halves the number of lanes three times: 7 of 8 bits, 14 of 16, 28 of 32, 56 of 64.
_STEPS: Final = tuple(
    (_lanes((1 << bits) - 1, width), _lanes(((1 << bits) - 1) << 4 * width, width), 4 * width - bits)
    for width, bits in ((2, 7), (4, 14), (8, 28))
)


def _pack_block(septets: bytes) -> bytes:
    value = int.from_bytes(septets, "little")
    for low, high, gap in _STEPS:
        value = value & low | (value & high) >> gap
    groups = bytearray(value.to_bytes(-(-len(septets) // 8) * 8, "little"))
    del groups[7::8]
    return bytes(groups)


def _unpack_block(octets: bytes) -> bytes:
    count = -(-len(octets) // 7)
    octets = octets.ljust(count * 7, b"\0")
    groups = bytearray(count * 8)
    for place in range(7):
        groups[place::8] = octets[place::7]
    value = int.from_bytes(groups, "little")
    for low, high, gap in reversed(_STEPS):
        value = value & low | value << gap & high
    return value.to_bytes(count * 8, "little")


def pack(septets: bytes, fill_bits: int = 0, limit: int | None = None) -> bytes:
    """Septets packed into octets, the first bit lowest (§6.1.2.1), after `fill_bits` (0 to 6) zero bits.

    The reader knows the octets only, so 7 spare bits hold a carriage return, lest they read as "@", and a carriage
    return that ends on an octet boundary is doubled (§6.1.2.3.1): unless that would pass `limit` octets.
    """
    total = fill_bits + 7 * len(septets)
    if total % 8 == 1 or (septets and total % 8 == 0 and septets[-1] == CARRIAGE_RETURN):
        longer = total + 7
        if limit is None or longer <= 8 * limit:
            septets, total = septets + b"\r", longer
    step = _BLOCK
    packed = b"".join(_pack_block(septets[at : at + step]) for at in range(0, len(septets), step))
    value = int.from_bytes(packed, "little") << fill_bits
    return value.to_bytes(-(-total // 8), "little")


def unpack(octets: bytes, fill_bits: int = 0) -> bytes:
    """The septets in packed octets, after `fill_bits` (0 to 6); a carriage return that ends on the last octet's
    boundary is dropped (§6.1.2.3.1). Never raises."""
    bits = 8 * len(octets) - fill_bits
    if bits < 7:
        return b""
    if fill_bits:
        octets = (int.from_bytes(octets, "little") >> fill_bits).to_bytes(len(octets), "little")
    step = _BLOCK // 8 * 7
    spread = b"".join(_unpack_block(octets[at : at + step]) for at in range(0, len(octets), step))
    septets = spread[: bits // 7]
    return septets[:-1] if bits % 7 == 0 and septets[-1] == CARRIAGE_RETURN else septets
