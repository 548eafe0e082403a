"""What routes do with a request before their own work: its media type, and small bodies in their shape."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from api.act_shapes import Body
from api.bodies import checked, read_json
from api.problems import refusal
from api.services import Services

JSON: Final = "application/json"


def check_media(request: Request, *taken: str) -> str:
    """The media type of the body. Raises Refusal when it is none of those taken."""
    return media_of(request.headers.get("content-type", ""), *taken)


def media_of(told: str, *taken: str) -> str:
    """The same from the Content-Type header. Raises Refusal."""
    if told in taken:
        return told
    media = told.partition(";")[0].strip().lower()
    if media in taken:
        return media
    shown = f"announced as {media[:64]}" if media else "of no announced type"
    raise refusal("unsupported_media_type", f"the body is {shown}; send {' or '.join(taken)}")


async def body_of(request: Request, services: Services, body: Body, *, optional: bool = False) -> Any:
    """The JSON body of a request. `optional`: an empty one is an object without fields. Raises Refusal."""
    async with services.uploads.body(request.headers, request.receive) as raw:
        if optional and not raw.strip():
            return {}
        check_media(request, JSON)
        return checked(body.shape, read_json(raw), body.names)
