"""What the routes work with: made once a process by api.server, by hand in tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from api.acceptance import Desk
from api.authentication import authenticate, require
from api.intake import Caller
from api.readside import ReadSide, ReadWatch
from api.reference import ReferenceBook
from api.status import StatusBoard
from api.uploads import Uploads
from runtime.clock import Clock
from runtime.health import Health
from schemas.carriers import CarrierBook
from schemas.sealing import BlindIndex, Sealer


@dataclass
class Services:
    """`carriers` is replaced, together with `desk.intake`, when carriers.toml changes."""

    desk: Desk
    book: ReferenceBook
    board: StatusBoard
    carriers: CarrierBook
    reads: ReadSide
    uploads: Uploads
    sealer: Sealer
    blind: BlindIndex
    clock: Clock
    health: Health
    watch: ReadWatch = field(default_factory=ReadWatch)

    def caller(self, request: Request, scope: str) -> Caller:
        """Who asks, having `scope`. Raises Refusal (unauthorized, forbidden)."""
        return require(authenticate(request.headers.get("authorization"), self.book), scope)
