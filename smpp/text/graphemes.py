"""Where a text may be cut: between what a reader sees as characters (UAX #29, the rules that matter in messages).

Kept together: a letter and its combining marks, emoji with skin tone, variation selector, keycap or joiner, flags of two
regional indicators, tag sequences, conjoining Hangul, CR LF. Left out: prepended marks and Indic conjuncts, which
a handset that lacks one segment shows as readable letters anyway.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category

_JOINER: Final = "\u200d"
_MARKS: Final = frozenset({"Mn", "Me", "Mc"})
_FIRST_MARK: Final = "\u0300"  # no character below it extends the one before, but LF after CR


def _extends(character: str) -> bool:
    """The character belongs to the one before it, whatever that is."""
    return (
        category(character) in _MARKS
        or "\u200c" <= character <= _JOINER
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= character <= "\U000e007f"  # tags
        or "\uff9e" <= character <= "\uff9f"  # halfwidth katakana voicing
    )


def _regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves(text: str, start: int, index: int) -> bool:
    """An odd number of regional indicators stands before `index`: the one at `index` completes a flag."""
    first = index
    while first > start and _regional(text[first - 1]):
        first -= 1
    return (index - first) % 2 == 1


def _leading_jamo(character: str) -> bool:
    return "\u1100" <= character <= "\u115f" or "\ua960" <= character <= "\ua97c"


def _later_jamo(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7fb"


def _hangul_continues(before: str, after: str) -> bool:
    if _leading_jamo(before):
        return _leading_jamo(after) or _later_jamo(after) or "\uac00" <= after <= "\ud7a3"
    return _later_jamo(after) and (_later_jamo(before) or "\uac00" <= before <= "\ud7a3")


def is_boundary(text: str, start: int, index: int) -> bool:
    """True when `text` may be cut before `index` (start < index < len(text)); `start` is a boundary itself."""
    before, after = text[index - 1], text[index]
    if after < _FIRST_MARK:
        return after != "\n" or before != "\r"
    if before == _JOINER or _extends(after):
        return False
    if _regional(after):
        return not _flag_halves(text, start, index)
    return not _hangul_continues(before, after)


def last_boundary(text: str, start: int, end: int) -> int:
    """The last boundary in (start, end], or `end` when what starts at `start` reaches past it: it has to be cut.

    start < end <= len(text). Looks at no character before `start`.
    """
    if end == len(text):
        return end
    for index in range(end, start, -1):
        if is_boundary(text, start, index):
            return index
    return end
