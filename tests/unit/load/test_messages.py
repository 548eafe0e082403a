"""Generated messages keep their mix, their nonces are unique and at the head of the text, their numbers are valid."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from auditor.text import read
from load.messages import CYCLE, FileMessages, Mix, Nonces, parse_weights, read_texts, spread
from load.texts import TEXTS, segments_of
from runtime.errors import ConfigError
from schemas.addresses import normalize_destination
from smpp.text.modes import Mode
from smpp.text.segments import Form, encode, measure

CLASSES = {"otp": 2, "notice": 3, "marketing": 5}
KINDS = {"short": 80, "long": 10, "ucs2": 8, "emoji": 2}


def mix(**options: object) -> Mix:
    return Mix(CLASSES, KINDS, {"86138": 3, "49171": 1}, "Acme", **options)  # type: ignore[arg-type]


def test_shares_are_exact_in_each_cycle() -> None:
    bodies = [json.loads(message.body) for message in mix().take(2 * CYCLE)]
    assert Counter(body["class"] for body in bodies) == {"otp": 400, "notice": 600, "marketing": 1000}
    assert sum(body["to"].startswith("+86138") for body in bodies) == 1500


def test_one_seed_gives_one_order_of_kinds() -> None:
    orders = [[json.loads(message.body)["class"] for message in mix(seed=seed).take(50)] for seed in (7, 7, 8)]
    assert orders[0] == orders[1] != orders[2]


def test_nonces_and_numbers_are_unique() -> None:
    messages = mix().take(50_000)
    assert len({message.nonce for message in messages}) == 50_000
    assert len({message.to for message in messages}) == 50_000


def test_runs_do_not_share_nonces() -> None:
    assert not {message.nonce for message in mix().take(100)} & {message.nonce for message in mix().take(100)}


def test_nonces_count_beyond_a_million() -> None:
    nonces = Nonces(random.Random(1))
    numbers = (0, 1, 32_767, 32_768, 1_000_000, 2**30 - 1)
    assert len({nonces.of(number) for number in numbers}) == len(numbers)


@pytest.mark.parametrize("prefix", ["86138", "49171", "1202", "4477", "336", "346", "9198", "5511", "79"])
def test_numbers_are_valid_where_they_are(prefix: str) -> None:
    for message in Mix({"otp": 1}, {"short": 1}, {prefix: 1}, "Acme").take(20):
        assert normalize_destination("+" + message.to.decode()) == message.to.decode()


def test_the_auditor_finds_the_nonce_in_whatever_a_lane_makes_of_the_text() -> None:
    for message in Mix({"otp": 1}, dict.fromkeys(TEXTS, 1), {"86138": 1}, "Acme").take(100):
        body = json.loads(message.body)
        done = encode(body["text"], Mode.AUTO, Form("gsm7", "udh8"), 200)
        part = done.parts[0]
        place, nonce = read(part.esm_class_bits, done.data_coding, part.short_message, {}, packed=False)
        assert nonce == message.nonce.decode()
        assert place.parts == len(done.parts)


def test_segments_are_counted_as_the_service_counts_them() -> None:
    for kind in TEXTS.values():
        for text in kind:
            assert segments_of(text) == measure(text, Mode.AUTO, Form("gsm7", "udh8")).segments


def test_the_mean_of_segments_is_that_of_the_mix() -> None:
    source = mix()
    texts = [json.loads(message.body)["text"] for message in source.take(CYCLE)]
    assert source.segments == sum(map(segments_of, texts)) / CYCLE


def test_percent_signs_and_quotes_survive() -> None:
    (message,) = Mix({"otp": 1}, {"file": 1}, {"86138": 1}, "A%b", written={"file": ['50% "off" \\ %b']}).take(1)
    assert json.loads(message.body)["text"] == f'{message.nonce.decode()} 50% "off" \\ %b'
    assert json.loads(message.body)["sender"] == "A%b"


def test_a_file_gives_its_own_messages_with_a_nonce_before_the_text(tmp_path: Path) -> None:
    path = tmp_path / "messages.ndjson"
    path.write_text(
        '{"to":"+86 138 0000 0001","text":"Hi","sender":"Me","tags":["x"]}\n\n{"to":"00491712345678","text":"Ho"}\n'
    )
    source = FileMessages(str(path))
    first, second = source.take(10)
    assert source.take(10) == []
    assert (first.to, second.to) == (b"8613800000001", b"491712345678")
    body = json.loads(first.body)
    assert body["text"] == f"{first.nonce.decode()} Hi"
    assert body["tags"] == ["x"]


@pytest.mark.parametrize(("line", "told"), [("no", ":1 is no JSON object"), ('{"to":"+1"}', ":1 has no 'text'")])
def test_a_wrong_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "messages.ndjson"
    path.write_text(line + "\n")
    with pytest.raises(ConfigError, match=told):
        FileMessages(str(path)).take(1)


def test_weights_are_read() -> None:
    assert parse_weights("--classes", "otp=2, notice,marketing=0") == {"otp": 2, "notice": 1}


@pytest.mark.parametrize("text", ["", "otp=0", "otp=x", "otp=-1"])
def test_wrong_weights_name_their_flag(text: str) -> None:
    with pytest.raises(ConfigError, match="--classes"):
        parse_weights("--classes", text)


def test_unknown_texts_and_prefixes_are_refused() -> None:
    with pytest.raises(ConfigError, match="no kind of text 'lonk'"):
        Mix(CLASSES, {"lonk": 1}, {"86138": 1}, "Acme")
    with pytest.raises(ConfigError, match="--to-prefix 0049"):
        Mix(CLASSES, KINDS, {"0049": 1}, "Acme")


def test_shares_that_do_not_divide_are_spread() -> None:
    names = spread({"a": 1, "b": 1, "c": 1}, 100, random.Random(1))
    assert sorted(Counter(names).values()) == [33, 33, 34]


def test_a_file_of_texts_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    path.write_text("one\n\ntwo\n")
    assert read_texts(str(path)) == {"file": ["one", "two"]}
    path.write_text("\n")
    with pytest.raises(ConfigError, match="no text in it"):
        read_texts(str(path))
