"""Quotas of an account, set by command while an api runs: 429 with Retry-After, and the RateLimit headers on every answer
of a limited key."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from tests.integration.api.rig import SEND, Installation

IN_FORCE_S = 2.0
LIMIT = re.compile(r'"(second|day)";r=(\d+);t=(\d+)')


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Installation:
    made = Installation(kafka_bootstrap, topic_prefix, tmp_path)
    await made.create_topics()
    return made


def left(answer: httpx.Response) -> dict[str, int]:
    return {policy: int(count) for policy, count, _ in LIMIT.findall(answer.headers["ratelimit"])}


async def test_an_account_that_is_limited_is_told_so_in_every_answer(installation: Installation) -> None:
    secret, free = await installation.key(), await installation.run("keys", "create", "--account", "bank")
    async with (
        installation.api() as api,
        api.client(secret, timeout=20) as client,
        api.client(free[1].strip(), timeout=20) as other,
    ):
        assert "ratelimit" not in (await client.post("/v1/messages", json=SEND)).headers
        limits = ("--rate", "5", "--per-day", "1000", "--reason", "as agreed", "--json")
        code, out, err = await installation.run("keys", "account", "shop", *limits)
        assert (code, json.loads(out)) == (
            0,
            {"account": "shop", "rate_per_s": 5, "per_day": 1000, "suspended": False},
        ), err
        await comes_into_force(client)
        await every_answer_tells(client)
        await too_many_are_refused(client)
        assert "ratelimit" not in (await other.post("/v1/messages", json=SEND)).headers, "another account is limited"
        await a_suspension_holds_and_ends(installation, client)


async def comes_into_force(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(IN_FORCE_S):
        while "ratelimit" not in (await client.get("/v1/messages")).headers:
            await asyncio.sleep(0.02)


async def every_answer_tells(client: httpx.AsyncClient) -> None:
    for request, status in (
        (client.post("/v1/messages", json=SEND), 202),
        (client.post("/v1/messages", json={**SEND, "to": "x"}), 422),
        (client.post("/v1/messages/preview", json=SEND), 200),
        (client.post("/v1/batches", json={"messages": [SEND]}), 202),
        (client.get("/v1/messages"), 503),
        (client.get("/v1/carriers"), 403),
    ):
        answer = await request
        assert answer.status_code == status, answer.text
        assert answer.headers["ratelimit-policy"] == '"second";q=5;w=1, "day";q=1000;w=86400'
        assert left(answer).keys() == {"second", "day"}


async def too_many_are_refused(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/messages", json=SEND) for _ in range(30)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {202, 429}
    # A bucket of five; what flows in while thirty requests are answered is a few more.
    assert statuses.count(202) < 15
    refused = answers[statuses.index(429)]
    assert (refused.json()["code"], refused.json()["retryable"]) == ("rate_limited", True)
    assert "5 messages a second" in refused.json()["detail"]
    assert left(refused)["second"] == 0
    await asyncio.sleep(int(refused.headers["retry-after"]))
    assert (await client.post("/v1/messages", json=SEND)).status_code == 202
    whole = await client.post("/v1/batches", json={"messages": [SEND] * 9})
    assert (whole.status_code, whole.json()["code"]) == (429, "rate_limited"), "a batch is let in whole or not at all"


async def a_suspension_holds_and_ends(installation: Installation, client: httpx.AsyncClient) -> None:
    for option, status in (("--suspend", 403), ("--restore", 202)):
        code, _, err = await installation.run("keys", "account", "shop", option, "--rate", "0", "--reason", "unpaid")
        assert code == 0, err
        async with asyncio.timeout(IN_FORCE_S):
            while (answer := await client.post("/v1/messages", json=SEND)).status_code != status:
                assert answer.status_code in (202, 403, 429)
                await asyncio.sleep(0.02)
    code, _, err = await installation.run("keys", "account", "nobody", "--rate", "5", "--reason", "x")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "there is no account nobody" in err
