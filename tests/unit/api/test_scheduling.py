"""`send_at`: a message that waits for the scheduler, and another time for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.answers import BatchAnswer, MessageAccepted
from bus.ports import TopicPartition
from schemas.codec import decode_intake
from schemas.ids import from_text, rfc3339, to_text
from schemas.records import MtMessage, Rescheduled, Scheduled
from schemas.status import Status
from schemas.topics import intake_partition
from store.rows import Attempt
from tests.unit.api.stage import DEFAULTS, NOW_MS, SEND, TOPICS, Stage, problem

HOUR_MS = 3_600_000
LATER = rfc3339(NOW_MS + HOUR_MS)


def scheduled(stage: Stage) -> list[MtMessage]:
    return [record.message for record in stage.noted(Scheduled)]


async def test_a_message_for_later_goes_to_the_scheduler_and_to_no_lane() -> None:
    stage = Stage()
    response = await stage.send(send_at=LATER, ttl_s=60)
    body = response.json()
    MessageAccepted.model_validate(body)
    assert (response.status_code, body["status"], body["send_at"]) == (202, "scheduled", LATER)
    assert body["expires_at"] == rfc3339(NOW_MS + HOUR_MS + 60_000), "the time to live counts from then"
    assert stage.published() == []
    (message,) = scheduled(stage)
    assert to_text(message.id) == body["id"]
    assert (message.not_before_ms, message.expires_ms) == (NOW_MS + HOUR_MS, NOW_MS + HOUR_MS + 60_000)
    assert (message.attempt, message.hop, message.carrier) == (1, 0, "alpha")
    assert stage.sealer.open(message.id, message.sealed).text == "Hello"


async def test_its_record_is_where_all_records_of_the_message_are() -> None:
    stage = Stage()
    one = from_text((await stage.send(send_at=LATER)).json()["id"])
    log = stage.cluster.logs[TopicPartition(TOPICS.intake, intake_partition(one))]
    assert [record.key for record in log] == [one]
    assert isinstance(decode_intake(log[0].value or b""), Scheduled)


@pytest.mark.parametrize("past_ms", [0, 1, 60_000])
async def test_a_time_that_is_just_past_means_now(past_ms: int) -> None:
    stage = Stage()
    body = (await stage.send(send_at=rfc3339(NOW_MS - past_ms))).json()
    assert (body["status"], body["send_at"]) == ("queued", None)
    assert scheduled(stage) == []
    (message,) = stage.published()
    assert (message.not_before_ms, message.expires_ms) == (0, NOW_MS + 86_400_000)


@pytest.mark.parametrize(
    "send_at",
    [
        "", "now", "1790000000", "2026-09-22", "2026-09-22T14:13:20", "20260922T141320Z", "2026-W39-2T14:13:20Z",
        "2026-09-31T14:13:20Z", "2026-09-22T25:13:20Z", "2026-09-22T14:13:20,5Z", "2026-09-22T14:13:20+24:00",
        "\u0662026-09-22T14:13:20Z", "0000-01-01T00:00:00Z", rfc3339(NOW_MS - 60_001), rfc3339(NOW_MS + 30 * 24 * HOUR_MS + 1),
    ],
)  # fmt: skip
async def test_a_time_that_can_not_be_meant_is_refused(send_at: str) -> None:
    stage = Stage()
    body = problem(await stage.send(send_at=send_at), 422, "invalid_send_at")
    assert body["errors"][0]["field"] == "send_at"
    assert (stage.published(), scheduled(stage)) == ([], [])


@pytest.mark.parametrize(
    "send_at",
    [
        "2026-09-22T14:13:20Z",
        "2026-09-22t14:13:20.25z",
        "2026-09-22 16:13:20+02:00",
        "2026-09-22T14:13:20.123456789-00:00",
    ],
)
async def test_every_form_of_rfc_3339_is_taken(send_at: str) -> None:
    assert (await Stage().send(send_at=send_at)).json()["status"] == "scheduled"


async def test_thirty_days_ahead_are_possible() -> None:
    assert (await Stage().send(send_at=rfc3339(NOW_MS + 30 * 24 * HOUR_MS))).status_code == 202


async def test_a_repeat_is_a_repeat_though_its_time_has_come() -> None:
    """Were it sent to a lane at once, the lane could not know it for what the scheduler releases under another hop."""
    stage = Stage()
    stage.cluster.hold_publishes = True
    problem(await stage.send(key="k", send_at=rfc3339(NOW_MS + 1000)), 503, "intake_unavailable")
    stage.cluster.hold_publishes = False
    await stage.drained()
    stage.clock.advance(30)
    stage.desk.recent.forget("shop", "k")  # as another process would not know it
    body = (await stage.send(key="k", send_at=rfc3339(NOW_MS + 1000))).json()
    assert body["status"] == "scheduled"
    first, second = scheduled(stage)
    assert (first.id, first.attempt, first.hop) == (second.id, second.attempt, second.hop)
    assert stage.published() == []


async def test_a_repeat_that_the_projection_knows_is_answered_as_before() -> None:
    stage = Stage()
    first = await stage.send(key="k", send_at=LATER)
    (message,) = scheduled(stage)
    stage.project(message, status=Status.SENT)
    stage.desk.recent.forget("shop", "k")
    second = await stage.send(key="k", send_at=LATER)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    assert len(scheduled(stage)) == 1


async def test_a_batch_may_hold_messages_for_now_and_for_later() -> None:
    stage = Stage()
    rows = [
        {"to": "+8613800000000"},
        {"to": "+8613800000001", "send_at": LATER},
        {"to": "+8613800000002", "send_at": "x"},
    ]
    body = (await stage.batch(rows, key="b")).json()
    BatchAnswer.model_validate(body)
    assert [row["status"] for row in body["results"]] == ["queued", "scheduled", "rejected"]
    assert body["results"][2]["error"]["code"] == "invalid_send_at"
    assert [len(stage.published()), len(scheduled(stage)), body["accepted"]] == [1, 1, 2]
    for message in (*stage.published(), *scheduled(stage)):
        stage.project(message)
    again = (await stage.batch(rows, key="b")).json()
    assert again == body


async def test_a_whole_batch_may_be_for_later() -> None:
    stage = Stage()
    defaults = {"text": "Hello", "sender": "Acme", "send_at": LATER}
    body = (
        await stage.batch([{"to": "+8613800000000"}, {"to": "+8613800000001", "send_at": None}], defaults=defaults)
    ).json()
    assert [row["status"] for row in body["results"]] == ["scheduled", "queued"]


async def test_a_line_of_a_stream_may_be_for_later() -> None:
    stage = Stage()
    lines = [json.dumps({**SEND, "send_at": at}) for at in (None, LATER)]
    headers = {"Content-Type": "application/x-ndjson"}
    response = await stage.client.post("/v1/batches", content="\n".join(lines), headers=headers)
    told = [json.loads(line) for line in response.text.splitlines()]
    assert [line.get("status") for line in told[1:3]] == ["queued", "scheduled"]


async def test_the_preview_knows_the_field() -> None:
    stage = Stage()
    assert (await stage.client.post("/v1/messages/preview", json={**SEND, "send_at": LATER})).status_code == 200
    response = await stage.client.post("/v1/messages/preview", json={**SEND, "send_at": "x"})
    problem(response, 422, "invalid_send_at")


# ---- another time


async def waiting(stage: Stage, **changes: Any) -> str:
    """The address of a message that waits for its time."""
    await stage.send(send_at=LATER)
    row = stage.project(scheduled(stage)[-1], **{"status": Status.SCHEDULED, **changes})
    return f"/v1/messages/{to_text(row.id)}"


async def test_a_scheduled_message_gets_another_time() -> None:
    stage = Stage()
    path = await waiting(stage)
    new = rfc3339(NOW_MS + 2 * HOUR_MS)
    response = await stage.client.patch(path, json={"send_at": new})
    assert (response.status_code, response.json()) == (
        202,
        {"id": path.rpartition("/")[2], "status": "scheduled", "send_at": new},
    )
    (record,) = stage.noted(Rescheduled)
    assert (to_text(record.id), record.account) == (path.rpartition("/")[2], "shop")
    assert (record.not_before_ms, record.act.actor.split("/")[0], record.act.at_ms) == (
        NOW_MS + 2 * HOUR_MS,
        "shop",
        NOW_MS,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.QUEUED},
        {"status": Status.DELIVERED},
        {"status": Status.CANCELED},
        {"attempts": (Attempt(1, "alpha", ()),)},
        {"not_before_ms": 0},
    ],
)
async def test_only_a_message_that_waits_for_its_time_can_be_moved(changes: dict[str, Any]) -> None:
    stage = Stage()
    path = await waiting(stage)
    (row,) = stage.reads.messages.values()
    import dataclasses

    stage.reads.messages[row.id] = dataclasses.replace(row, **changes)
    problem(await stage.client.patch(path, json={"send_at": LATER}), 409, "not_scheduled")
    assert stage.noted(Rescheduled) == []


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "send_at"),
        ({"send_at": None}, "invalid_field", "send_at"),
        ({"send_at": "soon"}, "invalid_send_at", "send_at"),
        ({"send_at": rfc3339(NOW_MS - 60_001)}, "invalid_send_at", "send_at"),
        ({"sent_at": LATER}, "missing_field", "send_at"),
        ({"send_at": LATER, "text": "other"}, "unknown_field", "text"),
    ],
)
async def test_what_is_wrong_with_another_time_is_told(body: dict[str, Any], code: str, field: str) -> None:
    stage = Stage()
    told = problem(await stage.client.patch(await waiting(stage), json=body), 422, code)
    assert told["errors"][0]["field"] == field


async def test_another_accounts_message_can_not_be_moved() -> None:
    stage = Stage()
    path = await waiting(stage)
    other = stage.client_of(stage.key("send", account="bank"))
    problem(await other.patch(path, json={"send_at": LATER}), 404, "not_visible_yet")
    reader = stage.client_of(stage.key("read"))
    problem(await reader.patch(path, json={"send_at": LATER}), 403, "forbidden")


async def test_without_postgres_it_is_not_known_whether_it_can_be_moved() -> None:
    stage = Stage()
    path = await waiting(stage)
    stage.reads.away = True
    problem(await stage.client.patch(path, json={"send_at": LATER}), 503, "read_unavailable")


async def test_a_time_that_kafka_does_not_confirm_is_not_promised() -> None:
    stage = Stage()
    path = await waiting(stage)
    stage.cluster.hold_publishes = True
    response = await stage.client.patch(path, json={"send_at": LATER})
    assert response.headers["retry-after"] == "2"
    problem(response, 503, "not_recorded")


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_batch_for_later_shares_partitions_with_its_own_record_and_loses_none(streamed: bool) -> None:
    stage = Stage()
    count = 60
    later = {**DEFAULTS, "send_at": rfc3339(NOW_MS + 60_000)}
    numbers = [{"to": f"+86138{number:08d}"} for number in range(count)]
    if streamed:
        lines = b"\n".join(json.dumps(line).encode() for line in ({"defaults": later}, *numbers))
        answer = await stage.client.post("/v1/batches", content=lines, headers={"Content-Type": "application/x-ndjson"})
    else:
        answer = await stage.client.post("/v1/batches", json={"defaults": later, "messages": numbers})
    assert answer.status_code in (200, 202)
    await stage.drained()
    assert len(stage.noted(Scheduled)) == count
    assert stage.batches()
