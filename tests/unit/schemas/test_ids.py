"""Ids: sixteen bytes that tell the day, and the same ones again for a repeat."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from schemas.ids import (
    DAY_MS,
    at_day,
    day_of,
    from_text,
    identity,
    is_keyed,
    keyed_id,
    millis_of,
    random_ids,
    rfc3339,
    to_text,
)

SECRET = b"s" * 32
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
MIDNIGHT_MS = NOON_MS + DAY_MS // 2


def test_random_ids_are_uuid_v7_one_for_every_ten_bytes_of_entropy() -> None:
    made = random_ids(NOON_MS, bytes(range(256)) * 5)
    assert len(made) == len(set(made)) == 128
    for one in made:
        parsed = UUID(bytes=one)
        assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
        assert millis_of(one) == NOON_MS
        assert not is_keyed(one)


@pytest.mark.parametrize("entropy", [b"\x00" * 10, b"\xff" * 10])
def test_entropy_of_any_kind_leaves_version_and_variant_alone(entropy: bytes) -> None:
    (one,) = random_ids(NOON_MS, entropy)
    assert UUID(bytes=one).version == 7
    assert one[8] & 0xC0 == 0x80


def test_every_bit_of_entropy_but_six_is_in_the_id() -> None:
    one_bit_each = b"".join((1 << bit).to_bytes(10, "big") for bit in range(80))
    different = set(random_ids(0, one_bit_each)) - set(random_ids(0, bytes(10)))
    assert len(different) == 74  # UUIDv7: 12 + 62


def test_keyed_ids_are_uuid_v8_and_the_same_for_a_repeat() -> None:
    one = keyed_id(SECRET, "shop", "order-1", 0, NOON_MS)
    assert UUID(bytes=one).version == 8
    assert UUID(bytes=one).variant == "specified in RFC 4122"
    assert is_keyed(one)
    assert keyed_id(SECRET, "shop", "order-1", 0, NOON_MS + 3_600_000) == one
    others = {
        keyed_id(SECRET, "shop", "order-1", 1, NOON_MS),
        keyed_id(SECRET, "shop", "order-2", 0, NOON_MS),
        keyed_id(SECRET, "shop2", "order-1", 0, NOON_MS),
        keyed_id(SECRET, "shop", "order-10", 0, NOON_MS),
        keyed_id(SECRET, "shop", "order-", 10, NOON_MS),
        keyed_id(b"t" * 32, "shop", "order-1", 0, NOON_MS),
    }
    assert len(others | {one}) == 7


def test_a_repeat_after_midnight_has_another_day_and_the_same_identity() -> None:
    before = keyed_id(SECRET, "shop", "k", 0, MIDNIGHT_MS - 1)
    after = keyed_id(SECRET, "shop", "k", 0, MIDNIGHT_MS)
    assert before != after
    assert identity(before) == identity(after)
    assert (day_of(after) - day_of(before)).days == 1
    assert at_day(after, MIDNIGHT_MS - DAY_MS) == before
    assert at_day(before, MIDNIGHT_MS) == after


def test_the_day_is_that_of_acceptance_in_utc() -> None:
    assert day_of(random_ids(0, bytes(10))[0]) == date(1970, 1, 1)
    for moment, day in ((MIDNIGHT_MS - 1, date(2026, 9, 21)), (MIDNIGHT_MS, date(2026, 9, 22))):
        assert day_of(random_ids(moment, bytes(10))[0]) == day
        assert day_of(keyed_id(SECRET, "a", "k", 0, moment)) == day
    assert millis_of(keyed_id(SECRET, "a", "k", 0, NOON_MS)) == NOON_MS - DAY_MS // 2


def test_texts_are_canonical_and_come_back() -> None:
    for one in (*random_ids(NOON_MS, bytes(range(100))), keyed_id(SECRET, "shop", "k", 3, NOON_MS)):
        assert to_text(one) == str(UUID(bytes=one))
        assert from_text(to_text(one)) == one
        assert from_text(to_text(one).upper()) == one


GOOD = "01a0c450-6c00-7878-b878-787878787878"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "not an id",
        "01a0c450-6c00-4878-b878-787878787878",  # version 4
        "01a0c450-6c00-1878-b878-787878787878",
        "01a0c450-6c00-7878-7878-787878787878",  # the variant of NCS
        "01a0c450-6c00-7878-f878-787878787878",
        "00000000-0000-0000-0000-000000000000",
        GOOD.replace("-", ""),
        "{" + GOOD + "}",
        "urn:uuid:" + GOOD,
        " " + GOOD,
        GOOD + "\n",
        GOOD + "0",
        GOOD[:-1],
        "01a0c450-6_00-7878-b878-787878787878",  # int() takes underscores
        "01a0c450-6c00-7878-b878-78787878787١",  # and digits of other scripts
        "-01a0c4506c00-7878-b878-787878787878",
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:45] or "empty",
)
def test_what_is_no_id_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text)


def test_times_are_written_in_utc_to_the_millisecond() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(NOON_MS + 7) == "2026-09-21T12:00:00.007Z"
    assert rfc3339(MIDNIGHT_MS - 1) == "2026-09-21T23:59:59.999Z"
