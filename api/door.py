"""POST /v1/messages past the framework: what came whole in one turn of the event loop goes over the desk together, in one task.
A message costs 58 us of CPU instead of 316 through uvicorn's cycle and the framework (bench.api: without sockets and Kafka).

The route of `api.write_routes` does the same through the framework: it is what the OpenAPI document describes, it takes what
api.entrance does not let through here, and tests hold the two together, byte for byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Protocol

from api.acceptance import MESSAGES, Answer, Asked
from api.authentication import require
from api.edge import CLIENT_GONE, Edge, adopted, internal_fault, problem_response
from api.heads import Fields
from api.idempotency import check_key
from api.intake import Caller
from api.problems import Refusal
from api.quotas import Headers
from api.requests import JSON, media_of
from api.services import Services

MOST_BYTES: Final = 64 * 1024
"""The largest body that goes this way."""
_CLOSE: Final = (b"connection", b"close")
_NOBODY: Final = Caller("", "", frozenset(), False)


class Connection(Protocol):
    """What a request came on: api.entrance.Entrance."""

    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]
    """The server's: it waits for them when it stops, and ends them in the end."""

    def answer(self, visit: Visit, status: int, head: bytes, body: bytes, *, closes: bool) -> None:
        """Writes it, if somebody is still there. `head`: all headers but the server's own, a line each; `closes`: one of them
        says that this is the connection's last answer."""
        ...

    def give_up(self, visit: Visit) -> None:
        """No answer can be made: closes."""
        ...


class _NoEvent:
    """uvicorn wakes a request that waits for more of itself; here all of it is there."""

    def set(self) -> None:
        """Nobody waits."""


class Visit(Asked):
    """A request under way. To uvicorn it is the connection's cycle: `keep_alive`, `disconnected` and `response_complete` are
    as there."""

    __slots__ = (
        "connection", "disconnected", "door", "headers", "held", "keep_alive", "request_id", "response_complete", "since",
        "state",
    )  # fmt: skip
    message_event: ClassVar = _NoEvent()

    def __init__(self, door: Door, connection: Connection, headers: Fields, raw: bytes, keep_alive: bool) -> None:
        super().__init__(_NOBODY, raw, None)
        self.door = door
        self.connection = connection
        self.headers = headers
        self.keep_alive = keep_alive
        self.since = door.monotonic()
        self.disconnected = False
        self.response_complete = False
        self.request_id = ""
        self.state: dict[str, Any] = {}
        self.held = 0

    def settle(self, outcome: Answer | Exception) -> None:
        self.door.answer(self, outcome)


class Door:
    """All connections of a process share it."""

    def __init__(self, services: Services, edge: Edge) -> None:
        self.monotonic = services.clock.monotonic
        self.most_bytes = min(MOST_BYTES, services.uploads.most_bytes)
        self._services = services
        self._edge = edge
        self._arrived: list[Visit] = []

    def enter(self, visit: Visit) -> None:
        """Takes a request. Called by the parser, which would take a fault for the client's: so nothing is done here."""
        if not self._arrived:
            visit.connection.loop.call_soon(self._begin)
        self._arrived.append(visit)

    def _begin(self) -> None:
        arrived, self._arrived = self._arrived, []
        group = [visit for visit in arrived if self._checked(visit)]
        if group:
            connection = group[0].connection
            task = connection.loop.create_task(self._serve(group))
            connection.tasks.add(task)
            task.add_done_callback(connection.tasks.discard)

    def _checked(self, visit: Visit) -> bool:
        """Whether it goes to the desk; else it is over."""
        headers = visit.headers
        visit.request_id = adopted(headers.get(b"x-request-id"))
        if visit.disconnected:
            self._edge.tell("POST", MESSAGES, CLIENT_GONE, visit.since, visit.request_id)
            return False
        try:
            self._check(visit, headers)
        except Exception as fault:
            self.answer(visit, fault)
            return False
        return True

    def _check(self, visit: Visit, headers: Fields) -> None:
        services = self._services
        visit.caller = require(services.caller_of(_text(headers.get(b"authorization")), visit.state), "send")
        media_of(_text(headers.get(b"content-type")) or "", JSON)
        visit.key = check_key(_text(headers.get(b"idempotency-key")))
        services.uploads.hold(len(visit.raw))
        visit.held = len(visit.raw)

    async def _serve(self, group: Sequence[Visit]) -> None:
        fault: Exception = RuntimeError("ended before it was settled")
        try:
            await self._services.desk.messages(group)
        except Exception as raised:
            fault = raised
        finally:
            for visit in group:
                if not visit.response_complete:
                    self.answer(visit, fault)

    def answer(self, visit: Visit, outcome: Answer | Exception) -> None:
        """Never raises: what is wrong with one answer is no matter of the others' of its group."""
        try:
            self._answer(visit, outcome)
        except Exception as fault:
            self._edge.tell_fault(MESSAGES, visit.request_id, fault)
            visit.connection.give_up(visit)

    def _answer(self, visit: Visit, outcome: Answer | Exception) -> None:
        self._services.uploads.release(visit.held)
        closes = False
        if isinstance(outcome, Answer):
            status, body, named = outcome
            told = "".join([f"{name.lower()}: {value}\r\n" for name, value in named.items()])
            head = f"{told}content-length: {len(body)}\r\ncontent-type: {JSON}\r\n".encode()
        else:
            response = problem_response(self._refusal_of(visit, outcome), visit.request_id)
            status, body, head = response.status_code, bytes(response.body), written(response.raw_headers)
            closes = _CLOSE in response.raw_headers
        head += b"x-request-id: %b\r\n" % visit.request_id.encode()
        more = visit.state.get("headers")
        if more is not None:
            head += written(more())
        visit.connection.answer(visit, status, head, body, closes=closes)
        self._edge.tell("POST", MESSAGES, status, visit.since, visit.request_id)

    def _refusal_of(self, visit: Visit, fault: Exception) -> Refusal:
        if isinstance(fault, Refusal):
            return fault
        self._edge.tell_fault(MESSAGES, visit.request_id, fault)
        return internal_fault()


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")


def written(headers: Headers) -> bytes:
    """As they stand in a head, a line each."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
