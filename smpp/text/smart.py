"""Smart encoding: typographic characters to plain ones, so that one curly quote does not double the price of a message.

Only what a reader would not miss is changed: shapes of quotes, dashes and spaces, invisible characters, ligatures,
accents written as a character of their own. No letter is replaced by another. The caller applies it only if the
sender asked for it, and only when the whole message then fits (`segments`).
"""

from __future__ import annotations

import unicodedata
from typing import Final

_SINGLE_QUOTES: Final = (
    "\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u00b4`\u2039\u203a\uff07"
)
_DOUBLE_QUOTES: Final = "\u201c\u201d\u201e\u201f\u2033\u2036\u02ba\u00ab\u00bb\u301d\u301e\uff02"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u02d7\ufe58\ufe63\uff0d"
_SPACES: Final = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_LINE_ENDS: Final = "\u000b\u0085\u2028\u2029"
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
_WORDS: Final = {
    "\u2026": "...",
    "\u2025": "..",
    "\u2024": ".",
    "\u2022": "*",
    "\u2219": "*",
    "\u00b7": ".",
    "\u2044": "/",
    "\u2215": "/",
    "\u00d7": "x",
    "\u00f7": "/",
    "\u00bc": "1/4",
    "\u00bd": "1/2",
    "\u00be": "3/4",
    "\u2122": "(TM)",
    "\u00a9": "(C)",
    "\u00ae": "(R)",
    "\u2116": "No.",
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\u01c0": "|",
    "\uff5e": "~",
}


def _table() -> dict[int, str]:
    table = {ord(character): plain for character, plain in _WORDS.items()}
    for characters, plain in (
        (_SINGLE_QUOTES, "'"),
        (_DOUBLE_QUOTES, '"'),
        (_DASHES, "-"),
        (_SPACES, " "),
        (_LINE_ENDS, "\n"),
        (_INVISIBLE, ""),
    ):
        table.update(dict.fromkeys(map(ord, characters), plain))
    return table


_TABLE: Final = _table()


def transliterate(text: str) -> str:
    """`text` with typographic characters made plain and accents joined to their letters (NFC).

    Whether the result fits an alphabet is the caller's to see. Doing it twice changes nothing more.
    """
    return unicodedata.normalize("NFC", text.translate(_TABLE))
