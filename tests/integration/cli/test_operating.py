"""Operators' commands on a real Kafka and Postgres: from an empty installation to a message that was projected."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bus.kafka_publisher import KafkaPublisher
from bus.ports import Entry
from cli.main import main
from schemas.codec import encode
from schemas.ids import random_ids, to_text
from schemas.records import DeadLetter, LaneStatus, MtMessage, SubmitOutcome
from schemas.sealing import BlindIndex, Sealer
from schemas.topics import Topics

CARRIERS = """
[carriers.alpha]
host = "127.0.0.1"
port = 2775
system_id = "alpha"
password = "${ALPHA_PASSWORD}"
tps = 10
lanes = 2
partitions = 2
in_doubt = { marketing = "resend" }
[[routes]]
carriers = { alpha = 1 }
"""
KEY, INDEX = b"k" * 32, b"i" * 32
NUMBER = "8613800000000"


class Installation:
    """Runs commands in one environment and gives what they print."""

    def __init__(self, environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self.environ = environ
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        code = main(list(words), self.environ)
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def json(self, *words: str) -> Any:
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    def publish(self, topic: str, partition: int, *entries: Entry) -> None:
        asyncio.run(self._publish(topic, partition, entries))

    async def _publish(self, topic: str, partition: int, entries: tuple[Entry, ...]) -> None:
        publisher = KafkaPublisher(self.environ["SMPPD_KAFKA_BOOTSTRAP"], "test")
        await publisher.start()
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        publisher.publish(topic, partition, entries, done.set_result)
        assert await asyncio.wait_for(done, 10) is None
        await publisher.stop()


@pytest.fixture
def installation(
    kafka_bootstrap: str, topic_prefix: str, postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Installation:
    (tmp_path / "carriers.toml").write_text(CARRIERS)
    environ = {
        "SMPPD_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "SMPPD_TOPIC_PREFIX": topic_prefix,
        "SMPPD_POSTGRES_DSN": postgres_dsn,
        "SMPPD_CARRIERS_FILE": str(tmp_path / "carriers.toml"),
        "SMPPD_INSTANCE_ID": "test",
        "SMPPD_SEAL_KEYS": "1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "SMPPD_INDEX_KEY": "aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWk=",
        "SMPPD_HTTP_PORT": "0",
        "ALPHA_PASSWORD": "secret",
        "PATH": os.environ.get("PATH", os.defpath),
    }
    return Installation(environ, capsys)


def errors(installation: Installation) -> set[tuple[str, str]]:
    """(about, what) of what the doctor calls wrong in topics, ledgers and Postgres; the broker may be somebody else's."""
    code, out, _ = installation.run("doctor", "--only", "kafka", "--only", "postgres", "--json")
    told = json.loads(out)
    assert code == (0 if told["ok"] else 1)
    return {
        (each["about"], each["what"])
        for each in told["findings"]
        if each["level"] == "error" and each["about"] != "kafka"
    }


def test_the_doctor_goes_from_what_is_missing_to_all_is_well(installation: Installation) -> None:
    first = errors(installation)
    assert {about for about, _ in first} == {"topics", "ledgers", "postgres"}
    assert any("9 of 9 topics are not there" in what for _, what in first)
    assert any("never migrated" in what for _, what in first)
    assert installation.run("topics")[0] == installation.run("migrate")[0] == 0
    assert errors(installation) == set()


def test_a_topic_with_other_partitions_is_found(installation: Installation, tmp_path: Path) -> None:
    assert installation.run("topics")[0] == 0
    (tmp_path / "carriers.toml").write_text(CARRIERS.replace("partitions = 2", "partitions = 3"))
    told = {what for _, what in errors(installation)}
    assert any("mt.alpha.otp has 2 partitions, it needs 3" in what for what in told)
    assert any("no ledger for 3 of 9 queues" in what for what in told)


def test_lanes_are_listed_as_they_told_last(installation: Installation, topic_prefix: str) -> None:
    code, _, err = installation.run("carriers", "list")
    assert (code, "run `smpp-dispatch topics`" in err) == (2, True)
    installation.run("topics")
    now_ms = time.time_ns() // 1_000_000
    status = LaneStatus("alpha", 1, "throttled", now_ms, "d1", "", 4.5, (0, 7, 0))
    installation.publish(Topics(topic_prefix).carrier_status, 0, (b"alpha/1", encode(status)))
    (shown,) = installation.json("carriers", "list")
    assert [lane["state"] for lane in shown["lanes"]] == ["unknown", "throttled"]
    assert shown["lanes"][1]["queued"] == {"otp": 0, "notice": 7, "marketing": 0}
    assert shown["lanes"][1]["heard_s"] < 60
    told = installation.run("top", "--once", "--metrics", "127.0.0.1:1")[1]
    assert "throttled" in told
    assert "no answer from http://127.0.0.1:1" in told


def test_dead_letters_are_read_from_the_topic(installation: Installation, topic_prefix: str) -> None:
    installation.run("topics")
    assert installation.run("dead-letters", "list")[1] == "there are none\n"
    letters = [DeadLetter("mt.alpha.otp", 1, number, 5, "not msgpack", None, b"\xff" * 20) for number in range(3)]
    entries: list[Entry] = [(b"mt.alpha.otp", encode(letter)) for letter in letters]
    installation.publish(Topics(topic_prefix).dead_letters, 0, *entries)
    assert [each["offset"] for each in installation.json("dead-letters", "list")] == [0, 1, 2]
    assert installation.json("dead-letters", "show", "2")["bytes"] == 20


def test_a_message_is_found_once_it_is_projected(installation: Installation, topic_prefix: str) -> None:
    installation.run("topics")
    installation.run("migrate")
    now_ms = time.time_ns() // 1_000_000
    identity = random_ids(now_ms, os.urandom(10))[0]
    assert installation.run("messages", "get", to_text(identity))[0] == 1
    publish(installation, Topics(topic_prefix), identity, now_ms)
    assert installation.run("recorder", "--rebuild")[0] == 0
    shown = installation.json("messages", "get", to_text(identity))
    assert (shown["status"], shown["to"], shown["text"], shown["account"]) == ("sent", "+861380****000", None, "shop")
    assert shown["attempts"][0]["parts"][0]["smsc_message_id"] == "77"
    found = installation.json("messages", "list", "--account", "shop", "--to", f"+{NUMBER}")["data"]
    assert [each["id"] for each in found] == [to_text(identity)]
    assert installation.json("messages", "list", "--status", "failed")["data"] == []
    assert installation.json("in-doubt", "list")["data"] == []


def publish(installation: Installation, topics: Topics, identity: bytes, now_ms: int) -> None:
    """A message and its answer, as api and dispatcher write them."""
    blind = BlindIndex(INDEX)
    message = MtMessage(
        id=identity, account="shop", cls=0, carrier="alpha",
        sealed=Sealer({1: KEY}, os.urandom(6)).seal(identity, NUMBER, "Acme", "hello"),
        index=blind.of_account("shop", NUMBER), accepted_ms=now_ms, expires_ms=now_ms + 300_000, segments=1, mode=0, alphabet=0,
        max_segments=10, price_micros=0, currency="USD",
    )  # fmt: skip
    outcome = SubmitOutcome(identity, 0, 0, now_ms + 5, 0, 1, 0, now_ms + 1, "", 0, ("77",))
    installation.publish(topics.mt("alpha", 0), 0, (blind.of(NUMBER), encode(message)))
    installation.publish(topics.outcomes("alpha"), 0, (identity, encode(outcome)))


@pytest.mark.parametrize(
    "words", [["messages", "list"], ["in-doubt", "list"], ["carriers", "list"], ["dead-letters", "list"]]
)
def test_a_server_that_is_away_is_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "carriers.toml").write_text(CARRIERS)
    environ = {
        "SMPPD_KAFKA_BOOTSTRAP": "127.0.0.1:1", "SMPPD_POSTGRES_DSN": "postgresql://127.0.0.1:1/none", "ALPHA_PASSWORD": "x",
        "SMPPD_CARRIERS_FILE": str(tmp_path / "carriers.toml"),
    }  # fmt: skip
    assert main(words, environ) == 1
    told = capsys.readouterr().err
    assert "is not reachable at 127.0.0.1:1" in told
    assert told.count("\n") == 1
