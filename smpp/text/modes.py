"""How a text is to be encoded, and how it was: numbers that travel in records, with the names of the HTTP API."""

from __future__ import annotations

from enum import IntEnum


class Mode(IntEnum):
    """What the sender asked for."""

    AUTO = 0
    GSM7 = 1
    UCS2 = 2
    SMART = 3

    @property
    def label(self) -> str:
        return self.name.lower()


class Alphabet(IntEnum):
    """What a text is written in."""

    GSM7 = 0
    UCS2 = 1
    LATIN1 = 2
    ASCII = 3
    BINARY = 4

    @property
    def label(self) -> str:
        return self.name.lower()


MODE_BY_LABEL: dict[str, Mode] = {mode.label: mode for mode in Mode}
