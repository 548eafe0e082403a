"""What people type and what becomes of it."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from schemas.addresses import Address, AddressError, check_sender, normalize_destination, sender_address
from schemas.calling_codes import NATIONAL_LENGTHS

FINE = {
    "+8613800000000": "8613800000000",
    "008613800000000": "8613800000000",
    "+86 138 0000 0000": "8613800000000",
    "0086-138-0000-0000": "8613800000000",
    " +86 138 0000 0000\t": "8613800000000",
    "+86\u00a0138\u20110000\u20110000": "8613800000000",  # no-break space and hyphens, as pasted from a page
    "+８６１３８００００００００": "8613800000000",  # full-width digits, as an input method gives them
    "++8613800000000": "8613800000000",
    "+86 138 0000 0000 ext 12": "8613800000000",
    "+49 (0)170 1234567": "491701234567",
    "+44 (0)20 7946 0958": "442079460958",
    "+39 06 698 12345": "390669812345",  # Italy's leading zero belongs to the number
    "+390669812345": "390669812345",
    "+4901701234567": "491701234567",  # the zero that is dialled inside Germany only, without a blank to show it
    "+4402079460958": "442079460958",
    "+1 (212) 555-0100": "12125550100",
    "+1.212.555.0100": "12125550100",
    "+1-800-FLOWERS": "18003569377",
    "+7 495 123-45-67": "74951234567",
    "+5491112345678": "5491112345678",
    "+2902215": "2902215",  # St Helena: four digits
    "+881 6 123 45678": "881612345678",  # a satellite network
    "+80012345678": "80012345678",
}
REFUSED = {
    "": "international form",
    "13800000000": "international form",
    "(+86) 138 0000 0000": "international form",
    "tel:+12125550100": "international form",
    "abc": "international form",
    "+": "not a phone number",
    "00": "not a phone number",
    "+abc": "not a phone number",
    "+86+13800000000": "not a phone number",
    "+0086138": "not a phone number",
    "+86 13800000000 / +86 13900000000": "not a phone number",
    "+999123456789": "no country",
    "+8613": "no number of its country",
    "+7495123456": "too short",
    "+1234567": "too short",
    "+800123456789": "too long",
    "+49151234567890123": "15 digits",
    "+8613800000000" + "0" * 40: "longer than any",
    "+" + "1" * 1_000_000: "longer than any",
}


@pytest.mark.parametrize("typed", FINE)
def test_typed_numbers_become_digits(typed: str) -> None:
    assert normalize_destination(typed) == FINE[typed]


@pytest.mark.parametrize("typed", REFUSED, ids=lambda typed: typed[:40])
def test_what_names_no_one_is_refused_with_a_reason(typed: str) -> None:
    with pytest.raises(AddressError, match=REFUSED[typed]):
        normalize_destination(typed)


def test_one_number_gives_the_same_digits_however_it_is_written() -> None:
    """Else it had two blind indexes, two lanes and two opt-outs."""
    styles = phonenumbers.PhoneNumberFormat
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        digits = phonenumbers.format_number(number, styles.E164)[1:]
        written = [
            phonenumbers.format_number(number, styles.E164),
            phonenumbers.format_number(number, styles.INTERNATIONAL),
            f"00{digits}",
            f"+{number.country_code} {digits.removeprefix(str(number.country_code))}",
        ]
        assert {normalize_destination(text) for text in written} == {digits}, region


def test_calling_codes_are_those_of_the_numbering_plan() -> None:
    expected = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        lengths: list[int] = []
        for region in regions:
            plan = (
                PhoneMetadata.metadata_for_nongeo_region(code, None)
                if region == "001"
                else PhoneMetadata.metadata_for_region(region, None)
            )
            assert plan is not None
            assert plan.general_desc is not None
            lengths += plan.general_desc.possible_length
        expected[code] = (min(lengths), max(lengths))
    assert expected == NATIONAL_LENGTHS, f"phonenumbers {phonenumbers.__version__} knows other lengths"


def test_calling_codes_are_prefix_free() -> None:
    """What the quick look-up by two, three and one digits relies on."""
    texts = {str(code) for code in NATIONAL_LENGTHS}
    assert {len(text) for text in texts} == {1, 2, 3}
    assert not [(text, text[:size]) for text in texts for size in range(1, len(text)) if text[:size] in texts]


@pytest.mark.parametrize("code", sorted(NATIONAL_LENGTHS))
def test_each_country_takes_its_shortest_and_its_longest_and_nothing_beyond(code: int) -> None:
    shortest, longest = NATIONAL_LENGTHS[code]
    for size in (shortest, longest):
        if 7 <= len(f"{code}") + size <= 15:
            assert normalize_destination(f"+{code}{'9' * size}") == f"{code}{'9' * size}"
    for size, fault in ((shortest - 1, "too short"), (longest + 1, "too long")):
        if 7 <= len(f"{code}") + size <= 15:
            with pytest.raises(AddressError, match=fault):
                normalize_destination(f"+{code}{'9' * size}")


@pytest.mark.parametrize("sender", ["123", "10690000", "+4917012345678"[:15], "123456789012345"])
def test_numeric_senders_lose_their_plus(sender: str) -> None:
    assert check_sender(sender) == sender.lstrip("+")
    assert sender_address(check_sender(sender), 5, 0) == Address(1, 1, sender.lstrip("+"))


@pytest.mark.parametrize("sender", ["Acme", "A", "Acme Inc.", "M&S", "O'Neil", "Shop £5", "elevenchars"])
def test_named_senders_stay_as_they_are_and_take_the_carriers_plan(sender: str) -> None:
    assert check_sender(sender) == sender
    assert sender_address(sender, 5, 9) == Address(5, 9, sender)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        " ",
        "           ",
        "twelve chars",
        "1234567890123456",
        "Acme\n",
        "A\0",
        "Ärger",
        "[x]",
        "a^b",
        "{",
        "€5",
        "١٢٣",
    ],
)
def test_other_senders_are_refused(sender: str) -> None:
    with pytest.raises(AddressError, match=r"3 to 15 digits, or 1 to 11"):
        check_sender(sender)
