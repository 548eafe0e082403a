"""What the routes work with: made once a process by api.server, by hand in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

from api.acceptance import Desk
from api.acts import Acts
from api.authentication import authenticate, may, require
from api.intake import Caller
from api.readside import ReadSide, ReadWatch
from api.reference import ReferenceBook
from api.status import StatusBoard
from api.uploads import Uploads
from runtime.clock import Clock
from runtime.health import Health
from schemas.carriers import CarrierBook
from schemas.sealing import BlindIndex, Sealer

CONTENT: Final = "read:content"


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
    acts: Acts
    watch: ReadWatch = field(default_factory=ReadWatch)

    def caller(self, request: Request, scope: str = "") -> Caller:
        """Who asks, having `scope` (if there is one to have). The answer will tell the quota of its account.

        Raises Refusal (unauthorized, forbidden).
        """
        caller = self.caller_of(request.headers.get("authorization"), request.scope["state"])
        return require(caller, scope) if scope else caller

    def caller_of(self, authorization: str | None, state: dict[str, Any]) -> Caller:
        """The same from the Authorization header, whatever it may do. Raises Refusal (unauthorized)."""
        caller = authenticate(authorization, self.book)
        account, quotas = caller.account, self.desk.quotas
        if quotas.of(account) is not None:
            state["headers"] = lambda: quotas.headers(account)
        return caller

    async def content_for(self, request: Request, caller: Caller, ids: Sequence[bytes]) -> bool:
        """Whether the caller is shown numbers and texts of these messages; if so, the audit log knows it already. Raises
        Refusal (audit_unavailable)."""
        if not may(caller, CONTENT):
            return False
        if ids:
            await self.acts.audit_reading(caller, request.scope["state"]["request_id"], ids)
        return True
