"""Messages that are asked for at once go over the desk together, and each gets what it would have got alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from api.acceptance import Answer, Asked
from api.idempotency import KeyedLookups
from api.intake import Caller
from api.problems import Refusal
from tests.unit.api.stage import SEND, Stage

SHOP = Caller("k", "shop", frozenset({"send"}), True)
BODY = json.dumps(SEND).encode()
OTHER = json.dumps({**SEND, "text": "other"}).encode()
WRONG = json.dumps({**SEND, "to": "12"}).encode()


def told(asked: Sequence[Asked]) -> list[str]:
    """What became of each, in a word; "" while that is not known."""
    return [_word(one.outcome) for one in asked]


def _word(outcome: Answer | Exception | None) -> str:
    if isinstance(outcome, Answer):
        return "replayed" if "Idempotency-Replayed" in outcome.headers else "accepted"
    return outcome.code if isinstance(outcome, Refusal) else type(outcome).__name__ if outcome else ""


async def told_meanwhile(stage: Stage, asked: Sequence[Asked], answer: asyncio.Event) -> tuple[list[str], list[str]]:
    """What became of each: once the second is told, and once what the first waits for has its answer, too."""
    under_way = asyncio.create_task(stage.desk.messages(asked))
    while not told(asked)[1]:
        await asyncio.sleep(0)
    meanwhile = told(asked)
    answer.set()
    await under_way
    return meanwhile, told(asked)


async def test_a_key_that_comes_twice_at_once_is_one_message_with_one_id() -> None:
    stage = Stage()
    asked = [Asked(SHOP, BODY, "k1"), Asked(SHOP, OTHER, "k1"), Asked(SHOP, BODY, "k1")]
    await stage.desk.messages(asked)
    assert told(asked) == ["accepted", "idempotency_key_reused", "accepted"]
    assert len({message.id for message in stage.published()}) == 1
    assert asked[0].result().headers == asked[2].result().headers
    with pytest.raises(Refusal):
        asked[1].result()


async def test_a_key_whose_message_was_refused_is_free_again() -> None:
    stage = Stage()
    await stage.desk.messages([Asked(SHOP, WRONG, "k1"), Asked(SHOP, WRONG, "k2")])
    later = [Asked(SHOP, BODY, "k1"), Asked(SHOP, OTHER, "k2")]
    await stage.desk.messages(later)
    assert told(later) == ["accepted", "accepted"]


async def test_all_keys_are_one_question_and_what_is_known_is_not_sent_again() -> None:
    first, later = Stage(), Stage()
    await first.desk.messages([Asked(SHOP, BODY, "k1"), Asked(SHOP, BODY, "k2")])
    for message in first.published():
        first.project(message)
    later.desk.reads = first.reads
    later.desk.lookups = KeyedLookups(first.reads.find_keyed, later.clock)
    first.reads.asked.clear()
    asked = [Asked(SHOP, BODY, "k1"), Asked(SHOP, OTHER, "k2"), Asked(SHOP, BODY, "k3")]
    await later.desk.messages(asked)
    assert told(asked) == ["replayed", "idempotency_key_reused", "accepted"]
    assert [question[0] for question in first.reads.asked] == ["keyed", "message"]
    assert len(later.published()) == 1


async def test_what_has_no_key_does_not_wait_for_the_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    answer = asyncio.Event()

    async def find(_ids: Any) -> dict[Any, Any]:
        await answer.wait()
        return {}

    monkeypatch.setattr(stage.desk.lookups, "find", find)
    asked = [Asked(SHOP, BODY, "k1"), Asked(SHOP, BODY, None)]
    meanwhile, after = await told_meanwhile(stage, asked, answer)
    assert meanwhile == ["", "accepted"]
    assert after == ["accepted", "accepted"]


async def test_what_is_new_does_not_wait_for_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    first, stage = Stage(), Stage()
    await first.desk.messages([Asked(SHOP, BODY, "k1")])
    first.project(first.published()[0])
    stage.desk.lookups = KeyedLookups(first.reads.find_keyed, stage.clock)
    answer = asyncio.Event()

    async def get_message(_account: Any, _id: bytes) -> None:
        await answer.wait()

    monkeypatch.setattr(stage.reads, "get_message", get_message)
    asked = [Asked(SHOP, BODY, "k1"), Asked(SHOP, BODY, "k2")]
    meanwhile, after = await told_meanwhile(stage, asked, answer)
    assert meanwhile == ["", "accepted"]
    assert after == ["accepted", "accepted"], "the projection lost it meanwhile: the lane knows whether it had it"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("lookups", ["ZeroDivisionError", "accepted"]),
        ("reads", ["ZeroDivisionError", "accepted"]),
        ("posting", ["ZeroDivisionError", "ZeroDivisionError"]),
    ],
)
async def test_a_fault_of_ours_is_told_to_those_whom_it_concerns(
    monkeypatch: pytest.MonkeyPatch, broken: str, words: list[str]
) -> None:
    first, stage = Stage(), Stage()
    await first.desk.messages([Asked(SHOP, BODY, "k1")])
    first.project(first.published()[0])
    stage.desk.lookups = KeyedLookups(first.reads.find_keyed, stage.clock)

    async def failing(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(getattr(stage.desk, broken), METHODS[broken], failing)
    asked = [Asked(SHOP, BODY, "k1" if broken == "reads" else "k2"), Asked(SHOP, BODY, None)]
    await stage.desk.messages(asked)
    assert told(asked) == words


METHODS = {"lookups": "find", "reads": "get_message", "posting": "post"}


async def test_each_counts_for_the_quota_and_what_is_refused_is_given_back() -> None:
    stage = Stage()
    stage.limit(rate_per_s=2)
    asked = [Asked(SHOP, body, None) for body in (WRONG, BODY, BODY, b"{")]
    await stage.desk.messages(asked)
    assert told(asked) == ["invalid_number", "accepted", "accepted", "invalid_json"]
    later = [Asked(SHOP, WRONG, None), Asked(SHOP, BODY, None)]
    await stage.desk.messages(later)
    assert told(later) == ["rate_limited", "rate_limited"]


async def test_what_kafka_did_not_confirm_counts_for_the_quota() -> None:
    stage = Stage(timeout_s=0.01)
    stage.limit(per_day=2)
    stage.cluster.hold_publishes = True
    asked = [Asked(SHOP, BODY, None), Asked(SHOP, BODY, "k1")]
    await stage.desk.messages(asked)
    assert told(asked) == ["intake_unavailable"] * 2
    stage.cluster.hold_publishes = False
    await stage.drained()
    later = Asked(SHOP, BODY, "k1")
    await stage.desk.messages([later])
    assert told([later]) == ["rate_limited"], "it may have them"


async def test_of_nothing_comes_nothing() -> None:
    stage = Stage()
    await stage.desk.messages([])
    assert stage.published() == []
