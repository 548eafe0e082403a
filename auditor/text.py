"""The auditor's own decoder: from what a submit_sm held to the nonce at the head of its text, and the place of a segment."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

UDHI: Final = 0x40
_CONCAT_8, _CONCAT_16 = 0x00, 0x08
_UCS2_CODINGS: Final = frozenset({0x08, 0x18})
_PAYLOAD, _SAR_REF, _SAR_TOTAL, _SAR_NUMBER = "0x0424", "0x020c", "0x020e", "0x020f"
_NONCE: Final = re.compile(r"([0-9a-z]{4,32})[ \n]").match
_HEAD_OCTETS: Final = 96
"""Enough of a text for any nonce in any alphabet."""


class Place(NamedTuple):
    """Which segment of how many; `reference` None: not part of a long message."""

    part: int = 1
    parts: int = 1
    reference: int | None = None


WHOLE: Final = Place()


def read(esm_class: int, coding: int, short_message: bytes, tlvs: dict[str, str], packed: bool) -> tuple[Place, str]:
    """(place, the nonce or ""). A nonce is looked for in first segments only. `packed`: data_coding 0 is packed septets."""
    data = short_message or bytes.fromhex(tlvs.get(_PAYLOAD, ""))
    place, header = WHOLE, 0
    if esm_class & UDHI and data:
        header = data[0] + 1
        place = _of_header(data[1:header])
    elif _SAR_REF in tlvs:
        reference, total, number = (int(tlvs.get(name, "1"), 16) for name in (_SAR_REF, _SAR_TOTAL, _SAR_NUMBER))
        place = Place(number, total, reference)
    if place.part != 1:
        return place, ""
    found = _NONCE(_head(data[header : header + _HEAD_OCTETS], coding, header if packed else None))
    return place, found[1] if found else ""


def _of_header(header: bytes) -> Place:
    """The concatenation element of a user data header (3GPP 23.040 §9.2.3.24), if there is one."""
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        data = header[at + 2 : at + 2 + size]
        if kind == _CONCAT_8 and len(data) == 3:
            return Place(data[2], data[1], data[0])
        if kind == _CONCAT_16 and len(data) == 4:
            return Place(data[3], data[2], int.from_bytes(data[:2], "big"))
        at += 2 + size
    return WHOLE


def _head(data: bytes, coding: int, packed_after: int | None) -> str:
    """The beginning of a text, its alphanumerics right whatever the alphabet: they are the same in GSM, ASCII and Latin-1."""
    if coding in _UCS2_CODINGS:
        return data[: len(data) & ~1].decode("utf-16-be", "replace")
    if coding == 0 and packed_after is not None:
        return _unpacked(data, packed_after)
    return data.decode("latin-1")


def _unpacked(data: bytes, header: int) -> str:
    """Septets packed into octets (3GPP 23.038 §6.1.2.1); behind a header they begin at a septet's boundary."""
    bits = int.from_bytes(data, "little") >> (-header * 8) % 7
    return "".join(chr(bits >> shift & 0x7F) for shift in range(0, len(data) * 8 - 6, 7))
