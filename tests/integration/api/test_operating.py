"""What operators see and do, on real parts: carriers, doubts and what became of them, acts, messages from handsets.

Dispatchers' records are written as they write them; api, recorder and commands are real processes."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bus.kafka_publisher import KafkaPublisher
from bus.ports import Entry
from schemas.codec import encode
from schemas.ids import from_text, random_ids, to_text
from schemas.records import InDoubt, LaneStatus, MoMessage, SubmitOutcome
from schemas.sealing import Sealer
from tests.integration.api.rig import SEND, Installation

SEAL_KEYS: Mapping[int, bytes] = {1: b"s" * 32}
"""Those of the rig's environment."""
HANDSET, OUR_NUMBER = "8613800000009", "10690000"


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, postgres_dsn: str) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    await made.create_topics()
    await made.migrate(postgres_dsn)
    return made


async def publish(installation: Installation, topic: str, partition: int, *entries: Entry) -> None:
    publisher = KafkaPublisher(installation.bootstrap, "test")
    await publisher.start()
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    publisher.publish(topic, partition, entries, done.set_result)
    try:
        assert await asyncio.wait_for(done, 10) is None
    finally:
        await publisher.stop()


async def until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], patience_s: float = 20.0) -> Any:
    """What `ask` gives, once it is as wanted."""
    async with asyncio.timeout(patience_s):
        while not holds(found := await ask()):
            await asyncio.sleep(0.05)
    return found


def listing(client: httpx.AsyncClient, path: str) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        return (await client.get(path)).raise_for_status().json()["data"]

    return ask


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_carriers_show_binds_rates_and_queues_and_a_switch_of_another_process(installation: Installation) -> None:
    secret = await installation.key("--scopes", "admin")
    async with (
        installation.api() as one,
        installation.api() as two,
        one.client(secret) as client,
        two.client(secret) as other,
    ):
        status = LaneStatus("alpha", 0, "bound", now_ms(), "d1", "", 480.5, (3, 2, 1))
        await publish(installation, installation.topics.carrier_status, 0, (b"alpha/0", encode(status)))
        (alpha,) = await until(listing(client, "/v1/carriers"), lambda data: bool(data[0]["binds_up"]))
        assert (alpha["name"], alpha["state"], alpha["binds"], alpha["contract_tps"]) == ("alpha", "active", 1, 500)
        assert alpha["queued"] == {"otp": 3, "notice": 2, "marketing": 1}
        (lane,) = alpha["lanes"]
        assert (lane["state"], lane["instance"], lane["rate_tps"]) == ("bound", "d1", 480.5)

        order = {"reason": "their incident"}
        assert (await other.post("/v1/carriers/alpha/drain", json=order)).status_code == 200
        (alpha,) = await until(listing(client, "/v1/carriers"), lambda data: data[0]["state"] == "draining", 2)
        assert alpha["switch"]["reason"] == "their incident"
        # What the api says, the command says too; and what the command does, the api knows.
        code, out, err = await installation.run("carriers", "tps", "alpha", "600", "--reason", "a burst", "--json")
        assert code == 0, err
        told = json.loads(out)
        assert (told["state"], told["tps"], "above the contract" in told["warning"]) == ("draining", 600, True)
        await until(listing(other, "/v1/carriers"), lambda data: data[0]["tps"] == 600, 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pause", "omega", "--reason", "a test"], "has no carrier omega"),
        (["pause", "alpha", "--reason", "a test", "--until", "soon"], "--until 'soon' is no time"),
        (["drain", "alpha", "--reason", "a test", "--until", "2020-01-01"], "is over"),
        (["tps", "alpha", "5001", "--reason", "a test"], "to 5000"),
        (["tps", "alpha", "0", "--reason", "a test", "--until", "2999-01-01"], "without a rate"),
        (["pause", "alpha", "--reason", " "], "--reason"),
        (["pause", "alpha", "--reason", "x" * 300], "--reason"),
    ],
)
async def test_a_switch_by_command_that_is_wrong_is_one_line(
    installation: Installation, words: list[str], told: str
) -> None:
    code, out, err = await installation.run("carriers", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert told in err


async def test_doubts_tell_what_was_really_sent(installation: Installation) -> None:
    secret = await installation.key("--scopes", "*")
    async with installation.process("recorder"), installation.api() as api, api.client(secret) as client:
        sent, held, refused = [await in_doubt(installation, client, number) for number in range(3)]
        open_ones = await until(listing(client, "/v1/in-doubt"), lambda data: len(data) == 3)
        assert {(row["id"], row["open"], row["sent"]) for row in open_ones} == {
            (id, True, None) for id in (sent, held, refused)
        }
        assert {row["account"] for row in open_ones} == {"shop"}

        await answer(installation, sent, "")
        await answer(installation, refused, "invalid_destination")
        order = ("--action", "drop", "--reason", "nobody wants it any more", "--json")
        code, out, err = await installation.run("in-doubt", "resolve", held, *order)
        assert (code, json.loads(out)) == (0, [{"id": held, "accepted": True, "error": None}]), err
        assert await until(listing(client, "/v1/in-doubt"), lambda data: not data) == []
        ended = await until(listing(client, "/v1/in-doubt?open=false"), lambda data: len(data) == 3)
        assert {row["id"]: (row["resolution"], row["sent"]) for row in ended} == {
            sent: ("sent", True), refused: ("refused", False), held: ("drop", None),
        }  # fmt: skip
        code, out, err = await installation.run("in-doubt", "list", "--all", "--json")
        assert {row["id"]: row["sent"] for row in json.loads(out)["data"]} == {sent: True, refused: False, held: None}
        code, out, _ = await installation.run("in-doubt", "resolve", sent, *order)
        assert (code, json.loads(out)[0]["error"]) == (1, "is sent, and not in doubt")
        acts = await until(listing(client, "/v1/audit?kind=in_doubt"), bool)
        assert [(act["subject"], act["reason"]) for act in acts] == [(held, "nobody wants it any more")]


async def in_doubt(installation: Installation, client: httpx.AsyncClient, number: int) -> str:
    """A message that a lane held when its answer did not come; its id."""
    body = {**SEND, "to": f"+8613800000{number:03d}"}
    id: str = (await client.post("/v1/messages", json=body)).raise_for_status().json()["id"]
    doubt = InDoubt(from_text(id), 1, 0, now_ms(), 0, 1, 0, "held", "no_answer")
    await publish(installation, installation.topics.outcomes("alpha"), 0, (from_text(id), encode(doubt)))
    return id


async def answer(installation: Installation, id: str, code: str) -> None:
    """The carrier's answer, which came after all."""
    at_ms = now_ms()
    outcome = SubmitOutcome(
        from_text(id), 1, 0, at_ms, 0, 1, 0, at_ms - 5, code, 11 if code else 0, ("" if code else "77",)
    )
    await publish(installation, installation.topics.outcomes("alpha"), 0, (from_text(id), encode(outcome)))


async def test_acts_are_listed_with_who_why_and_when(installation: Installation) -> None:
    before_ms = now_ms()
    secret = await installation.key("--scopes", "*", "--reason", "first key")
    async with installation.process("recorder"), installation.api() as api, api.client(secret) as client:
        code, _, err = await installation.run("keys", "account", "shop", "--rate", "500", "--reason", "as agreed")
        assert code == 0, err
        order = {"reason": "maintenance", "until": "2999-01-01T00:00:00Z"}
        assert (await client.post("/v1/carriers/alpha/pause", json=order)).status_code == 200
        sent = (await client.post("/v1/messages", json=SEND)).json()["id"]
        acts = await until(listing(client, "/v1/audit"), lambda data: len(data) >= 4)
        told = [(act["kind"], act["subject"], act["reason"]) for act in reversed(acts)]
        assert told[-2:] == [("account", "shop", "as agreed"), ("carrier", "alpha", "maintenance")]
        assert {kind for kind, _, reason in told if reason == "first key"} == {"key", "account"}
        pause = acts[0]
        assert pause["actor"].startswith("shop/")
        assert (pause["what"]["state"], pause["what"]["until_ms"]) == ("paused", 32_472_144_000_000)
        assert before_ms <= at_ms(pause["at"]) <= now_ms()
        assert secret not in json.dumps(acts)

        # Who is shown a number is an act, too.
        await until(lambda: client.get(f"/v1/messages/{sent}"), lambda found: found.status_code == 200)
        reads = await until(listing(client, "/v1/audit?kind=content"), bool)
        assert {act["subject"] for act in reads} == {sent}
        first = (await client.get("/v1/audit?limit=2")).json()
        second = (await client.get(f"/v1/audit?limit=2&cursor={first['next_cursor']}")).json()
        assert not {act["at"] for act in first["data"]} & {act["at"] for act in second["data"]}


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_messages_from_handsets_are_shown_to_their_account(installation: Installation) -> None:
    reader, masked = await installation.key("--scopes", "read:content"), await installation.key("--scopes", "read")
    code, other, _ = await installation.run("keys", "create", "--account", "bank")
    assert code == 0
    at = now_ms()
    identity = random_ids(at, os.urandom(10))[0]
    sealed = Sealer(SEAL_KEYS, os.urandom(6)).seal(identity, HANDSET, OUR_NUMBER, "STOP")
    mo = MoMessage(identity, "alpha", 0, at, "shop", sealed, b"i" * 16, OUR_NUMBER)
    await publish(installation, installation.topics.mo, 0, (b"i" * 16, encode(mo)))
    async with installation.process("recorder"), installation.api() as api:
        async with api.client(reader) as client:
            (row,) = await until(listing(client, "/v1/inbound"), bool)
        assert (row["id"], row["from"], row["to"], row["text"]) == (
            to_text(identity),
            f"+{HANDSET}",
            OUR_NUMBER,
            "STOP",
        )
        assert (row["carrier"], at_ms(row["at"])) == ("alpha", at)
        async with api.client(masked) as client:
            (row,) = await listing(client, "/v1/inbound")()
            assert (row["from"], row["text"]) == ("+861380****009", None)
        async with api.client(other.strip()) as client:
            assert await listing(client, "/v1/inbound")() == []
