"""uvicorn's HTTP protocol with a way past the framework (api.door) for a POST /v1/messages that comes without a pause.

A request whose head is fit for it has no cycle and no task of uvicorn's until its end is there: with the head, or a moment
later, since many clients write head and body apart. If it takes longer it goes uvicorn's way after all, as everything else
does: large bodies, what is sent before the last request was answered, clients that don't read, other addresses.
A request that comes at once, with a head that came before, is not even parsed (api.heads).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.acceptance import MESSAGES
from api.door import Door, Visit, written
from api.heads import Fields, Heads
from api.onewrite import OneWrite

_URL: Final = MESSAGES.encode()
REST_S: Final = 0.05
"""How long the end of a request may take after its head."""


class Entrance(OneWrite):
    """A connection; see the module."""

    door: Door
    heads: Heads
    cycle: Any
    """The last request: uvicorn's, or a Visit."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # Of the body of a request that may go through the door; None: there is none.
        self._pieces: list[bytes] | None = None
        self._size = 0
        self._patience: asyncio.TimerHandle | None = None
        # Whether the parser is between two requests, and what it was given since.
        self._between = True
        self._fed = b""
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._default_head = b""

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

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
            and self._is_free()
            and not self.expect_100_continue
            and not parser.should_upgrade()
        )

    def _is_free(self) -> bool:
        """The last request is answered, and the client reads."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def on_body(self, body: bytes) -> None:
        if self._pieces is None:
            super().on_body(body)
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > self.door.most_bytes:
            self._go_uvicorns_way()

    def on_message_complete(self) -> None:
        self._between = not self.parser.should_upgrade()
        pieces = self._taken()
        if pieces is None:
            super().on_message_complete()
            return
        raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        keep_alive = self.parser.should_keep_alive()
        headers = dict(reversed(self.headers))
        if self._fed and keep_alive:
            self.heads.keep(self._fed, raw, headers)
        self._enter(headers, raw, keep_alive)

    def _enter(self, headers: Fields, raw: bytes, keep_alive: bool) -> None:
        self.cycle = visit = Visit(self.door, self, headers, raw, keep_alive)
        self.door.enter(visit)

    def data_received(self, data: bytes) -> None:
        if self._between:
            if self._passes(data):
                return
            self._fed = data
        super().data_received(data)
        self._fed = b""
        if self._pieces is not None and self._patience is None:
            self._patience = self.loop.call_later(REST_S, self._go_uvicorns_way)

    def _passes(self, data: bytes) -> bool:
        """Whether it is a whole request, with a head that came before, and has gone through the door."""
        found = self.heads.find(data) if self._is_free() else None
        if found is None:
            return False
        self._unset_keepalive_if_required()
        self._enter(*found, keep_alive=True)
        return True

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

    def answer(self, visit: Visit, status: int, head: bytes, body: bytes, *, closes: bool) -> None:
        """See api.door.Connection. In one write."""
        self._over(visit)
        if visit.disconnected or self.transport.is_closing():
            return
        if closes:
            visit.keep_alive = False
        elif not visit.keep_alive:
            head += b"connection: close\r\n"
        self.gathering.write_now(b"".join((STATUS_LINE[status], self._defaults(), head, b"\r\n", body)))
        if not visit.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _defaults(self) -> bytes:
        """The server's own headers; it makes a new list when the second, and with it the date, changes."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_head = written(headers)
        return self._default_head

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
    return type("Entrance", (Entrance,), {"door": door, "heads": Heads()})
