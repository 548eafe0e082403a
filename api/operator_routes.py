"""What operators ask: carriers, keys, messages in doubt. Switches and the resolving of doubts will find their place here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.answers import Shape
from api.edge import shown
from api.openapi import SECURED, answers, problems
from api.read_routes import bad_cursor
from api.services import Services
from api.shapes import NO_NUL
from api.status import CarrierList
from schemas.classes import CLASS_NAMES
from schemas.ids import rfc3339, to_text
from schemas.records import ApiKey
from store.rows import DoubtRow


class KeyView(Shape):
    """An API key, without its secret: nobody has that but who got it."""

    id: str
    account: str
    name: str
    scopes: list[str]
    live: bool
    revoked_at: str | None


class KeyList(Shape):
    """The keys of the caller's account, revoked ones too."""

    data: list[KeyView]


class DoubtView(Shape):
    """A message that may or may not have been sent. `action`: what is done; `until`: when a wait for evidence ends;
    `status`: of the message now."""

    id: str
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


class DoubtPage(Shape):
    """`next_cursor`: null on the last page."""

    data: list[DoubtView]
    next_cursor: str | None


class DoubtQuery(BaseModel):
    """What GET /v1/in-doubt selects by."""

    model_config = ConfigDict(extra="forbid")

    carrier: str | None = Field(None, max_length=32, pattern=NO_NUL)
    cursor: str | None = Field(None, max_length=512, pattern=NO_NUL, description="`next_cursor` of the page before.")
    limit: int = Field(100, ge=1, le=500)


def operator_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/carriers, /v1/keys and /v1/in-doubt."""

    @router.get(
        "/v1/carriers",
        summary="Carriers: binds, rates, queues",
        tags=["Operating"],
        response_model=None,
        responses={**answers(200, CarrierList, examples.CARRIER_LIST), **problems()},
        openapi_extra=SECURED,
    )
    async def get_carriers(request: Request) -> Response:
        """As their lanes told last; it needs neither Postgres nor the carrier."""
        services.caller(request, "admin")
        return shown(services.board.view(services.carriers, services.book, services.clock.wall_ms()))

    @router.get(
        "/v1/keys",
        summary="API keys",
        tags=["Operating"],
        response_model=None,
        responses={**answers(200, KeyList, examples.KEY_LIST), **problems()},
        openapi_extra=SECURED,
    )
    async def get_keys(request: Request) -> Response:
        """`smpp-dispatch keys` makes and revokes them."""
        caller = services.caller(request, "admin")
        return shown(KeyList(data=[key_view(key) for key in services.book.keys(caller.account)]))

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
        """Messages of the caller's account that were submitted, or about to be, when the answer got lost."""
        caller = services.caller(request, "read")
        try:
            listed = services.reads.list_in_doubt(caller.account, query.carrier, query.limit, query.cursor)
            rows, next_cursor = await services.watch.answered(listed)
        except ValueError:
            raise bad_cursor() from None
        return shown(DoubtPage(data=[doubt_view(row) for row in rows], next_cursor=next_cursor))


def key_view(key: ApiKey) -> KeyView:
    return KeyView(
        id=key.id,
        account=key.account,
        name=key.name,
        scopes=list(key.scopes),
        live=key.live,
        revoked_at=rfc3339(key.revoked_ms) if key.revoked_ms else None,
    )


def doubt_view(row: DoubtRow) -> DoubtView:
    return DoubtView.model_validate(
        {
            "id": to_text(row.id),
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
        }
    )
