"""uvicorn's HTTP protocol with a way past the framework (api.door) for a POST /v1/messages that comes without a pause.

A request whose head is fit for it has no cycle and no task of uvicorn's until its end is there: with the head, or a moment
later, since many clients write head and body apart. If it takes longer it goes uvicorn's way after all, as everything else
does: large bodies, what is sent before the last request was answered, clients that don't read, other addresses.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.acceptance import MESSAGES
from api.door import Door, Visit
from api.onewrite import OneWrite
from api.quotas import Headers

_URL: Final = MESSAGES.encode()
_CLOSE: Final = (b"connection", b"close")
REST_S: Final = 0.05
"""How long the end of a request may take after its head."""


class Entrance(OneWrite):
    """A connection; see the module."""

    door: Door
    cycle: Any
    """The last request: uvicorn's, or a Visit."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # Of the body of a request that may go through the door; None: there is none.
        self._pieces: list[bytes] | None = None
        self._size = 0
        self._patience: asyncio.TimerHandle | None = None

    def on_headers_complete(self) -> None:
        if self.url == _URL and self._may_enter():
            self._pieces, self._size = [], 0
        else:
            super().on_headers_complete()

    def _may_enter(self) -> bool:
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        if self._pieces is None:
            super().on_body(body)
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > self.door.most_bytes:
            self._go_uvicorns_way()

    def on_message_complete(self) -> None:
        pieces = self._taken()
        if pieces is None:
            super().on_message_complete()
            return
        raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        visit = Visit(self.door, self, self.headers, raw, self.parser.should_keep_alive())
        self.cycle = visit
        self.door.enter(visit)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._pieces is not None and self._patience is None:
            self._patience = self.loop.call_later(REST_S, self._go_uvicorns_way)

    def connection_lost(self, exc: Exception | None) -> None:
        self._taken()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._go_uvicorns_way()  # which waits for what is under way
        super().shutdown()

    def _go_uvicorns_way(self) -> None:
        """From the head on, late."""
        pieces = self._taken()
        if pieces is None or self.transport.is_closing():
            return  # what came after the head was no HTTP
        super().on_headers_complete()
        for piece in pieces:
            super().on_body(piece)

    def _taken(self) -> list[bytes] | None:
        pieces, self._pieces = self._pieces, None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        return pieces

    def answer(self, visit: Visit, status: int, headers: Headers, body: bytes) -> None:
        """See api.door.Connection. In one write."""
        self._over(visit)
        if visit.disconnected or self.transport.is_closing():
            return
        content = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            content += (name, b": ", value, b"\r\n")
        if _CLOSE in headers:
            visit.keep_alive = False
        elif not visit.keep_alive:
            content.append(b"connection: close\r\n")
        content += (b"\r\n", body)
        self.gathering.write_now(b"".join(content))
        if not visit.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def give_up(self, visit: Visit) -> None:
        """See api.door.Connection."""
        self._over(visit)
        self.transport.close()

    def _over(self, visit: Visit) -> None:
        visit.response_complete = True
        if self.cycle is visit:
            self.cycle = None  # an idle connection keeps nothing of its last request


def entrance_through(door: Door) -> type[Entrance]:
    """The protocol that uvicorn is to make of each connection."""
    return type("Entrance", (Entrance,), {"door": door})
