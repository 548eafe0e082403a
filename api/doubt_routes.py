"""Messages in doubt: what is known of them, and what people decide about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.act_shapes import RESOLUTION
from api.answers import RowFault, Shape
from api.authentication import may, require
from api.edge import shown
from api.intake import Caller
from api.openapi import BODY_PROBLEMS, SECURED, answers, json_body, problems
from api.problems import Refusal, refusal, row_error
from api.read_routes import absent, bad_cursor, id_of, moment_ms
from api.requests import body_of
from api.services import Services
from api.shapes import NO_NUL
from schemas.classes import CLASS_NAMES
from schemas.ids import rfc3339, to_text
from schemas.records import Resolved
from store.rows import DoubtRow, StandingRow

ADMIN: Final = "admin"
EVERYBODY: Final = "*"


class DoubtView(Shape):
    """A message that may or may not have been sent. `reason`: what was lost; `action`: what is done about it; `until`: when a
    wait for evidence ends; `status`: of the message now."""

    id: str
    account: str | None
    status: str | None
    client_ref: str | None
    class_: str = Field(alias="class")
    carrier: str
    lane: int
    attempt: int
    reason: str
    action: str
    at: str
    until: str | None
    open: bool
    sent: bool | None = Field(
        description="Whether the carrier took it after all, as an answer or a receipt told since; null: nobody knows."
    )
    resolution: str | None = Field(description="How the doubt ended.", examples=["sent"])
    resolved_at: str | None


class DoubtPage(Shape):
    """Newest first. `next_cursor`: null on the last page."""

    data: list[DoubtView]
    next_cursor: str | None


class DoubtQuery(BaseModel):
    """What GET /v1/in-doubt selects by."""

    model_config = ConfigDict(extra="forbid")

    carrier: str | None = Field(None, max_length=32, pattern=NO_NUL)
    account: str | None = Field(
        None, max_length=32, pattern=NO_NUL, description="Another account, or `*` for all: with the scope `admin`."
    )
    open: bool = Field(True, description="Only those whose doubt lasts; false: those that have ended, too.")
    since: AwareDatetime | None = Field(None, description="Listed at or after; RFC 3339.")
    cursor: str | None = Field(None, max_length=512, pattern=NO_NUL, description="`next_cursor` of the page before.")
    limit: int = Field(100, ge=1, le=500)


class ResolvedRow(Shape):
    """One id: `accepted`, or `rejected` with the reason."""

    id: str
    status: Literal["accepted", "rejected"]
    error: RowFault | None = None


class ResolvedPage(Shape):
    """In the order of the request. What is accepted takes effect within seconds, and can be seen in the timeline."""

    accepted: int
    rejected: int
    results: list[ResolvedRow]


def doubt_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/in-doubt and POST /v1/in-doubt/resolve."""

    @router.get(
        "/v1/in-doubt",
        summary="Messages in doubt",
        tags=["Operating"],
        response_model=None,
        responses={
            **answers(200, DoubtPage, examples.DOUBT_PAGE),
            **problems("unknown_field", "invalid_field", "read_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def get_in_doubt(request: Request, query: Annotated[DoubtQuery, Query()]) -> Response:
        """Messages that were submitted, or about to be, when the answer got lost, and what became of the doubt."""
        caller = services.caller(request, "read")
        account = _account_of(query.account, caller)
        try:
            listed = services.reads.list_in_doubt(
                account, query.carrier, query.limit, query.cursor, open_only=query.open, since_ms=moment_ms(query.since)
            )
            rows, next_cursor = await services.watch.answered(listed)
        except ValueError:
            raise bad_cursor() from None
        return shown(DoubtPage(data=[doubt_view(row) for row in rows], next_cursor=next_cursor))

    @router.post(
        "/v1/in-doubt/resolve",
        summary="Decide about messages in doubt",
        tags=["Operating"],
        status_code=202,
        response_model=None,
        responses={
            **answers(202, ResolvedPage, examples.RESOLVED_PAGE),
            **problems(*BODY_PROBLEMS, "missing_field", "read_unavailable", "not_recorded", "not_in_doubt"),
        },
        openapi_extra={**SECURED, "requestBody": json_body("Resolution", examples.RESOLUTION_BODY)},
    )
    async def post_resolve(request: Request) -> Response:
        """Sends again, or gives up, what waits for evidence or is held. Each id is answered on its own. Messages of other
        accounts need the scope `admin`."""
        caller = services.caller(request)
        admin = may(caller, ADMIN)
        if not admin:
            require(caller, "send")
        body = await body_of(request, services, RESOLUTION)
        wanted = list(dict.fromkeys(body["ids"]))
        ids, faults = _ids_of(wanted)
        asked = services.reads.messages_by_ids(None if admin else caller.account, list(ids.values()))
        known = await services.watch.answered(asked)
        now_ms = services.clock.wall_ms()
        faults |= {text: fault for text, id in ids.items() if (fault := _fault_of(id, known, now_ms)) is not None}
        act = services.acts.act(caller, body["reason"])
        records = [
            Resolved(act, id, known[id].account, body["action"]) for text, id in ids.items() if text not in faults
        ]
        unknown = await services.acts.note(records) if records else set()
        if records and len(unknown) == len(records):
            raise refusal("not_recorded", "Kafka did not confirm in time; it may take effect all the same")
        faults |= {text: _UNCONFIRMED for text, id in ids.items() if id in unknown}
        return shown(_told(wanted, faults), 202)


_UNCONFIRMED: Final = refusal("not_recorded", "Kafka did not confirm in time; it may take effect all the same")


def _account_of(asked: str | None, caller: Caller) -> str | None:
    """Whose doubts are listed; None: everybody's. Raises Refusal (forbidden)."""
    if asked is None or asked == caller.account:
        return caller.account
    if not may(caller, ADMIN):
        raise refusal("forbidden", f"the key {caller.key_id} lacks the scope `{ADMIN}`, which other accounts need")
    return None if asked == EVERYBODY else asked


def _ids_of(texts: Sequence[str]) -> tuple[dict[str, bytes], dict[str, Refusal]]:
    ids: dict[str, bytes] = {}
    faults: dict[str, Refusal] = {}
    for text in texts:
        try:
            ids[text] = id_of(text, "message")
        except Refusal as fault:
            faults[text] = fault
    return ids, faults


def _fault_of(id: bytes, known: Mapping[bytes, StandingRow], now_ms: int) -> Refusal | None:
    found = known.get(id)
    if found is None:
        return absent("message", id, now_ms)
    if found.resolvable:
        return None
    if found.in_doubt:
        return refusal("not_in_doubt", "its lane is sending it again already")
    return refusal("not_in_doubt", f"the message is {found.status.label}, and not in doubt")


def _told(wanted: Sequence[str], faults: Mapping[str, Refusal]) -> ResolvedPage:
    results = [
        ResolvedRow(
            id=text,
            status="rejected" if text in faults else "accepted",
            error=RowFault(**row_error(faults[text].faults)) if text in faults else None,
        )
        for text in wanted
    ]
    return ResolvedPage(accepted=len(wanted) - len(faults), rejected=len(faults), results=results)


def doubt_view(row: DoubtRow) -> DoubtView:
    return DoubtView.model_validate(
        {
            "id": to_text(row.id),
            "account": row.account,
            "status": None if row.status is None else row.status.label,
            "client_ref": row.client_ref,
            "class": CLASS_NAMES[row.cls],
            "carrier": row.carrier,
            "lane": row.lane,
            "attempt": row.attempt,
            "reason": row.reason,
            "action": row.action,
            "at": rfc3339(row.at_ms),
            "until": rfc3339(row.until_ms) if row.until_ms else None,
            "open": row.resolved_ms is None,
            "sent": row.sent,
            "resolution": row.resolution,
            "resolved_at": None if row.resolved_ms is None else rfc3339(row.resolved_ms),
        }
    )
