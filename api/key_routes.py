"""API keys, as operators see them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.answers import Shape
from api.edge import shown
from api.openapi import SECURED, answers, problems
from api.services import Services
from schemas.ids import rfc3339
from schemas.records import ApiKey


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


def key_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/keys."""

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


def key_view(key: ApiKey) -> KeyView:
    return KeyView(
        id=key.id,
        account=key.account,
        name=key.name,
        scopes=list(key.scopes),
        live=key.live,
        revoked_at=rfc3339(key.revoked_ms) if key.revoked_ms else None,
    )
