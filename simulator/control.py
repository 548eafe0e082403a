"""The control plane: counters, scenario, faults and MO over HTTP. Off the hot path; every body is validated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from fastapi import Body, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.exceptions import HTTPException as AnyHTTPException

from runtime.errors import UnavailableError
from runtime.health import Health, HealthServer
from simulator.distributions import Model
from simulator.fault_kinds import described
from simulator.presets import PRESETS, scenario_of
from simulator.smsc import Smsc
from simulator.stats import stats

_FAULT_EXAMPLES: Any = {
    "throttle": {"summary": "Throttle alpha for half a minute", "value": {"carrier": "alpha", "for_s": 30, "rate": 1}},
    "disconnect": {"summary": "Close once, before the response", "value": {"mode": "before_response"}},
    "match": {"summary": "Only numbers of China", "value": {"for_s": 30, "match": {"prefix": "86"}}},
}
_SCENARIO_EXAMPLES: Any = {
    "preset": {"summary": "A preset", "value": {"preset": "typical"}},
    "receipts": {
        "summary": "Slow, doubled receipts for alpha",
        "value": {
            "accounts": {"alpha": {"receipts": {"delay": {"kind": "exponential", "mean_s": 20}, "duplicate": 0.1}}}
        },
    },
}


class MoBody(Model):
    """A message from a handset. `carrier` is the system_id that gets it; needed when there are several accounts."""

    from_: str = Field(alias="from", min_length=1, max_length=20)
    to: str = Field(min_length=1, max_length=20)
    text: str = Field(max_length=10_000)
    carrier: str | None = None


def build_control(smsc: Smsc, accounts: Mapping[str, Mapping[str, object]]) -> FastAPI:
    """The app. `accounts` are those of the command line: a scenario that is put lies over them."""
    app = FastAPI(title="smpp-dispatch simulator", docs_url="/docs", redoc_url=None)
    app.add_exception_handler(AnyHTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _problem)
    _add_reads(app, smsc)
    _add_scenario(app, smsc, {name: dict(given) for name, given in accounts.items()})
    _add_faults(app, smsc)
    _add_mo(app, smsc)
    return app


def _add_reads(app: FastAPI, smsc: Smsc) -> None:
    @app.get("/stats", summary="All counters since the start")
    async def get_stats() -> dict[str, Any]:
        return stats(smsc)

    @app.get("/submits", summary="The last submits, when the scenario keeps them")
    async def get_submits(
        after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    ) -> Response:
        if smsc.records.ring is None:
            raise HTTPException(409, "submits are not kept: PUT /scenario with keep_submits = true first")
        found, last = smsc.records.submits_after(after, limit)
        body = msgspec.json.encode({"submits": found, "next": last})
        return Response(body, media_type="application/json")


def _add_scenario(app: FastAPI, smsc: Smsc, accounts: dict[str, dict[str, Any]]) -> None:
    @app.get("/scenario", summary="The scenario as it is, and the presets")
    async def get_scenario() -> dict[str, Any]:
        presets = {name: sentence for name, (sentence, _) in PRESETS.items()}
        shown = smsc.scenario.model_dump(mode="json")
        # Passwords are for binding, not for reading.
        shown["accounts"] = {
            name: {key: value for key, value in given.items() if key != "password"}
            for name, given in shown["accounts"].items()
        }
        return {"scenario": shown, "presets": presets}

    @app.put("/scenario", summary="A new scenario, for the submits from now on")
    async def put_scenario(
        data: Annotated[dict[str, Any], Body(openapi_examples=_SCENARIO_EXAMPLES)],
    ) -> dict[str, Any]:
        try:
            smsc.configure(scenario_of(data, accounts))
        except ValueError as fault:
            raise HTTPException(422, str(fault)) from None
        return {"ok": True}


def _add_faults(app: FastAPI, smsc: Smsc) -> None:
    @app.get("/faults", summary="What faults there are, which are active, how often each fired")
    async def get_faults() -> dict[str, Any]:
        now = smsc.clock.monotonic()
        kinds = {
            name: {"sentence": kind.sentence, "options": kind.Options.model_json_schema()["properties"]}
            for name, kind in smsc.faults.kinds.items()
        }
        active = [described(fault, now) for fault in smsc.faults.active.values()]
        return {"known": kinds, "active": active, "fired": dict(smsc.faults.fired)}

    @app.post("/faults/{name}", summary="Begins a fault")
    async def post_fault(
        name: str, data: Annotated[dict[str, Any] | None, Body(openapi_examples=_FAULT_EXAMPLES)] = None
    ) -> dict[str, Any]:
        try:
            fault = smsc.faults.start(name, data or {})
        except KeyError as unknown:
            raise HTTPException(404, str(unknown.args[0])) from None
        except ValueError as wrong:
            raise HTTPException(422, str(wrong)) from None
        return {"fault_id": fault.id, "fired": fault.fired}

    @app.delete("/faults/{fault_id}", summary="Ends a fault")
    async def delete_fault(fault_id: str) -> dict[str, Any]:
        if not smsc.faults.stop(fault_id):
            raise HTTPException(404, f"no active fault {fault_id!r}; it may have ended by itself")
        return {"ok": True}


def _add_mo(app: FastAPI, smsc: Smsc) -> None:
    @app.post("/mo", summary="A message from a handset")
    async def post_mo(body: MoBody) -> dict[str, Any]:
        names = list(smsc.accounts)
        if body.carrier is None and len(names) != 1:
            raise HTTPException(422, f"carrier: say which account gets it: {', '.join(names[:20]) or 'none is there'}")
        try:
            parts = smsc.send_mo(body.carrier or names[0], body.from_, body.to, body.text)
        except KeyError as unknown:
            raise HTTPException(404, str(unknown.args[0])) from None
        except ValueError as wrong:
            raise HTTPException(422, str(wrong)) from None
        return {"parts": parts}


async def _problem(_request: Request, fault: Exception) -> JSONResponse:
    """RFC 9457, one sentence that names the field."""
    if isinstance(fault, RequestValidationError):
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        status, detail = 422, f"{where}: {first['msg']}" if where else str(first["msg"])
    else:
        assert isinstance(fault, AnyHTTPException)
        status, detail = fault.status_code, str(fault.detail)
    body = {"status": status, "title": "refused", "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


class ControlServer(HealthServer):
    """The control plane and the health paths on one port."""

    def __init__(self, app: FastAPI, health: Health, host: str, port: int) -> None:
        super().__init__(health, host, port)
        self._control = app
        self._place = f"{host}:{port}"

    async def start(self) -> None:
        """Raises UnavailableError when the port is taken."""
        try:
            await super().start()
        except UnavailableError:
            raise UnavailableError(
                f"can't listen on {self._place} for the control plane",
                "stop what uses the port, or choose another with --http-port (0 picks a free one)",
            ) from None

    async def _app(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http" and scope["path"] in ("/livez", "/readyz", "/metrics"):
            await super()._app(scope, receive, send)
        else:
            await self._control(scope, receive, send)
