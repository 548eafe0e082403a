"""The outermost layer of HTTP: request ids, timing, and a problem instead of whatever else could go wrong.

Plain ASGI around the app, so that nothing inside can answer a client with a traceback or another framework's error.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import Shape, encode_json
from api.problems import PROBLEMS, Refusal, problem_body, problem_headers, refusal
from api.uploads import ClientGone
from runtime.clock import Clock
from runtime.logs import logger
from runtime.metrics import HTTP_SECONDS

log = logger("api.http")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}\Z").match
PROBLEM_TYPE: Final = "application/problem+json"
CLIENT_GONE: Final = 499
"""The status of a request whose client went away: never sent, for metrics only."""
_QUIET_S: Final = 1.0


def problem_response(fault: Refusal, request_id: str) -> Response:
    """The answer to a request that is refused."""
    body = encode_json(problem_body(fault.faults, request_id))
    return Response(body, PROBLEMS[fault.code].status, problem_headers(fault), PROBLEM_TYPE)


def shown(answer: Shape, status: int = 200) -> Response:
    return Response(answer.model_dump_json(by_alias=True), status, media_type="application/json")


def internal_fault() -> Refusal:
    """What a client is told about a fault of ours."""
    return refusal("internal", "an unexpected fault; it is in our logs under the request_id")


def request_id_of(scope: Scope) -> str:
    """The id under which this request is logged: the client's own, if it is a sane one."""
    return str(scope["state"]["request_id"])


class Edge:
    """Wraps the app."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        # Bound once: to find the logger anew took 3 % of what a single message costs the api.
        self._debug = log.bind().debug
        self._refused = 0
        self._told_at = clock.monotonic() - _QUIET_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        exchange = _Exchange(adopted(_told_id(scope)), receive, send, self._clock, state)
        state["request_id"] = exchange.request_id
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientGone:
            exchange.status = CLIENT_GONE
        except Refusal as fault:
            await problem_response(fault, exchange.request_id)(scope, exchange.receive, exchange.send)
        except Exception as fault:
            self.tell_fault(scope["path"], exchange.request_id, fault)
            if not exchange.status:
                await problem_response(internal_fault(), exchange.request_id)(scope, exchange.receive, exchange.send)
            elif not exchange.complete:
                raise  # half an answer is out: the server closes the connection, so that nobody takes it for a whole one
        finally:
            self.tell(scope["method"], template_of(scope), exchange.status, exchange.since, exchange.request_id)

    def tell(self, method: str, route: str, status: int, since: float, request_id: str) -> None:
        """For metrics and logs: a request that was complete at `since` (monotonic seconds) is answered, or its client gone."""
        seconds = self._clock.monotonic() - since
        _seconds_of(route, status).observe(seconds)
        self._debug("request", method=method, route=route, status=status, seconds=seconds, request_id=request_id)
        if status == 503:
            self._tell_unavailable(route)

    def _tell_unavailable(self, route: str) -> None:
        # An outage refuses thousands a second: the metric has them all, the log a line a second.
        self._refused += 1
        if self._clock.monotonic() - self._told_at >= _QUIET_S:
            log.warning("unavailable", route=route, answers=self._refused)
            self._refused, self._told_at = 0, self._clock.monotonic()

    @staticmethod
    def tell_fault(path: str, request_id: str, fault: BaseException) -> None:
        """For the log: a fault of ours, of which the client is told no more than its request's id."""
        log.error("request_failed", path=path, request_id=request_id, exc_info=fault)


# Seeded by the system, once: an id has to be its own, not secret, and asking the system for each took 2 % of the api.
_LUCK: Final = random.Random()


def adopted(told: bytes | None) -> str:
    """A request's id: its own X-Request-Id, if that is a sane one, else drawn."""
    return told.decode() if told is not None and _REQUEST_ID(told) else f"{_LUCK.getrandbits(96):024x}"


def _told_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return bytes(value)
    return None


class _Exchange:
    """One request and its answer, as they pass. `state["headers"]`, where a route left it, gives headers of the answer as
    they are when it begins."""

    def __init__(self, request_id: str, receive: Receive, send: Send, clock: Clock, state: dict[str, Any]) -> None:
        self.request_id = request_id
        self.status = 0
        self.complete = False
        self._state = state
        self._receive = receive
        self._send = send
        self._monotonic = clock.monotonic
        self.since = clock.monotonic()

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False) and message["type"] == "http.request":
            self.since = self._monotonic()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message.get("headers", ()), own, *self._more()]
        elif not message.get("more_body", False):
            self.complete = True
        await self._send(message)

    def _more(self) -> Iterable[tuple[bytes, bytes]]:
        more = self._state.get("headers")
        return more() if more is not None else ()


@cache
def _seconds_of(route: str, status: int) -> Any:
    # Finding it takes longer than counting; there are as many as there are routes and answers.
    return HTTP_SECONDS.labels(route, status)


def template_of(scope: Mapping[str, Any]) -> str:
    """The path of the route that took a request, ids not filled in: metrics need bounded labels."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
