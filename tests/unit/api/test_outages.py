"""Kafka slow or away: 503 in time, nothing accepted that is not there, and health says so."""

from __future__ import annotations

import time

import pytest

from api.posting import Posting
from bus.memory import MemoryCluster, MemoryPublisher
from runtime.metrics import HTTP_SECONDS, INTAKE, REGISTRY
from tests.unit.api.stage import Stage, problem


def intake(cls: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("smppd_intake_messages_total", {"class": cls, "outcome": outcome}) or 0.0


async def test_kafka_away_is_told_within_the_time_limit() -> None:
    stage = Stage(timeout_s=0.05)
    stage.cluster.down = True
    since = time.monotonic()
    response = await stage.send()
    assert time.monotonic() - since < 1
    assert response.headers["retry-after"] == "2"
    body = problem(response, 503, "intake_unavailable")
    assert "may still be sent" in body["detail"]
    assert "Idempotency-Key" in body["remedy"]


async def test_while_kafka_confirms_nothing_requests_are_refused_at_once_and_not_queued() -> None:
    stage = Stage(timeout_s=0.02)
    stage.cluster.down = True
    await stage.send()
    waiting = stage.publisher.backlog_bytes
    stage.clock.advance(1)
    assert "was not sent" in problem(await stage.send(), 503, "intake_unavailable")["detail"]
    problem(await stage.batch([{"to": "+8613800000000"}]), 503, "intake_unavailable")
    assert stage.publisher.backlog_bytes == waiting
    stage.cluster.down = False
    await stage.drained()
    assert (await stage.send()).status_code == 202


async def test_a_full_queue_refuses() -> None:
    cluster = MemoryCluster()
    publisher = MemoryPublisher(cluster)
    posting = Posting(publisher, 1.0, 100)
    assert posting.fault() is None
    publisher.publish("t", 0, [(b"k", b"x" * 200)], lambda _: None)
    assert posting.fault() == "too much waits for Kafka in this process"


async def test_what_kafka_refuses_is_not_accepted() -> None:
    stage = Stage()
    stage.cluster.logs.clear()
    problem(await stage.send(), 503, "intake_unavailable")


async def test_an_acknowledgement_that_comes_too_late_harms_nobody() -> None:
    stage = Stage(timeout_s=0.02)
    stage.cluster.hold_publishes = True
    problem(await stage.send(), 503, "intake_unavailable")
    stage.cluster.hold_publishes = False
    await stage.drained()
    assert len(stage.published()) == 1


async def test_offers_are_counted_by_class_and_outcome() -> None:
    stage = Stage()
    before = {pair: intake(*pair) for pair in PAIRS}
    await stage.send(**{"class": "otp"})
    await stage.send(**{"class": "otp", "to": "+86138"})
    await stage.send(form=1)
    await stage.send(key="k", **{"class": "marketing"})
    await stage.send(key="k", **{"class": "marketing"})
    await stage.batch([{"to": "+8613800000000"}, {"to": "+8613800000001"}, {"to": "x"}, 1])
    assert {pair: intake(*pair) - count for pair, count in before.items()} == PAIRS


PAIRS = {
    ("otp", "accepted"): 1.0,
    ("otp", "invalid_number"): 1.0,
    ("unknown", "unknown_field"): 1.0,
    ("marketing", "accepted"): 1.0,
    ("marketing", "replayed"): 1.0,
    ("notice", "accepted"): 2.0,
    ("notice", "invalid_number"): 1.0,
    ("unknown", "invalid_field"): 1.0,
}


async def test_requests_are_timed_by_route_never_by_id() -> None:
    stage = Stage()
    await stage.client.get("/v1/messages/0198-no-id")
    await stage.client.get("/nowhere/4711")
    routes = {sample.labels.get("route") for metric in HTTP_SECONDS.collect() for sample in metric.samples}
    assert "/v1/messages/{message_id}" in routes
    assert "unmatched" in routes
    assert not any("4711" in str(route) or "0198" in str(route) for route in routes)


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 200), ("/metrics", 200)])
async def test_health_needs_no_key(path: str, status: int) -> None:
    assert (await Stage().client_of("").get(path)).status_code == status


async def test_a_fault_that_keeps_from_accepting_makes_it_unready() -> None:
    stage = Stage()
    stage.services.health.add("kafka", stage.desk.posting.fault)
    stage.cluster.down = True
    await stage.send()
    stage.clock.advance(5)
    response = await stage.client.get("/readyz")
    assert (response.status_code, response.text.startswith("kafka: Kafka has not confirmed")) == (503, True)
    assert (await stage.client.get("/livez")).status_code == 200


def test_the_metric_is_the_contracts() -> None:
    assert INTAKE._name == "smppd_intake_messages"
