"""Destinations and senders: from what people type to what SMPP carries.

A destination travels as E.164 digits without the plus. A number that is E.164 already is checked by its calling code
and length only; the numbering plan of `phonenumbers` (27 µs) is asked for what isn't.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from schemas.calling_codes import NATIONAL_LENGTHS

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}\Z").match
_CODES: Final = {str(code): lengths for code, lengths in NATIONAL_LENGTHS.items()}
MAX_TYPED: Final = 40
MAX_DIGITS: Final = 15  # ITU-T E.164 §6; some numbering plans list longer ones, which no network routes

TON_UNKNOWN: Final = 0
TON_INTERNATIONAL: Final = 1
TON_ALPHANUMERIC: Final = 5
NPI_UNKNOWN: Final = 0
NPI_ISDN: Final = 1

# TS 23.040 §9.1.2.5: an alphanumeric address holds 11 characters of the GSM alphabet; these need no escape.
_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9 @£$¥_!\"#%&'()*+,\-./:;<=>?]{1,11}\Z").match
_NUMERIC: Final = re.compile(r"\+?[0-9]{3,15}\Z").match


class AddressError(ValueError):
    """A number or sender that can't be used; the text says why and how to mend it."""


class Address(NamedTuple):
    """An SMPP address: type of number, numbering plan, characters."""

    ton: int
    npi: int
    text: str


def normalize_destination(typed: str) -> str:
    """E.164 digits without the plus, from `+86138…`, `0086138…` or any international form that people write.

    Raises AddressError. National forms are refused: without a country they name no one.
    """
    digits = typed[1:] if _E164(typed) and not _has_zero(typed[1:]) else _parse(typed)
    lengths = _CODES.get(digits[:2]) or _CODES.get(digits[:3]) or _CODES.get(digits[:1])
    if lengths is None:
        raise AddressError("no country has this calling code")
    national = len(digits) - _code_length(digits)
    if lengths[0] <= national <= lengths[1] and len(digits) <= MAX_DIGITS:
        return digits
    if len(digits) > MAX_DIGITS:
        raise AddressError(f"an international number has at most {MAX_DIGITS} digits")
    raise AddressError(f"too {'short' if national < lengths[0] else 'long'} for its country")


def _code_length(digits: str) -> int:
    # Calling codes are prefix-free: at most one of the three exists.
    return 2 if digits[:2] in _CODES else 3 if digits[:3] in _CODES else 1


def _has_zero(digits: str) -> bool:
    # In Italy it belongs to the number, in Germany it is dialled inside the country only (`+49 0170…`): who knows, decides.
    return digits[_code_length(digits)] == "0"


def _parse(typed: str) -> str:
    import phonenumbers  # 60 ms to import: only when a number needs it

    text = typed.strip()
    if len(text) > MAX_TYPED:
        raise AddressError("longer than any phone number")
    if text.startswith("00"):
        text = "+" + text[2:]
    if not text.startswith("+"):
        raise AddressError("write it in international form, with + and the country's calling code")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as fault:
        raise AddressError(f"not a phone number: {fault}") from None
    # Possible within an area only, without its code, is not enough: hence the lengths of the caller too.
    if not phonenumbers.is_possible_number(number):
        raise AddressError("no number of its country has this length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]


def check_sender(sender: str) -> str:
    """A sender as it will be shown: 3 to 15 digits (a plus is dropped), or 1 to 11 letters, digits and signs.

    Raises AddressError.
    """
    if _NUMERIC(sender):
        return sender.lstrip("+")
    if _ALPHANUMERIC(sender) and not sender.isspace():
        return sender
    raise AddressError("a sender is 3 to 15 digits, or 1 to 11 letters, digits, spaces and common signs")


def sender_address(sender: str, default_ton: int, default_npi: int) -> Address:
    """Numeric senders are international ISDN (1/1), short codes up to 8 digits too; others take the carrier's default."""
    if sender.isdigit():
        return Address(TON_INTERNATIONAL, NPI_ISDN, sender)
    return Address(default_ton, default_npi, sender)
