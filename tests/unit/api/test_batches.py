"""POST /v1/batches with JSON: each message on its own, one record for the batch."""

from __future__ import annotations

from typing import Any

import pytest

from api.answers import BatchAnswer
from schemas.ids import from_text
from tests.unit.api.stage import Stage, problem


def numbers(count: int) -> list[dict[str, Any]]:
    return [{"to": f"+86138{number:08d}"} for number in range(count)]


async def test_a_message_that_is_wrong_does_not_spoil_the_others() -> None:
    stage = Stage()
    wrong: list[Any] = [{"to": "+86138"}, {"to": "+8613800000009", "form": 1}, 17, {"to": "+33612345678"}, {}]
    response = await stage.batch([*numbers(2), *wrong, *numbers(1)])
    assert response.status_code == 202
    body = response.json()
    BatchAnswer.model_validate(body)
    assert (body["total"], body["accepted"], body["rejected"]) == (8, 3, 5)
    assert [row["index"] for row in body["results"]] == list(range(8))
    assert [row["status"] for row in body["results"]] == ["queued"] * 2 + ["rejected"] * 5 + ["queued"]
    assert [(row["error"]["code"], row["error"]["field"]) for row in body["results"][2:7]] == [
        ("invalid_number", "to"),
        ("unknown_field", "form"),
        ("invalid_field", None),
        ("no_route", "to"),
        ("missing_field", "to"),
    ]
    assert not any(row["error"]["retryable"] for row in body["results"][2:7])
    queued = {from_text(row["id"]) for row in body["results"] if row["status"] == "queued"}
    assert queued == {message.id for message in stage.published()}


async def test_the_batch_has_a_record_and_its_messages_name_it() -> None:
    stage = Stage()
    response = await stage.batch([*numbers(3), {"to": "x"}], name="March")
    (record,) = stage.batches()
    assert response.json()["batch_id"] == response.headers["location"].rpartition("/")[2]
    assert from_text(response.json()["batch_id"]) == record.id
    assert (record.account, record.name, record.total, record.accepted, record.rejected, record.complete) == (
        "shop",
        "March",
        4,
        3,
        1,
        True,
    )
    assert {message.batch for message in stage.published()} == {record.id}


async def test_a_message_overrides_the_defaults() -> None:
    stage = Stage()
    defaults = {"text": "Default", "sender": "Acme", "ttl_s": 60, "client_ref": "all", "class": "marketing"}
    rows = [
        {"to": "+8613800000000"},
        {"to": "+8613800000001", "text": "Own", "ttl_s": None, "client_ref": None, "class": "otp"},
    ]
    await stage.batch(rows, defaults=defaults)
    found = {stage.sealer.open(each.id, each.sealed).text: each for each in stage.published()}
    first, second = found["Default"], found["Own"]
    assert (first.cls, first.client_ref, first.expires_ms - first.accepted_ms) == (2, "all", 60_000)
    assert (second.cls, second.client_ref, second.expires_ms - second.accepted_ms) == (0, None, 300_000)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"defaults": {"to": "+8613800000000"}}, "unknown_field", "defaults.to"),
        ({"defaults": {"sender": 1}}, "invalid_field", "defaults.sender"),
        ({"nmae": "x"}, "unknown_field", "nmae"),
        ({"name": "x" * 129}, "invalid_field", "name"),
        ({"messages": {}}, "invalid_field", "messages"),
    ],
)
async def test_a_batch_that_is_wrong_as_a_whole_is_refused(changes: dict[str, Any], code: str, field: str) -> None:
    stage = Stage()
    body = {"defaults": {}, "messages": numbers(1), **changes}
    found = problem(await stage.client.post("/v1/batches", json=body), 422, code)
    assert found["errors"][0]["field"] == field
    assert stage.published() == []


async def test_the_messages_of_one_queue_go_in_together_and_in_order() -> None:
    stage = Stage(max_recipients=2_000)
    calls: list[tuple[str, int]] = []
    publish = stage.publisher.publish

    def counted(topic: str, partition: int, *rest: Any, **options: Any) -> None:
        calls.append((topic, partition))
        publish(topic, partition, *rest, **options)

    stage.publisher.publish = counted  # type: ignore[method-assign]
    rows = [{"to": "+8613800000000", "client_ref": str(number)} for number in range(40)]
    assert (await stage.batch([*rows, *numbers(1_500)])).status_code == 202
    assert len(calls) == len(set(calls))
    refs = [message.client_ref for message in stage.published() if message.client_ref is not None]
    assert refs == [str(number) for number in range(40)]


async def test_what_kafka_does_not_take_is_told_row_by_row() -> None:
    stage = Stage()
    for place in [place for place in stage.cluster.logs if place.topic.startswith("t.mt.beta")]:
        del stage.cluster.logs[place]
    response = await stage.batch([{"to": "+8613800000000"}, {"to": "+447700900123"}, {"to": "x"}])
    body = response.json()
    BatchAnswer.model_validate(body)
    assert (response.status_code, body["accepted"], body["rejected"]) == (202, 1, 2)
    error = body["results"][1]["error"]
    assert (error["code"], error["retryable"]) == ("intake_unavailable", True)
    assert "may still be sent" in error["detail"]
    await stage.drained()
    assert [record.accepted for record in stage.batches()] == [2, 1], "the record is written again with what is known"


async def test_a_batch_of_which_kafka_takes_nothing_is_unavailable() -> None:
    stage = Stage()
    for place in [place for place in stage.cluster.logs if place.topic.startswith("t.mt.")]:
        del stage.cluster.logs[place]
    response = await stage.batch([*numbers(3), {"to": "x"}])
    assert response.headers["retry-after"] == "2"
    problem(response, 503, "intake_unavailable")
