"""Where a text may be cut."""

from __future__ import annotations

import pytest

from smpp.text.graphemes import is_boundary, last_boundary

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
WHOLE = [
    "e\u0301",
    FAMILY,
    "👍🏽",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "🇩🇪",
    WALES,
    "\r\n",
    "각",
    "\u1112\u1161\u11ab",
    "가\u11a8",
    "नि",
    "กิ",
    "ｶﾞ",
]


@pytest.mark.parametrize("cluster", WHOLE)
def test_what_is_read_as_one_character_is_not_cut_inside(cluster: str) -> None:
    text = "a" + cluster + "b"
    inside = range(2, 1 + len(cluster))
    assert not any(is_boundary(text, 0, index) for index in inside)
    assert is_boundary(text, 0, 1)
    assert is_boundary(text, 0, 1 + len(cluster))


def test_flags_in_a_row_are_cut_between_pairs_only() -> None:
    flags = "🇩🇪🇫🇷🇨🇳"
    assert [index for index in range(1, len(flags)) if is_boundary(flags, 0, index)] == [2, 4]


def test_plain_neighbours_may_be_parted() -> None:
    for text in ("ab", "您好", "😀😁", "a您", "\n\r", "가나", "a\u1100"):
        assert is_boundary(text, 0, 1)


def test_a_cut_goes_back_to_the_last_boundary() -> None:
    text = "ab" + FAMILY + "c"
    assert last_boundary(text, 0, 5) == 2
    assert last_boundary(text, 0, len(text)) == len(text)


def test_a_cluster_longer_than_the_room_is_cut_where_the_room_ends() -> None:
    zalgo = "a" + "\u0301" * 100
    assert last_boundary(zalgo, 0, 67) == 67
    assert last_boundary(zalgo, 67, 90) == 90
