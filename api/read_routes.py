"""The routes that answer from the read side. Postgres away: 503 `read_unavailable`, and sending goes on."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.edge import shown
from api.openapi import SECURED, answers, problems
from api.problems import Refusal, refusal
from api.services import Services
from api.shapes import NO_NUL
from api.views import BatchView, MessagePage, MessageView, batch_view, summary_of, view_of
from schemas.addresses import AddressError, normalize_destination
from schemas.classes import CLASS_NUMBERS
from schemas.ids import DAY_MS, from_text, is_keyed, millis_of
from schemas.sealing import BlindIndex
from schemas.status import STATUS_BY_LABEL
from store.rows import MessageFilter

_AHEAD_MS: Final = 300_000
"""Another machine's clock may be so far ahead of ours."""


class MessageQuery(BaseModel):
    """What GET /v1/messages selects by."""

    model_config = ConfigDict(extra="forbid")

    status: (
        Literal[
            "held", "scheduled", "queued", "sent", "unknown", "delivered", "undelivered", "expired", "failed", "blocked",
            "canceled",
        ] | None
    ) = None  # fmt: skip
    class_: Literal["otp", "notice", "marketing"] | None = Field(None, alias="class")
    carrier: str | None = Field(None, max_length=32, pattern=NO_NUL)
    to: str | None = Field(None, max_length=40, description="A destination in international form.")
    client_ref: str | None = Field(None, max_length=128, pattern=NO_NUL)
    batch_id: str | None = Field(None, max_length=36)
    tag: str | None = Field(None, max_length=64, pattern=NO_NUL)
    from_: AwareDatetime | None = Field(None, alias="from", description="Accepted at or after; RFC 3339.")
    until: AwareDatetime | None = Field(None, description="Accepted before; RFC 3339.")
    cursor: str | None = Field(None, max_length=512, pattern=NO_NUL, description="`next_cursor` of the page before.")
    limit: int = Field(100, ge=1, le=500)


def read_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/messages, /v1/messages/{id} and /v1/batches/{id}."""
    reads, watch = services.reads, services.watch

    @router.get(
        "/v1/messages/{message_id}",
        summary="One message",
        tags=["Asking"],
        response_model=None,
        responses={
            **answers(200, MessageView, examples.MESSAGE_VIEW),
            **problems("not_found", "not_visible_yet", "read_unavailable", "audit_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def get_message(request: Request, message_id: str) -> Response:
        """Its status, attempts and timeline. Number and text need the scope `read:content`, and the audit log tells who was
        shown them."""
        caller = services.caller(request, "read")
        wanted = id_of(message_id, "message")
        row = await watch.answered(reads.get_message(caller.account, wanted))
        if row is None:
            raise absent("message", wanted, services.clock.wall_ms())
        return shown(view_of(row, services.sealer, await services.content_for(request, caller, [row.id])))

    @router.get(
        "/v1/messages",
        summary="Messages, newest first",
        tags=["Asking"],
        response_model=None,
        responses={
            **answers(200, MessagePage, examples.MESSAGE_PAGE),
            **problems("unknown_field", "invalid_field", "invalid_number", "read_unavailable", "audit_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def list_messages(request: Request, query: Annotated[MessageQuery, Query()]) -> Response:
        """All filters must hold. A page has up to `limit` messages; go on with its `next_cursor`."""
        caller = services.caller(request, "read")
        wanted = filter_of(query, caller.account, services.blind)
        try:
            listed = reads.list_messages(caller.account, wanted, query.cursor, query.limit)
            rows, next_cursor = await watch.answered(listed)
        except ValueError:
            raise bad_cursor() from None
        full = await services.content_for(request, caller, [row.id for row in rows])
        data = [summary_of(row, services.sealer, full) for row in rows]
        return shown(MessagePage(data=data, next_cursor=next_cursor))

    @router.get(
        "/v1/batches/{batch_id}",
        summary="A batch, counted by status",
        tags=["Asking"],
        response_model=None,
        responses={
            **answers(200, BatchView, examples.BATCH_VIEW),
            **problems("not_found", "not_visible_yet", "read_unavailable"),
        },
        openapi_extra=SECURED,
    )
    async def get_batch(request: Request, batch_id: str) -> Response:
        """How many of its messages stand where; GET /v1/messages?batch_id= lists them."""
        caller = services.caller(request, "read")
        wanted = id_of(batch_id, "batch")
        row = await watch.answered(reads.get_batch(caller.account, wanted))
        if row is None:
            raise absent("batch", wanted, services.clock.wall_ms())
        return shown(batch_view(row, services.book.batch(row.id, row.account)))


def bad_cursor() -> Refusal:
    return refusal("invalid_field", "`cursor` is not one that this service gave", "cursor")


def id_of(text: str, what: str) -> bytes:
    """An id from an address. Raises Refusal (not_found): what is no id names nothing."""
    try:
        return from_text(text)
    except ValueError:
        raise refusal("not_found", f"no {what} has this id") from None


def absent(what: str, wanted: bytes, now_ms: int) -> Refusal:
    """Nothing has this id: or not yet, if it is one that we may have given out since yesterday."""
    age_ms = now_ms - millis_of(wanted)
    # The time in a keyed id is the start of its day.
    if -_AHEAD_MS <= age_ms < (2 * DAY_MS if is_keyed(wanted) else DAY_MS):
        return refusal("not_visible_yet", f"no {what} has this id so far; it may have been accepted a moment ago")
    return refusal("not_found", f"no {what} has this id")


def filter_of(query: MessageQuery, account: str, blind: BlindIndex) -> MessageFilter:
    """The filter of a query. Raises Refusal."""
    return MessageFilter(
        status=STATUS_BY_LABEL[query.status] if query.status else None,
        cls=CLASS_NUMBERS[query.class_] if query.class_ else None,
        carrier=query.carrier,
        destination_index=_index_of(query.to, account, blind) if query.to else None,
        client_ref=query.client_ref,
        batch=_batch_of(query.batch_id) if query.batch_id else None,
        tag=query.tag,
        from_ms=moment_ms(query.from_),
        until_ms=moment_ms(query.until),
    )


def _index_of(typed: str, account: str, blind: BlindIndex) -> bytes:
    # A plus in a query string that was not escaped has become a space.
    text = "+" + typed[1:] if typed.startswith(" ") else typed
    try:
        return blind.of_account(account, normalize_destination(text))
    except AddressError as fault:
        raise refusal("invalid_number", f"`to`: {fault}", "to") from None


def _batch_of(text: str) -> bytes:
    try:
        return from_text(text)
    except ValueError:
        raise refusal("invalid_field", "`batch_id` is not an id of this service", "batch_id") from None


def moment_ms(moment: AwareDatetime | None) -> int | None:
    """Unix milliseconds of a time in a query."""
    # No id of ours is older than 1970; a date that far back selects the same.
    return None if moment is None else max(0, round(moment.timestamp() * 1000))
