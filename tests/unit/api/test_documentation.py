"""The documentation is true: its examples are what the service takes and gives."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # the stubs are a distribution of their own
import pytest

from api import examples
from api.answers import BatchAnswer, MessageAccepted, Shape
from api.audit_routes import AuditPage, InboundPage
from api.carrier_routes import Switched
from api.doubt_routes import DoubtPage, ResolvedPage
from api.key_routes import KeyList
from api.message_routes import Canceling, Rescheduling
from api.preview import Preview
from api.problems import PROBLEMS
from api.status import CarrierList
from api.views import BatchStanding, BatchView, MessagePage, MessageView
from tests.unit.api.stage import Stage, problem

EXISTING = {
    "POST /v1/messages",
    "POST /v1/messages/preview",
    "POST /v1/batches",
    "GET /v1/messages",
    "GET /v1/messages/{message_id}",
    "GET /v1/batches/{batch_id}",
    "GET /v1/carriers",
    "GET /v1/keys",
    "GET /v1/in-doubt",
    "POST /v1/messages/{message_id}/cancel",
    "PATCH /v1/messages/{message_id}",
    "POST /v1/batches/{batch_id}/pause",
    "POST /v1/batches/{batch_id}/resume",
    "POST /v1/batches/{batch_id}/cancel",
    "POST /v1/carriers/{name}/pause",
    "POST /v1/carriers/{name}/resume",
    "POST /v1/carriers/{name}/drain",
    "PUT /v1/carriers/{name}/tps",
    "POST /v1/in-doubt/resolve",
    "GET /v1/audit",
    "GET /v1/inbound",
}


async def document() -> dict[str, Any]:
    response = await Stage().client_of("").get("/openapi.json")
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (MessageAccepted, examples.MESSAGE_ACCEPTED),
        (BatchAnswer, examples.BATCH_ANSWER),
        (Preview, examples.PREVIEW_ANSWER),
        (MessageView, examples.MESSAGE_VIEW),
        (MessagePage, examples.MESSAGE_PAGE),
        (BatchView, examples.BATCH_VIEW),
        (CarrierList, examples.CARRIER_LIST),
        (KeyList, examples.KEY_LIST),
        (DoubtPage, examples.DOUBT_PAGE),
        (Canceling, examples.CANCELING),
        (Rescheduling, examples.RESCHEDULING),
        (BatchStanding, examples.BATCH_STANDING),
        (Switched, examples.SWITCHED),
        (Switched, examples.TPS_SET),
        (ResolvedPage, examples.RESOLVED_PAGE),
        (AuditPage, examples.AUDIT_PAGE),
        (InboundPage, examples.INBOUND_PAGE),
    ],
)
def test_an_example_of_an_answer_has_its_shape(shape: type[Shape], example: Any) -> None:
    assert shape.model_validate(example)


async def test_examples_of_requests_are_taken() -> None:
    stage = Stage()
    for body in (examples.MESSAGE_BODY, examples.FULL_MESSAGE_BODY):
        assert (await stage.client.post("/v1/messages", json=body)).status_code == 202
    batch = await stage.client.post("/v1/batches", json=examples.BATCH_BODY)
    assert [row["status"] for row in batch.json()["results"]] == ["queued", "rejected"]
    assert batch.json()["results"][1]["error"] == examples.BATCH_ANSWER["results"][1]["error"]
    headers = {"Content-Type": "application/x-ndjson"}
    stream = await stage.client.post("/v1/batches", content=examples.STREAM_BODY, headers=headers)
    told, shown = ([json.loads(line) for line in text.splitlines()] for text in (stream.text, examples.STREAM_ANSWER))
    assert [line.keys() for line in told] == [line.keys() for line in shown]
    assert {name: told[-1][name] for name in ("total", "accepted", "complete")} == {
        "total": 2,
        "accepted": 2,
        "complete": True,
    }


async def test_the_index_lists_what_exists() -> None:
    body = (await Stage().client_of("").get("/v1")).json()
    assert {f"{each['method']} {each['path']}" for each in body["endpoints"]} == EXISTING
    assert all(each["summary"] for each in body["endpoints"])


async def test_every_operation_documents_its_request_and_its_errors_with_examples() -> None:
    paths = (await document())["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            problems = [
                content["application/problem+json"]
                for status, response in operation["responses"].items()
                if int(status) >= 400
                for content in [response["content"]]
            ]
            assert problems, path
            for each in problems:
                assert all(PROBLEMS[code].code == code for code in each["examples"])
            assert any(int(status) < 300 for status in operation["responses"])
            if method in ("post", "put", "patch"):
                assert all("example" in content for content in operation["requestBody"]["content"].values())
                assert operation["security"]


async def test_examples_validate_against_the_documents_own_schemas() -> None:
    found = await document()
    checked = 0
    for methods in found["paths"].values():
        for operation in methods.values():
            for content in _contents(operation):
                schema = {**content["schema"], "components": found["components"]}
                for example in [
                    content.get("example"),
                    *(each["value"] for each in content.get("examples", {}).values()),
                ]:
                    if isinstance(example, dict):
                        jsonschema.validate(example, schema)
                        checked += 1
    assert checked > 50


def _contents(operation: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [response["content"] for response in operation["responses"].values()]
    if "requestBody" in operation:
        bodies.append(operation["requestBody"]["content"])
    return [content for body in bodies for content in body.values() if "schema" in content]


async def test_every_type_of_problem_leads_to_a_page() -> None:
    client = Stage().client_of("")
    for code, row in PROBLEMS.items():
        response: httpx.Response = await client.get(f"/errors/{code}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        assert row.title.replace("'", "&#x27;") in response.text
    problem(await client.get("/errors/nothing"), 404, "not_found")
    listed = (await client.get("/errors")).text
    assert all(code in listed for code in PROBLEMS)


async def test_the_pages_load_nothing_from_elsewhere() -> None:
    client = Stage().client_of("")
    text = (await client.get("/docs")).text
    assert "http://" not in text
    assert "https://" not in text
    assert all(path.partition(" ")[2] in text for path in EXISTING)


async def test_problems_that_can_happen_are_documented_somewhere() -> None:
    text = json.dumps(await document())
    unused = {"not_found", "method_not_allowed"}
    assert all(f'"{code}"' in text for code in PROBLEMS.keys() - unused)
