"""Reading user data as it comes: header, concatenation, alphabet. For MO messages, and for what we sent, in tests.

Whatever the bytes are, there is a text: nothing here raises on what a peer sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from smpp.text import gsm

CONCAT_8: Final = 0x00  # TS 23.040 §9.2.3.24.1
CONCAT_16: Final = 0x08  # §9.2.3.24.8
SINGLE_SHIFT: Final = 0x24  # §9.2.3.24.15
LOCKING_SHIFT: Final = 0x25  # §9.2.3.24.16

SAR_MSG_REF_NUM: Final = 0x020C  # SMPP 3.4 §5.3.2.22
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F


class Concat(NamedTuple):
    """One segment's place in its long message."""

    reference: int
    total: int
    sequence: int
    """From 1 to `total`."""


def _concat(reference: int, total: int, sequence: int) -> Concat | None:
    """None when the place makes no sense: the element is to be ignored then (TS 23.040 §9.2.3.24.1)."""
    return Concat(reference, total, sequence) if 1 <= sequence <= total else None


def concat_of_tlvs(tlvs: Mapping[int, bytes]) -> Concat | None:
    """The place told by the sar_* TLVs; None unless all three are there and make sense."""
    reference, total, sequence = (tlvs.get(tag) for tag in (SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM))
    if not (reference and total and sequence):
        return None
    return _concat(*(int.from_bytes(value[:2], "big") for value in (reference, total, sequence)))


class _Header(NamedTuple):
    octets: int = 0
    """Length with its own length octet; 0 when there is none."""
    concat: Concat | None = None
    locking: int = 0
    single: int = 0


def _header(user_data: bytes) -> _Header:
    """The user data header; an empty one when its length runs past the data, which is then no header."""
    octets = 1 + user_data[0] if user_data else 0
    if not 0 < octets <= len(user_data):
        return _Header()
    concat, locking, single = None, 0, 0
    at = 1
    while at + 2 <= octets:
        element, length = user_data[at], user_data[at + 1]
        value = user_data[at + 2 : min(at + 2 + length, octets)]
        at += 2 + length
        if len(value) != length:
            break
        if element == CONCAT_8 and length == 3:
            concat = _concat(*value) or concat
        elif element == CONCAT_16 and length == 4:
            concat = _concat(value[0] << 8 | value[1], value[2], value[3]) or concat
        elif element == SINGLE_SHIFT and length == 1:
            single = value[0]
        elif element == LOCKING_SHIFT and length == 1:
            locking = value[0]
    return _Header(octets, concat, locking, single)


_CHARSETS: Final = {
    1: "latin-1",  # IA5: 7 bits by the book, but carriers let Latin-1 through
    3: "latin-1",
    5: "shift_jis",
    6: "iso8859_5",
    7: "iso8859_8",
    10: "iso2022_jp",
    13: "euc_jp",
    14: "euc_kr",
}
"""data_coding (SMPP 3.4 §5.2.19) to a Python codec, where the octets are text in one."""

_BINARY: Final = "binary"
_UCS2: Final = "ucs2"
_DEFAULT: Final = "default"
_OWN: Final = {2: _BINARY, 4: _BINARY, 8: _UCS2}
_GSM_ALPHABETS: Final = (_DEFAULT, _BINARY, _UCS2, _DEFAULT)


def _kind(data_coding: int) -> str:
    """What the octets are. From 0x10 up the number is read as a GSM data coding scheme (TS 23.038 §4), as SMSCs do;
    what that calls the default alphabet is the carrier's, which converts either way."""
    if data_coding < 0x10:
        return _OWN.get(data_coding) or _CHARSETS.get(data_coding, _DEFAULT)
    group = data_coding >> 4
    if group < 0x4:
        return _GSM_ALPHABETS[data_coding >> 2 & 3]
    if group == 0xE:
        return _UCS2
    return _BINARY if group == 0xF and data_coding & 4 else _DEFAULT


def _utf16(octets: bytes) -> str:
    """UTF-16BE; a byte order mark is obeyed, since some handsets' gateways send one."""
    if octets[:2] == b"\xff\xfe":
        return octets[2:].decode("utf-16-le", "replace")
    return octets.removeprefix(b"\xfe\xff").decode("utf-16-be", "replace")


def _default_text(octets: bytes, alphabet: str, header: _Header) -> str:
    if alphabet in ("latin1", "ascii"):
        return octets.decode("latin-1")
    if alphabet == "gsm7-packed":
        octets = gsm.unpack(octets, -8 * header.octets % 7)
    return gsm.decode(octets, header.locking, header.single)


def decode(short_message: bytes, data_coding: int, default_alphabet: str, udhi: bool) -> tuple[str, Concat | None]:
    """The text of `short_message` and its place in a long message. Never raises, whatever the bytes.

    `default_alphabet` is what data_coding 0 means here: gsm7 | gsm7-packed | latin1 | ascii. `udhi`: esm_class has 0x40.
    Octets that are no text (data_coding 2, 4, GSM 8-bit) come as hexadecimal digits, without the header.
    """
    header = _header(short_message) if udhi else _Header()
    octets = short_message[header.octets :]
    kind = _kind(data_coding)
    if kind == _DEFAULT:
        text = _default_text(octets, default_alphabet, header)
    elif kind == _UCS2:
        text = _utf16(octets)
    elif kind == _BINARY:
        text = octets.hex()
    else:
        text = octets.decode(kind, "replace")
    return text, header.concat
