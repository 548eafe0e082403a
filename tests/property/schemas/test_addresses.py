"""Whatever is typed ends as E.164 digits or in an AddressError, and digits that came out go in again unchanged."""

from __future__ import annotations

import re

import phonenumbers
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.addresses import AddressError, check_sender, normalize_destination
from schemas.calling_codes import NATIONAL_LENGTHS

E164 = re.compile(r"[1-9][0-9]{4,14}\Z", re.ASCII)
near_numbers = st.text(st.sampled_from("+0123456789 ()-./;=extABC\u00a0\uff0b\uff11\u0661"), max_size=45)
international = st.builds(
    lambda code, national: f"+{code}{national}",
    st.sampled_from(sorted(NATIONAL_LENGTHS)),
    st.text(st.sampled_from("0123456789"), min_size=1, max_size=16),
)


@given(st.one_of(st.text(max_size=60), near_numbers, international))
@example("+49151234567890123")
def test_any_text_is_a_number_or_refused(typed: str) -> None:
    try:
        digits = normalize_destination(typed)
    except AddressError:
        return
    assert E164.match(digits)
    national = str(phonenumbers.parse("+" + digits, None).national_number)
    if digits.endswith(national):
        # All but numbers with several leading zeros, which no plan has.
        assert normalize_destination("+" + digits) == digits


@given(international)
@example("+4400000")  # possible within an area, without the area's code: names no one from abroad
def test_the_quick_way_and_the_numbering_plan_agree_on_what_can_be_dialled(typed: str) -> None:
    try:
        number = phonenumbers.parse(typed, None)
    except phonenumbers.NumberParseException:
        return
    as_typed = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == typed
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == phonenumbers.ValidationResult.IS_POSSIBLE and as_typed and len(typed) <= 16:
        assert normalize_destination(typed) == typed[1:]


@given(st.one_of(st.text(max_size=20), st.text(st.sampled_from("+0123 aZ&£"), max_size=16)))
def test_a_sender_that_passes_fits_the_protocol(sender: str) -> None:
    try:
        kept = check_sender(sender)
    except AddressError:
        return
    assert 1 <= len(kept.encode("latin-1")) <= 15
    assert kept.isprintable()
    assert check_sender(kept) == kept
