"""What the service says about itself: GET /v1, /openapi.json, /docs, and a page for each problem's `type`.

The pages are made here, from the OpenAPI document and the table of problems: they load nothing from elsewhere, so they
are there where the service is, with or without the Internet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from api.answers import encode_json
from api.openapi import problem_example
from api.problems import PROBLEMS, Problem, refusal

Document = Callable[[], Mapping[str, Any]]
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "pre{background:#f4f4f4;padding:.7rem;overflow:auto;font-size:.85rem}code{background:#f4f4f4}"
    "h2{border-top:1px solid #ccc;padding-top:1rem}table{border-collapse:collapse}"
    "td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}"
)


def documentation_routes(router: APIRouter, document: Document) -> None:
    """Routes that need no key."""

    @router.get("/v1", include_in_schema=False)
    async def index() -> Response:
        return Response(encode_json(contents(document())), media_type="application/json")

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(encode_json(document()), media_type="application/json")

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(page("smpp-dispatch: HTTP API", "".join(_operations(document()))))

    @router.get("/errors", include_in_schema=False)
    async def errors() -> Response:
        return HTMLResponse(page("Problems", "".join(map(_line, PROBLEMS.values()))))

    @router.get("/errors/{code}", include_in_schema=False)
    async def error(code: str) -> Response:
        if code not in PROBLEMS:
            raise refusal("not_found", "there is no problem of this code; GET /errors lists them")
        return HTMLResponse(page(PROBLEMS[code].title, _problem(PROBLEMS[code])))


def contents(document: Mapping[str, Any]) -> dict[str, Any]:
    """The body of GET /v1: what exists, and where its documentation is."""
    return {
        "service": document["info"]["title"],
        "version": document["info"]["version"],
        "documentation": "/docs",
        "openapi": "/openapi.json",
        "errors": "/errors",
        "endpoints": [
            {"method": method.upper(), "path": path, "summary": operation["summary"]}
            for path, method, operation in _walk(document)
        ],
    }


def _walk(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, method, methods[method]


def page(title: str, body: str) -> str:
    """A whole HTML page. `body` is HTML, `title` text."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p>{escape(document['info']['description'])}</p>"
    yield '<p><a href="/openapi.json">/openapi.json</a> is the same for machines; <a href="/errors">/errors</a> lists '
    yield "what can go wrong.</p><ul>"
    for path, method, operation in _walk(document):
        name = f"{method.upper()} {path}"
        yield f'<li><a href="#{escape(operation["operationId"])}"><code>{escape(name)}</code></a> '
        yield f"{escape(operation['summary'])}</li>"
    yield "</ul>"
    for path, method, operation in _walk(document):
        yield f'<h2 id="{escape(operation["operationId"])}"><code>{method.upper()} {escape(path)}</code></h2>'
        yield f"<p>{escape(operation.get('description', ''))}</p>{_parameters(operation)}"
        if "requestBody" in operation:
            yield _fields(document, operation["requestBody"]["content"])
            yield from _examples("Request", operation["requestBody"]["content"])
        for status, response in operation["responses"].items():
            yield from _response(status, response)


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}<td>{escape(each.get('description', ''))}"
        for each in operation.get("parameters", ())
    )
    return f"<table>{rows}</table>" if rows else ""


def _fields(document: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    schema = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    properties = document["components"]["schemas"][schema]["properties"]
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(each.get('description', ''))}"
        for name, each in properties.items()
    )
    return f"<table>{rows}</table>"


def _response(status: str, response: Mapping[str, Any]) -> Iterator[str]:
    content = response.get("content", {})
    if "application/problem+json" not in content:
        yield from _examples(f"Answer {status}", content)
        return
    codes = content["application/problem+json"]["examples"]
    links = ", ".join(f'<a href="/errors/{escape(code)}"><code>{escape(code)}</code></a>' for code in codes)
    yield f"<p>{escape(status)}: {links}</p>"


def _examples(what: str, content: Mapping[str, Any]) -> Iterator[str]:
    for media, entry in content.items():
        if "example" in entry:
            example = entry["example"]
            shown = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            yield f"<p>{escape(what)}, <code>{escape(media)}</code></p><pre>{escape(shown)}</pre>"


def _line(problem: Problem) -> str:
    link = f'<a href="/errors/{escape(problem.code)}"><code>{escape(problem.code)}</code></a>'
    return f"<p>{link} ({problem.status}): {escape(problem.title)}. {escape(problem.remedy)}</p>"


def _problem(problem: Problem) -> str:
    again = "The same request may succeed later." if problem.retryable else "The same request would fail again."
    example = json.dumps(problem_example(problem.code), indent=2, ensure_ascii=False)
    return (
        f"<p>Status {problem.status}, code <code>{escape(problem.code)}</code>. {again}</p>"
        f"<p>What to do: {escape(problem.remedy)}</p><pre>{escape(example)}</pre>"
    )
