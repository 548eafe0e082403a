"""POST /v1/messages past the framework, which took nearly half of a request (380 us of CPU with it, 208 without; bench.api).

The route of `api.write_routes` does the same through the framework: it is what the OpenAPI document describes, and tests
hold the two together, answer by answer. Everything else goes to the framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from api.acceptance import Answer
from api.authentication import require
from api.idempotency import check_key
from api.requests import JSON, media_of
from api.services import Services

MESSAGES: Final = "/v1/messages"
_JSON: Final = (b"content-type", JSON.encode())


class _Template(NamedTuple):
    """As the framework's route tells it, for metrics."""

    path: str


_ROUTE: Final = _Template(MESSAGES)


async def take_message(
    services: Services, headers: Mapping[str, str], receive: Receive, state: dict[str, Any]
) -> Answer:
    """From a request to its answer. `headers`: names in lower case. Raises Refusal, ClientGone."""
    caller = require(services.caller_of(headers, state), "send")
    media_of(headers, JSON)
    key = check_key(headers.get("idempotency-key"))
    async with services.uploads.body(headers, receive) as raw:
        return await services.desk.message(caller, raw, key)


class Door:
    """Around the framework's app, inside the edge, which turns Refusals into problems."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != MESSAGES or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        answer = await take_message(self._services, _headers_of(scope), receive, scope["state"])
        more = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        length = (b"content-length", b"%d" % len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": [*more, length, _JSON]})
        await send({"type": "http.response.body", "body": answer.body})


def _headers_of(scope: Scope) -> dict[str, str]:
    # Of a header that came twice the first counts, as in Starlette.
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
