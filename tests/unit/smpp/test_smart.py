"""Smart encoding changes the look of a text, never its letters."""

from __future__ import annotations

import pytest

from smpp.text import gsm
from smpp.text.smart import transliterate


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“Hello” ‘there’", "\"Hello\" 'there'"),
        ("it’s", "it's"),
        ("«Bonjour»", '"Bonjour"'),
        ("a–b—c−d‑e", "a-b-c-d-e"),
        ("wait…", "wait..."),
        ("10\u00a0000\u202f€", "10 000 €"),
        ("zero\u200bwidth\ufeff\u2060", "zerowidth"),
        ("soft\u00adhyphen", "softhyphen"),
        ("left\u200eright", "leftright"),
        ("cafe\u0301 man\u0303ana", "café mañana"),
        ("ﬁne eﬀort", "fine effort"),
        ("• one\t2½", "* one 21/2"),
        ("a\u2028b", "a\nb"),
        ("`code`", "'code'"),
    ],
)
def test_typography_becomes_plain(text: str, plain: str) -> None:
    assert transliterate(text) == plain
    assert gsm.encode(plain) is not None


@pytest.mark.parametrize("text", ["ç", "ł", "Привет", "您好", "ş", "é", "€100 [ok] ~ {x}", "Grüße\r\n"])
def test_letters_and_what_gsm_has_stay_as_they_are(text: str) -> None:
    assert transliterate(text) == text
