"""Canonical forms of the SMSC's message ids, so that a receipt finds its submission.

Carriers write an id in hexadecimal in submit_sm_resp and in decimal in the receipt, or the other way round, pad it with
zeros or don't, change its case. A submission is stored under one key; a receipt looks for several, the likeliest first.
`form` is the carrier's `message_id_form`: verbatim | hex | dec | auto. Keys of different forms are not compared.
"""

from __future__ import annotations

from typing import Final

LONGEST: Final = 64
"""Characters of an id that count: the field holds 64 and a NUL (SMPP 3.4 §5.2.23). Also bounds int conversion."""

_BLANKS: Final = " \t\r\n\0"
_HEXADECIMAL: Final = "0123456789abcdef"


def _normal(smsc_message_id: str) -> str:
    """Without blanks and NULs around, lower case, without leading zeros (one character stays); a longer id than the
    field holds is only cut, since its zeros are not padding to a width."""
    text = smsc_message_id.strip(_BLANKS).lower()
    if len(text) > LONGEST:
        return text[:LONGEST]
    return text.lstrip("0") or text[:1]


def submit_key(smsc_message_id: str, form: str) -> str:
    """The key to store a submission under; "" for an id that is empty: such a message is not traceable."""
    if form == "verbatim":
        return "=" + smsc_message_id[:LONGEST] if smsc_message_id else ""
    return _normal(smsc_message_id)


def receipt_keys(smsc_message_id: str, form: str) -> tuple[str, ...]:
    """The keys to look for, the one in the receipt's own form first; none for an id that is empty.

    auto adds, for digits, the id read as decimal and written as hex (the response was hex), and for hex digits the id
    read as hex and written as decimal (the response was decimal). A number of digits can be meant either way.
    """
    key = submit_key(smsc_message_id, form)
    if not key:
        return ()
    if form != "auto" or (len(smsc_message_id) > LONGEST and len(smsc_message_id.strip(_BLANKS)) > LONGEST):
        return (key,)
    if key.isascii() and key.isdigit():
        # A single digit is itself in any base, and no longer number is.
        return (key,) if len(key) == 1 else (key, f"{int(key):x}", str(int(key, 16)))
    # strip() leaves nothing exactly when all characters are in the set.
    return (key,) if key.strip(_HEXADECIMAL) else (key, str(int(key, 16)))
