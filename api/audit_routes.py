"""Who did what: the audit log, and messages from handsets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.answers import Shape
from api.edge import shown
from api.openapi import SECURED, answers, problems
from api.read_routes import bad_cursor, moment_ms
from api.services import Services
from api.shapes import NO_NUL
from api.views import opened
from schemas.ids import rfc3339, to_text
from schemas.sealing import Sealer, masked
from store.rows import AuditFilter, AuditRow, InboundRow

AuditKind = Literal["key", "account", "carrier", "batch", "cancel", "in_doubt", "schedule", "content"]


class AuditView(Shape):
    """One act. `what`: the record that it left; `subject`: what it was done to."""

    at: str
    kind: str
    subject: str
    actor: str
    reason: str
    what: dict[str, Any]


class AuditPage(Shape):
    """Newest first. `next_cursor`: null on the last page."""

    data: list[AuditView]
    next_cursor: str | None


class AuditQuery(BaseModel):
    """What GET /v1/audit selects by."""

    model_config = ConfigDict(extra="forbid")

    kind: AuditKind | None = None
    subject: str | None = Field(None, max_length=128, pattern=NO_NUL, description="A carrier, key, account or id.")
    actor: str | None = Field(None, max_length=128, pattern=NO_NUL)
    from_: AwareDatetime | None = Field(None, alias="from", description="At or after; RFC 3339.")
    until: AwareDatetime | None = Field(None, description="Before; RFC 3339.")
    cursor: str | None = Field(None, max_length=512, pattern=NO_NUL, description="`next_cursor` of the page before.")
    limit: int = Field(100, ge=1, le=500)


class InboundView(Shape):
    """A message from a handset. `to`: our number."""

    id: str
    at: str
    carrier: str
    from_: str | None = Field(
        alias="from", description="Masked without the scope `read:content`.", examples=["+861380****000"]
    )
    to: str
    text: str | None = Field(description="Null without the scope `read:content`.")


class InboundPage(Shape):
    """Newest first. `next_cursor`: null on the last page."""

    data: list[InboundView]
    next_cursor: str | None


class InboundQuery(BaseModel):
    """What GET /v1/inbound selects by."""

    model_config = ConfigDict(extra="forbid")

    cursor: str | None = Field(None, max_length=512, pattern=NO_NUL, description="`next_cursor` of the page before.")
    limit: int = Field(100, ge=1, le=500)


def audit_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/audit and /v1/inbound."""

    @router.get(
        "/v1/audit",
        summary="Who did what",
        tags=["Operating"],
        response_model=None,
        responses={
            **answers(200, AuditPage, examples.AUDIT_PAGE),
            **problems("unknown_field", "invalid_field", "read_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def get_audit(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
        """Keys, accounts, switches, cancellations, decisions about doubts, and who was shown numbers and texts; of all
        accounts."""
        services.caller(request, "admin")
        wanted = AuditFilter(query.kind, query.subject, query.actor, moment_ms(query.from_), moment_ms(query.until))
        try:
            listed = services.reads.list_audit(wanted, query.cursor, query.limit)
            rows, next_cursor = await services.watch.answered(listed)
        except ValueError:
            raise bad_cursor() from None
        return shown(AuditPage(data=[audit_view(row) for row in rows], next_cursor=next_cursor))

    @router.get(
        "/v1/inbound",
        summary="Messages from handsets, newest first",
        tags=["Asking"],
        response_model=None,
        responses={
            **answers(200, InboundPage, examples.INBOUND_PAGE),
            **problems("unknown_field", "invalid_field", "read_unavailable", "audit_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def get_inbound(request: Request, query: Annotated[InboundQuery, Query()]) -> Response:
        """What was sent to the numbers of the caller's account. Number and text of the sender need the scope `read:content`,
        and the audit log tells who was shown them."""
        caller = services.caller(request, "read")
        try:
            listed = services.reads.list_inbound(caller.account, query.cursor, query.limit)
            rows, next_cursor = await services.watch.answered(listed)
        except ValueError:
            raise bad_cursor() from None
        full = await services.content_for(request, caller, [row.id for row in rows])
        return shown(
            InboundPage(data=[inbound_view(row, services.sealer, full) for row in rows], next_cursor=next_cursor)
        )


def audit_view(row: AuditRow) -> AuditView:
    return AuditView(
        at=rfc3339(row.at_ms), kind=row.kind, subject=row.subject, actor=row.actor, reason=row.reason, what=row.what
    )


def inbound_view(row: InboundRow, sealer: Sealer, full: bool) -> InboundView:
    """`full`: with number and text."""
    content = opened(sealer, row.id, row.sealed)
    sender = None if content is None else _handset(content.destination, full)
    return InboundView.model_validate(
        {
            "id": to_text(row.id),
            "at": rfc3339(row.at_ms),
            "carrier": row.carrier,
            "from": sender,
            "to": row.number,
            "text": content.text if content is not None and full else None,
        }
    )


def _handset(sender: str, full: bool) -> str:
    # Short codes and names are public, a long number is somebody's.
    if not sender.isdigit() or len(sender) <= 8:
        return sender
    return "+" + sender if full else masked(sender)
