"""What a sender may still do to a message: cancel it, give it another time."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.act_shapes import NOTE, RESCHEDULE
from api.answers import Shape
from api.edge import shown
from api.openapi import BODY_PROBLEMS, SECURED, answers, json_body, problems
from api.problems import refusal
from api.read_routes import absent, id_of
from api.reference import cancel_key
from api.requests import body_of
from api.services import Services
from api.times import send_at_of
from schemas.ids import rfc3339, to_text
from schemas.records import Cancellation, Rescheduled
from schemas.status import Status
from store.rows import MessageRow

_UNKNOWN: Final = "unknown"


class Canceling(Shape):
    """A cancellation that is kept. The message is not sent unless a carrier has it already."""

    id: str
    status: str | None = Field(
        description="Of the message, as far as it is known now; null while it is not.", examples=["queued"]
    )


class Rescheduling(Shape):
    """A message with another time."""

    id: str
    status: str
    send_at: str


def message_routes(router: APIRouter, services: Services) -> None:
    """POST /v1/messages/{id}/cancel and PATCH /v1/messages/{id}."""

    @router.post(
        "/v1/messages/{message_id}/cancel",
        summary="Cancel a message",
        tags=["Sending"],
        status_code=202,
        response_model=None,
        responses={
            **answers(202, Canceling, examples.CANCELING),
            **problems(*BODY_PROBLEMS, "not_found", "already_final", "not_recorded"),
        },
        openapi_extra={**SECURED, "requestBody": json_body("Note", examples.NOTE_BODY, required=False)},
    )
    async def post_cancel(request: Request, message_id: str) -> Response:
        """It holds in every process within two seconds: a message that waits, in a queue or for its time, is not sent. What
        a carrier has is not taken back. To repeat it changes nothing; it needs neither Postgres nor that the message can be
        seen already."""
        caller = services.caller(request, "send")
        note = await body_of(request, services, NOTE, optional=True)
        wanted = id_of(message_id, "message")
        row = await services.watch.guessed(services.reads.get_message(caller.account, wanted), _UNKNOWN)
        status = None
        if isinstance(row, MessageRow):
            status = row.status
        elif row is None and (missing := absent("message", wanted, services.clock.wall_ms())).code == "not_found":
            raise missing
        if status is not None and status.is_final and status is not Status.CANCELED:
            raise refusal("already_final", f"the message is {status.label}")
        if status is not Status.CANCELED:
            act = services.acts.act(caller, note.get("reason", ""))
            record = Cancellation(act, wanted, caller.account)
            await services.acts.say(cancel_key(wanted, caller.account), record)
        return shown(Canceling(id=to_text(wanted), status=status.label if status else None), 202)

    @router.patch(
        "/v1/messages/{message_id}",
        summary="Give a scheduled message another time",
        tags=["Sending"],
        status_code=202,
        response_model=None,
        responses={
            **answers(202, Rescheduling, examples.RESCHEDULING),
            **problems(
                *BODY_PROBLEMS, "missing_field", "invalid_send_at", "not_found", "not_visible_yet", "not_scheduled",
                "read_unavailable", "not_recorded",
            ),
        },
        openapi_extra={**SECURED, "requestBody": json_body("Reschedule", examples.RESCHEDULE_BODY)},
    )  # fmt: skip
    async def patch_message(request: Request, message_id: str) -> Response:
        """Only while it waits for its `send_at`; `ttl_s` counts from the new one. If it leaves at this very moment it keeps
        the old one: GET tells."""
        caller = services.caller(request, "send")
        body = await body_of(request, services, RESCHEDULE)
        wanted = id_of(message_id, "message")
        now_ms = services.clock.wall_ms()
        at_ms = send_at_of(body["send_at"], now_ms)
        row = await services.watch.answered(services.reads.get_message(caller.account, wanted))
        if row is None:
            raise absent("message", wanted, now_ms)
        # A message that waits for its next attempt has left already.
        if row.status is not Status.SCHEDULED or row.attempts or not row.not_before_ms:
            raise refusal("not_scheduled", f"the message is {row.status.label}")
        await services.acts.note_one(Rescheduled(services.acts.act(caller, ""), wanted, caller.account, at_ms))
        return shown(Rescheduling(id=to_text(wanted), status=row.status.label, send_at=rfc3339(at_ms)), 202)
