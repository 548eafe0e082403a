"""What a sender may still do to a batch: pause it, resume it, cancel it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.act_shapes import NOTE
from api.edge import shown
from api.intake import Caller
from api.openapi import BODY_PROBLEMS, SECURED, answers, json_body, problems
from api.problems import refusal
from api.read_routes import absent, id_of
from api.reference import batch_key
from api.requests import body_of
from api.services import Services
from api.views import BatchStanding, standing_of
from policy.switching import BATCH_STATE_OF_ACTION
from schemas.ids import rfc3339
from schemas.records import BatchSwitch
from store.rows import BatchRow

_UNKNOWN: Final = "unknown"
_SUMMARIES: Final = {
    "pause": (
        "Pause a batch",
        "What is not with a carrier yet waits, until the batch is resumed or the time to live of a message is over.",
    ),
    "resume": ("Resume a batch", "What waited goes on at once."),
    "cancel": (
        "Cancel a batch",
        "What is not with a carrier yet is not sent. It can't be undone.",
    ),
}


def batch_routes(router: APIRouter, services: Services) -> None:
    """POST /v1/batches/{id}/pause, resume and cancel."""
    for action in _SUMMARIES:
        _add(router, services, action)


def _add(router: APIRouter, services: Services, action: str) -> None:
    summary, effect = _SUMMARIES[action]

    @router.post(
        f"/v1/batches/{{batch_id}}/{action}",
        name=f"{action}_batch",
        summary=summary,
        description=f"{effect} It holds in every process within two seconds, also while Postgres is away; to repeat it "
        "changes nothing.",
        tags=["Sending"],
        status_code=202,
        response_model=None,
        responses={
            **answers(202, BatchStanding, {**examples.BATCH_STANDING, "state": BATCH_STATE_OF_ACTION[action]}),
            **problems(*BODY_PROBLEMS, "not_found", "batch_canceled", "not_recorded"),
        },
        openapi_extra={**SECURED, "requestBody": json_body("Note", examples.NOTE_BODY, required=False)},
    )
    async def post_switch(request: Request, batch_id: str) -> Response:
        caller = services.caller(request, "send")
        note = await body_of(request, services, NOTE, optional=True)
        wanted = id_of(batch_id, "batch")
        await _check_owned(services, caller, wanted)
        made: list[BatchSwitch] = []

        def switch() -> BatchSwitch:
            before = services.book.batch(wanted, caller.account)
            if before is not None and before.state == "canceled" and action != "cancel":
                raise refusal("batch_canceled", f"the batch was canceled at {rfc3339(before.act.at_ms)}")
            act = services.acts.act(caller, note.get("reason", ""))
            made.append(BatchSwitch(act, wanted, caller.account, BATCH_STATE_OF_ACTION[action]))
            return made[0]

        await services.acts.change(batch_key(wanted, caller.account), switch)
        return shown(standing_of(wanted, made[0]), 202)


async def _check_owned(services: Services, caller: Caller, batch: bytes) -> None:
    """Raises Refusal (not_found) for a batch that the account can't have. One that nobody knows yet, or while Postgres is
    away, may be its own; the switch then names the account, and holds for messages of no other."""
    if services.book.batch(batch, caller.account) is not None:
        return
    row = await services.watch.guessed(services.reads.get_batch(caller.account, batch), _UNKNOWN)
    if isinstance(row, BatchRow) or row == _UNKNOWN:
        return
    missing = absent("batch", batch, services.clock.wall_ms())
    if missing.code == "not_found":
        raise missing
