"""The routes that take messages. Thin: the work is in acceptance, batches, streams and preview, which know no framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import examples
from api.acceptance import MESSAGES, Answer
from api.answers import BatchAnswer, MessageAccepted
from api.batches import accept_batch
from api.edge import shown
from api.idempotency import check_key
from api.openapi import KEY_HEADER, SECURED, answers, body_of, problems
from api.preview import Preview, preview
from api.requests import JSON, check_media
from api.services import Services
from api.streams import Stream
from api.uploads import ClientGone
from schemas.ids import random_ids

NDJSON: Final = "application/x-ndjson"
SEND_S: Final = 60.0
"""Longest wait for a client to take a piece of a stream's answer: it has to read while it writes."""

_MESSAGE_PROBLEMS: Final = (
    "invalid_json",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "unknown_field",
    "missing_field",
    "invalid_field",
    "invalid_number",
    "invalid_sender",
    "invalid_send_at",
    "empty_text",
    "unencodable",
    "too_many_segments",
    "no_route",
)
_INTAKE_PROBLEMS: Final = (
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "account_suspended",
    "rate_limited",
    "intake_unavailable",
)
_BATCH_PROBLEMS: Final = (
    *_MESSAGE_PROBLEMS[:7],
    "too_many_recipients",
    "no_valid_messages",
    *_INTAKE_PROBLEMS,
)


def write_routes(router: APIRouter, services: Services) -> None:
    """POST /v1/messages, /v1/messages/preview and /v1/batches."""
    desk, uploads = services.desk, services.uploads

    @router.post(
        MESSAGES,
        summary="Send a message",
        tags=["Sending"],
        status_code=202,
        response_model=None,
        responses={
            **answers(202, MessageAccepted, examples.MESSAGE_ACCEPTED, Location="Where its status is."),
            **problems(*_MESSAGE_PROBLEMS, *_INTAKE_PROBLEMS),
        },
        openapi_extra={
            **SECURED,
            "parameters": [KEY_HEADER],
            "requestBody": body_of("Message", examples.FULL_MESSAGE_BODY),
        },
    )
    async def post_message(request: Request) -> Response:
        """202 says that the message is in Kafka, on every replica that counts: it will not be lost."""
        caller = services.caller(request, "send")
        check_media(request, JSON)
        key = check_key(request.headers.get("idempotency-key"))
        async with uploads.body(request.headers, request.receive) as raw:
            return response_of(await desk.message(caller, raw, key))

    @router.post(
        "/v1/messages/preview",
        summary="See what would become of a message",
        tags=["Sending"],
        response_model=None,
        responses={**answers(200, Preview, examples.PREVIEW_ANSWER), **problems(*_MESSAGE_PROBLEMS)},
        openapi_extra={**SECURED, "requestBody": body_of("Message", examples.MESSAGE_BODY)},
    )
    async def post_preview(request: Request) -> Response:
        """Sends nothing. The same checks as sending; also encoding, the text of each segment, route and price."""
        caller = services.caller(request, "send")
        check_media(request, JSON)
        now_ms = services.clock.wall_ms()
        message_id = random_ids(now_ms, desk.entropy(10))[0]
        async with uploads.body(request.headers, request.receive) as raw:
            return shown(preview(desk.intake, caller, raw, message_id, now_ms))

    @router.post(
        "/v1/batches",
        summary="Send many messages",
        tags=["Sending"],
        status_code=202,
        response_model=None,
        responses={
            **_batch_answers(),
            **problems(*_BATCH_PROBLEMS),
        },
        openapi_extra={
            **SECURED,
            "parameters": [KEY_HEADER],
            "requestBody": body_of("Batch", examples.BATCH_BODY, stream=examples.STREAM_BODY),
        },
    )
    async def post_batch(request: Request) -> Response:
        """One JSON body, or a stream of lines (application/x-ndjson) that is answered line by line.

        A batch that is larger than what the account's quota leaves is refused whole (429), the lines of a stream that are
        beyond it one by one; one that is larger than a second's worth is let in when nothing of that second is used, and
        what follows waits until it is made up for.

        A message that is wrong never spoils the others: 202 tells a result for each, 422 that none was valid. In a stream
        the first line may be `{"name", "defaults"}`; each further line is a message. Read the answer while you write.

        A message that is answered `intake_unavailable` may still be sent. To be safe, send an Idempotency-Key and repeat the
        very same request: what is there already is not sent again.
        """
        caller = services.caller(request, "send")
        media = check_media(request, JSON, NDJSON)
        key = check_key(request.headers.get("idempotency-key"))
        if media == JSON:
            async with uploads.body(request.headers, request.receive) as raw:
                return response_of(await accept_batch(desk, caller, raw, key))
        answer = Stream(desk, caller, key).answer(uploads.lines(request.receive))
        return LineStream(await anext(answer), answer)


def _batch_answers() -> dict[int | str, dict[str, Any]]:
    documented = answers(202, BatchAnswer, examples.BATCH_ANSWER, Location="Where its counts are.")
    documented[202]["content"][NDJSON] = {"schema": {"type": "string"}, "example": examples.STREAM_ANSWER}
    return documented


def response_of(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, JSON)


class LineStream(Response):
    """The answer to a stream. It waits for the client to take each piece before the next lines are read."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        super().__init__(b"", 202, media_type=NDJSON)
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _pass_on(send, self._first)
            async for piece in self._rest:
                await _pass_on(send, piece)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._rest.aclose()


async def _pass_on(send: Send, piece: bytes) -> None:
    try:
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        raise ClientGone from None
