"""The OpenAPI document: FastAPI's, with our shapes of bodies, problems and authentication put in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import Field, TypeAdapter

from api.act_shapes import BODIES
from api.answers import Shape
from api.edge import PROBLEM_TYPE
from api.problems import PROBLEMS, FieldFault, problem_body
from api.shapes import BATCH, MESSAGE

SECURED: Final[dict[str, Any]] = {"security": [{"bearer": []}]}
_REF: Final = "#/components/schemas/{model}"
_EXAMPLE_REQUEST_ID: Final = "0d9f6c2b41e35a7788c1f0aa"


class FaultOfField(Shape):
    """What is wrong with one field."""

    field: str
    code: str
    detail: str


class ProblemDetails(Shape):
    """RFC 9457. `type` leads to a page about the problem; `errors` has an entry for each field that is wrong."""

    type: str = Field(examples=["/errors/invalid_number"])
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    retryable: bool
    errors: list[FaultOfField]
    request_id: str


def problem_example(code: str) -> dict[str, Any]:
    """What a client would get for this code."""
    row = PROBLEMS[code]
    field = row.example.split("`")[1] if row.example.startswith("`") else ""
    return problem_body([FieldFault(field, code, row.example)], _EXAMPLE_REQUEST_ID)


def problems(*codes: str, secured: bool = True) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: its problems by status, each with an example; any route can also fail by a fault of ours."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, *(("unauthorized", "forbidden") if secured else ()), "internal"):
        row = PROBLEMS[code]
        entry = responses.setdefault(row.status, {"description": "", "content": {PROBLEM_TYPE: _problem_content()}})
        entry["description"] = f"{entry['description']}; `{code}`: {row.title}".removeprefix("; ")
        entry["content"][PROBLEM_TYPE]["examples"][code] = {"value": problem_example(code)}
        if row.retry_after_s:
            entry["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return responses


def _problem_content() -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model="ProblemDetails")}, "examples": {}}


def answers(status: int, shape: type[Shape], example: Any, **headers: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: what it answers when all is well. `headers`: names (`_` for `-`) and what they tell."""
    described = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
    content = {"application/json": {"example": example}}
    return {status: {"model": shape, "description": shape.__doc__ or "", "content": content, "headers": described}}


def body_of(schema: str, example: Any, *, stream: str = "") -> dict[str, Any]:
    """`requestBody` of a route that reads its body itself; `stream`: an example in NDJSON, where that is taken, too."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(model=schema)}, "example": example}}
    if stream:
        content["application/x-ndjson"] = {"schema": {"type": "string"}, "example": stream}
    return {"required": True, "content": content}


def json_body(schema: str, example: Any, *, required: bool = True) -> dict[str, Any]:
    """`requestBody` of a route that takes a small JSON object."""
    return {**body_of(schema, example), "required": required}


BODY_PROBLEMS: Final = (
    "invalid_json",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "unknown_field",
    "invalid_field",
)
"""What can be wrong with a small JSON object."""

KEY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "Makes a repeat harmless: same key and same body give the same ids, and nothing is sent twice. "
    "With another body: 422 idempotency_key_reused.",
}


def _adapted(adapter: TypeAdapter[Any], required: list[str]) -> dict[str, Any]:
    schema = adapter.json_schema(ref_template=_REF)
    return {**schema, "required": required}


def document(app: FastAPI) -> Mapping[str, Any]:
    """The whole document, made once."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    message, batch = _adapted(MESSAGE, ["to", "text", "sender"]), _adapted(BATCH, ["messages"])
    schemas.update(batch.pop("$defs"))
    batch["properties"]["messages"]["items"] = {"$ref": _REF.format(model="BatchMessage")}
    schemas |= {name: body.shape.json_schema(ref_template=_REF) for name, body in BODIES.items()}
    schemas |= {"Message": message, "BatchMessage": {**message, "required": []}, "Batch": batch}
    details = ProblemDetails.model_json_schema(ref_template=_REF)
    schemas |= {**details.pop("$defs"), "ProblemDetails": details}
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "sk_live_… or sk_test_…"}
    }
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _correct_responses(app, found)
    return found


def _correct_responses(app: FastAPI, found: dict[str, Any]) -> None:
    # FastAPI drops every null of the document, those of examples, too; and it tells of an error body that we never send.
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                told = found["paths"][route.path][method.lower()]["responses"]
                if 422 not in route.responses:
                    told.pop("422", None)
                for status, response in route.responses.items():
                    _restore_examples(told[str(status)]["content"], response["content"])


def _restore_examples(told: dict[str, Any], given: dict[str, Any]) -> None:
    for media, content in given.items():
        if "example" in content:
            told[media]["example"] = content["example"]
