"""Carriers: how they stand, and the operators' switches. Switches need Kafka only, and hold in every process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import examples
from api.act_shapes import SWITCH_ORDER, TPS_ORDER
from api.answers import Shape
from api.edge import shown
from api.openapi import BODY_PROBLEMS, SECURED, answers, json_body, problems
from api.problems import refusal
from api.reference import carrier_key
from api.requests import body_of
from api.services import Services
from api.status import CarrierList, SwitchView, switch_view
from api.times import until_of
from policy.switching import STATE_OF_ACTION, check_tps, set_state, set_tps
from schemas.carriers import Carrier
from schemas.records import CarrierSwitch

_SUMMARIES: Final = {
    "pause": ("Pause a carrier", "Nothing is sent to it, its queue holds, and new messages join it."),
    "resume": ("Resume a carrier", "Ends a pause or a drain."),
    "drain": (
        "Drain a carrier",
        "It gets no new messages, and its queue goes to the other carriers of each route. What they can't take waits.",
    ),
}
_PROBLEMS: Final = (*BODY_PROBLEMS, "missing_field", "not_found", "not_recorded")


class Switched(Shape):
    """A switch that is in Kafka. `warnings`: what was asked is possible, and may not be meant."""

    carrier: str
    tps: int
    contract_tps: int
    switch: SwitchView
    warnings: list[str]


def carrier_routes(router: APIRouter, services: Services) -> None:
    """GET /v1/carriers; POST /v1/carriers/{name}/pause, resume and drain; PUT /v1/carriers/{name}/tps."""

    @router.get(
        "/v1/carriers",
        summary="Carriers: binds, rates, queues",
        tags=["Operating"],
        response_model=None,
        responses={**answers(200, CarrierList, examples.CARRIER_LIST), **problems()},
        openapi_extra=SECURED,
    )
    async def get_carriers(request: Request) -> Response:
        """As their lanes told last, and the switch in force; it needs neither Postgres nor the carrier."""
        services.caller(request, "admin")
        return shown(services.board.view(services.carriers, services.book, services.clock.wall_ms()))

    for action in STATE_OF_ACTION:
        _add_action(router, services, action)

    @router.put(
        "/v1/carriers/{name}/tps",
        summary="Set a carrier's rate",
        tags=["Operating"],
        response_model=None,
        responses={**answers(200, Switched, examples.TPS_SET), **problems(*_PROBLEMS)},
        openapi_extra={**SECURED, "requestBody": json_body("TpsOrder", examples.TPS_BODY)},
    )
    async def put_tps(request: Request, name: str) -> Response:
        """Segments a second over all lanes, instead of carriers.toml's, within two seconds in every process; a pause or drain
        stays. At least one for each lane, at most ten times the contract."""
        caller = services.caller(request, "admin")
        order = await body_of(request, services, TPS_ORDER)
        carrier = _carrier(services, name)
        tps, until_ms = order["tps"], until_of(order.get("until"), services.clock.wall_ms())
        warning = _checked(carrier, tps) if tps is not None else None
        if tps is None and until_ms:
            raise refusal("invalid_field", "`until` has no meaning without a rate: leave it out", "until")
        act = services.acts.act(caller, order["reason"])
        return await _switch(
            services,
            carrier,
            lambda before: set_tps(before, name, act, tps or 0, until_ms),
            [warning] if warning else [],
        )


def _add_action(router: APIRouter, services: Services, action: str) -> None:
    summary, effect = _SUMMARIES[action]

    @router.post(
        f"/v1/carriers/{{name}}/{action}",
        name=f"{action}_carrier",
        summary=summary,
        description=f"{effect} It holds in every process within two seconds, also while Postgres is away; a rate that was "
        "set stays.",
        tags=["Operating"],
        response_model=None,
        responses={**answers(200, Switched, _example(action)), **problems(*_PROBLEMS)},
        openapi_extra={**SECURED, "requestBody": json_body("SwitchOrder", examples.SWITCH_BODY)},
    )
    async def post_switch(request: Request, name: str) -> Response:
        caller = services.caller(request, "admin")
        order = await body_of(request, services, SWITCH_ORDER)
        carrier = _carrier(services, name)
        until_ms = until_of(order.get("until"), services.clock.wall_ms())
        if until_ms and action == "resume":
            raise refusal("invalid_field", "`until` has no meaning for a resumed carrier: leave it out", "until")
        act, state = services.acts.act(caller, order["reason"]), STATE_OF_ACTION[action]
        return await _switch(services, carrier, lambda before: set_state(before, name, act, state, until_ms), [])


def _example(action: str) -> dict[str, object]:
    state = STATE_OF_ACTION[action]
    return {**examples.SWITCHED, "switch": {**examples.SWITCHED["switch"], "state": state}}


async def _switch(
    services: Services,
    carrier: Carrier,
    make: Callable[[CarrierSwitch | None], CarrierSwitch],
    warnings: list[str],
) -> Response:
    """Changes what is in force of a carrier's switch."""
    made: list[CarrierSwitch] = []

    def switch() -> CarrierSwitch:
        made.append(make(services.book.switch(carrier.name, services.clock.wall_ms())))
        return made[0]

    await services.acts.change(carrier_key(carrier.name), switch)
    return shown(
        Switched(
            carrier=carrier.name,
            tps=made[0].tps or carrier.tps,
            contract_tps=carrier.tps,
            switch=switch_view(made[0]),
            warnings=warnings,
        )
    )


def _carrier(services: Services, name: str) -> Carrier:
    """Raises Refusal (not_found)."""
    carrier = services.carriers.carriers.get(name)
    if carrier is None:
        raise refusal("not_found", "carriers.toml has no carrier of this name; GET /v1/carriers lists them")
    return carrier


def _checked(carrier: Carrier, tps: int) -> str | None:
    try:
        return check_tps(carrier, tps)
    except ValueError as fault:
        raise refusal("invalid_field", f"`tps` {fault}", "tps") from None
