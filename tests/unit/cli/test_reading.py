"""`messages`, `in-doubt` and `dead-letters`: what is asked, and how the answer is shown."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from api.reference import ReferenceBook
from cli import dead_letters, reading_side
from cli.carriers_list import LaneBoard, as_text
from cli.main import main
from runtime.errors import ConfigError, UnavailableError
from runtime.settings import Settings, load_settings
from schemas.carriers import CarrierBook
from schemas.codec import encode
from schemas.ids import random_ids, to_text
from schemas.records import DeadLetter, LaneStatus
from schemas.sealing import BlindIndex, Sealer
from schemas.status import Status
from store.rows import Attempt, DoubtRow, Event, MessageFilter, MessageRow, Part

KEY, INDEX = b"k" * 32, b"i" * 32
ENVIRON = {
    "SMPPD_SEAL_KEYS": "1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    "SMPPD_INDEX_KEY": "aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWk=",
}
ID = random_ids(1_790_000_000_000, b"0123456789")[0]
ROW = MessageRow(
    id=ID, account="shop", cls=0, carrier="alpha", status=Status.FAILED,
    sealed=Sealer({1: KEY}, os.urandom(6)).seal(ID, "8613800000000", "Acme", "the text"),
    accepted_ms=1_790_000_000_000, expires_ms=1_790_000_300_000, updated_ms=1_790_000_001_000, alphabet=0, segments=1,
    price_micros=30_000, currency="USD", possible_duplicate=True, in_doubt=False, client_ref="o-1", batch=None, campaign=None,
    tags=(), metadata={}, body_hash=None, error_code="invalid_sender", carrier_status=10, carrier_error=None,
    attempts=(Attempt(1, "alpha", (Part(1, "77", ""),)),), timeline=(Event(1_790_000_000_500, "sent", {"attempt": 1}),),
)  # fmt: skip


@dataclass
class FakeReads:
    """Notes what it is asked."""

    asked: list[Any] = field(default_factory=list)

    async def get_message(self, account: str | None, id: bytes) -> MessageRow | None:
        return ROW if id == ID and account in (None, "shop") else None

    async def list_messages(
        self, account: str | None, wanted: MessageFilter, cursor: str | None, limit: int
    ) -> tuple[list[MessageRow], str | None]:
        if cursor == "bad":
            raise ValueError
        self.asked.append((account, wanted, cursor, limit))
        return [ROW], "next"

    async def list_in_doubt(
        self, account: str | None, carrier: str | None, *, limit: int, cursor: str | None, open_only: bool
    ) -> tuple[list[DoubtRow], str | None]:
        self.asked.append((account, carrier, cursor, limit))
        assert open_only
        given = dict.fromkeys(DoubtRow.__dataclass_fields__, 0)
        told: Any = {
            **given, "id": ID, "account": "shop", "carrier": "alpha", "cls": 1, "reason": "owner_lost", "action": "resending",
            "at_ms": 1_790_000_000_000, "attempt": 1, "client_ref": None, "status": Status.SENT, "resolved_ms": None,
            "resolution": None, "sent": None,
        }  # fmt: skip
        return [DoubtRow(**told)], None


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> FakeReads:
    fake = FakeReads()

    @asynccontextmanager
    async def reads(_settings: Settings) -> AsyncIterator[FakeReads]:
        yield fake

    monkeypatch.setattr(reading_side, "reads", reads)
    return fake


def test_a_message_is_shown_masked(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", "get", to_text(ID)], ENVIRON) == 0
    told = capsys.readouterr().out
    for expected in (
        "otp  failed (final)",
        "+861380****000",
        "invalid_sender",
        "0x0000000A",
        "possible_duplicate yes",
        "77",
        "sent",
    ):
        assert expected in told
    assert "the text" not in told


def test_content_is_shown_when_asked_for_and_that_is_logged(
    side: FakeReads, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["messages", "get", to_text(ID), "--content", "--json"], ENVIRON) == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert (shown["to"], shown["text"], shown["account"]) == ("+8613800000000", "the text", "shop")
    assert "content_read" in told.err


def test_content_needs_the_keys(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", "get", to_text(ID), "--content"], {}) == 2
    assert "SMPPD_SEAL_KEYS is not set" in capsys.readouterr().err


def test_without_keys_a_message_is_shown_without_its_number(
    side: FakeReads, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["messages", "get", to_text(ID)], {}) == 0
    assert "to (sealed) from (sealed) by alpha" in capsys.readouterr().out


def test_what_is_not_there_is_one_line(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    other = to_text(random_ids(1_790_000_000_000, b"9876543210")[0])
    assert main(["messages", "get", other], {}) == 1
    assert f"no message has the id {other}" in capsys.readouterr().err
    assert main(["messages", "get", to_text(ID), "--account", "other"], {}) == 1
    assert main(["messages", "get", "nonsense"], {}) == 2


def test_a_list_hands_every_filter_on(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["messages", "list", "--json", "--account", "shop", "--status", "failed", "--class", "otp"]
    words += ["--carrier", "alpha", "--to", "+8613800000000", "--client-ref", "o-1", "--tag", "x", "--limit", "7"]
    words += ["--from", "2026-01-31", "--until", "2026-01-31T12:00:00Z"]
    assert main(words, ENVIRON) == 0
    assert json.loads(capsys.readouterr().out)["next_cursor"] == "next"
    wanted = MessageFilter(
        status=Status.FAILED, cls=0, carrier="alpha", destination_index=BlindIndex(INDEX).of_account("shop", "8613800000000"),
        client_ref="o-1", tag="x", from_ms=1_769_817_600_000, until_ms=1_769_860_800_000,
    )  # fmt: skip
    assert side.asked == [("shop", wanted, None, 7)]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--to", "+8613800000000"], 2, "--to needs --account"),
        (["--account", "shop", "--to", "123"], 2, "--to 123 is wrong"),
        (["--from", "yesterday"], 2, "--from 'yesterday' is no time"),
        (["--batch", "7"], 2, "is no batch id"),
        (["--limit", "0"], 1, "--limit 0 is wrong"),
        (["--cursor", "bad"], 1, "--cursor is not one that this service gave"),
    ],
)
def test_a_filter_that_is_wrong_is_one_line(
    words: list[str], code: int, says: str, side: FakeReads, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["messages", "list", *words], ENVIRON) == code
    assert says in capsys.readouterr().err


def test_a_list_is_columns_and_tells_how_to_go_on(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", "list"], ENVIRON) == 0
    told = capsys.readouterr()
    header, row = told.out.splitlines()
    assert header.split()[:3] == ["ID", "ACCEPTED", "ACCOUNT"]
    assert row.split()[-2:] == ["invalid_sender", "possible_duplicate"]
    assert told.err.strip() == "more: --cursor next"


def test_doubts_are_listed(side: FakeReads, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["in-doubt", "list", "--carrier", "alpha"], {}) == 0
    assert "owner_lost" in capsys.readouterr().out
    assert main(["in-doubt", "list", "--json"], {}) == 0
    (shown,) = json.loads(capsys.readouterr().out)["data"]
    assert (shown["id"], shown["class"], shown["account"]) == (to_text(ID), "notice", "shop")
    assert side.asked[0] == (None, "alpha", None, 100)


class Record:
    """bus.ports.StoredRecord."""

    def __init__(self, offset: int, value: bytes, key: bytes | None = b"k", timestamp: int = 1_790_000_000_000) -> None:
        self.offset, self.value, self.key, self.timestamp = offset, value, key, timestamp


LETTER = DeadLetter("mt.alpha.otp", 3, 41, 1_790_000_000_000, "not msgpack", b"key", b"\x00what is this\xff")


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(_settings: Settings, _topic: str) -> list[Record]:
        return [Record(4, encode(LETTER)), Record(5, b"not even a letter")]

    monkeypatch.setattr(dead_letters, "read_topic", read)


@pytest.mark.usefixtures("letters")
def test_dead_letters_are_listed_even_one_that_can_t_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list"], {}) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "4"
    assert first.endswith("not msgpack")
    assert second.endswith("can't be read by this release")
    assert main(["dead-letters", "list", "--json"], {}) == 0
    assert json.loads(capsys.readouterr().out)[0]["offset"] == 41


@pytest.mark.usefixtures("letters")
def test_a_dead_letter_is_shown_with_its_bytes(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["dead-letters", "show", "4"], {}) == 0
    told = capsysbinary.readouterr().out
    assert b"00 77 68 61 74 20 69 73 20 74 68 69 73 ff" in told
    assert b".what is this." in told
    assert main(["dead-letters", "show", "4", "--raw"], {}) == 0
    assert capsysbinary.readouterr().out == LETTER.value
    assert main(["dead-letters", "show", "9"], {}) == 2


def test_a_lane_that_nobody_speaks_for_any_more_is_silent() -> None:
    book = CarrierBook.model_validate(
        {"carriers": {"alpha": {"host": "h", "port": 1, "system_id": "a", "tps": 9, "lanes": 3}}}
    )
    now_ms = 1_790_000_000_000
    status = LaneStatus("alpha", 0, "bound", now_ms, "d1", "", 3.0, (1, 2, 3))
    board = LaneBoard()
    board.apply(
        [
            Record(0, encode(status), b"alpha/0", now_ms - 10_000),
            Record(1, encode(status), b"alpha/1", now_ms - 200_000),
        ]
    )
    (shown,) = board.view(book, ReferenceBook(), now_ms)
    assert [lane["state"] for lane in shown["lanes"]] == ["bound", "silent", "unknown"]
    assert shown["binds_up"] == 1
    assert [line.split()[2] for line in as_text([shown]).splitlines()[1:]] == ["bound", "silent", "unknown"]


async def test_without_kafka_there_is_one_line() -> None:
    from cli.topic_reading import read_topic

    with pytest.raises(UnavailableError, match=r"Kafka is not reachable at 127\.0\.0\.1:1"):
        await read_topic(load_settings({"SMPPD_KAFKA_BOOTSTRAP": "127.0.0.1:1"}), "carrier-status")


def test_times_are_read_in_utc_unless_they_say_otherwise() -> None:
    assert reading_side.millis_of("2026-01-31T01:00:00+01:00", "--from") == reading_side.millis_of(
        "2026-01-31", "--from"
    )
    with pytest.raises(ConfigError):
        reading_side.millis_of("31.1.2026", "--from")
