"""National language tables of the GSM alphabet (3GPP TS 23.038 annex A): for reading what handsets send.

A header element tells which: a *locking shift* replaces the whole basic table, a *single shift* the extension table.
We read them and never write them: carriers seldom pass them on from an ESME, and UCS-2 always arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TURKISH: Final = 1
SPANISH: Final = 2
PORTUGUESE: Final = 3

_ASCII_TAIL: Final = " !\"#¤%&'()*+,-./0123456789:;<=>?"

LOCKING_SHIFTS: Final[Mapping[int, str]] = {
    TURKISH: (
        "@£$¥€éùıòÇ\nĞğ\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ"
        + _ASCII_TAIL
        + "İABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
        + "çabcdefghijklmnopqrstuvwxyzäöñüà"
    ),
    PORTUGUESE: (
        "@£$¥êéúíóç\nÔô\rÁáΔ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
        + _ASCII_TAIL.replace("¤", "º")
        + "ÍABCDEFGHIJKLMNOPQRSTUVWXYZÃÕÚÜ§"
        + "~abcdefghijklmnopqrstuvwxyzãõ`üà"
    ),
}
"""Annex A.3, by national language identifier; Spanish has none."""

_COMMON: Final = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|"}
_VOWELS: Final = {0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x69: "í", 0x6F: "ó", 0x75: "ú"}

SINGLE_SHIFTS: Final[Mapping[int, Mapping[int, str]]] = {
    TURKISH: {
        **_COMMON,
        0x47: "Ğ",
        0x49: "İ",
        0x53: "Ş",
        0x63: "ç",
        0x65: "€",
        0x67: "ğ",
        0x69: "ı",
        0x73: "ş",
    },
    SPANISH: {**_COMMON, **_VOWELS, 0x09: "ç", 0x41: "Á", 0x61: "á", 0x65: "€"},
    PORTUGUESE: {
        **_COMMON,
        **_VOWELS,
        0x05: "ê",
        0x09: "ç",
        0x0B: "Ô",
        0x0C: "ô",
        0x0E: "Á",
        0x0F: "á",
        0x12: "Φ",
        0x13: "Γ",
        0x15: "Ω",
        0x16: "Π",
        0x17: "Ψ",
        0x18: "Σ",
        0x19: "Θ",
        0x1F: "Ê",
        0x41: "À",
        0x5B: "Ã",
        0x5C: "Õ",
        0x61: "Â",
        0x65: "€",
        0x7B: "ã",
        0x7C: "õ",
        0x7F: "â",
    },
}
"""Annex A.2, by national language identifier."""
