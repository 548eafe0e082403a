"""The HTTP app: routes, and our problems for everything that a framework would answer by itself."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.audit_routes import AuditQuery, audit_routes
from api.batch_routes import batch_routes
from api.bodies import faults_of
from api.carrier_routes import carrier_routes
from api.documentation import documentation_routes
from api.doubt_routes import DoubtQuery, doubt_routes
from api.edge import Edge, internal_fault, problem_response, request_id_of
from api.key_routes import key_routes
from api.message_routes import message_routes
from api.openapi import document
from api.problems import Refusal, refusal
from api.read_routes import MessageQuery, read_routes
from api.services import Services
from api.write_routes import write_routes
from runtime.health import Health

VERSION: Final = "1.0"
DESCRIPTION: Final = (
    "Hand over an SMS, learn what became of it. 202 means that a message is kept and will not be lost; it leaves as fast "
    "as the carrier's contract allows, the most urgent class first. Unknown fields are refused. Times are RFC 3339 UTC."
)
_QUERIES: Final = (MessageQuery, DoubtQuery, AuditQuery)
_QUERY_NAMES: Final = tuple(
    sorted({field.alias or name for shape in _QUERIES for name, field in shape.model_fields.items()})
)


def create_app(services: Services) -> Edge:
    """The app, wrapped in its edge."""
    app = FastAPI(
        title="smpp-dispatch",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Refusal: _refused,
            RequestValidationError: _invalid_query,
            HTTPException: _unrouted,
            Exception: _failed,
        },
    )
    for routes in (
        write_routes, message_routes, batch_routes, read_routes, audit_routes, doubt_routes, carrier_routes, key_routes,
    ):  # fmt: skip
        routes(app.router, services)
    documentation_routes(app.router, cache(lambda: document(app)))
    app.router.routes.extend(_health_routes(services.health))
    return Edge(app, services.clock)


def _health_routes(health: Health) -> list[Route]:
    async def answer(request: Request) -> Response:
        found = health.answer(request.url.path)
        if found is None:
            raise refusal("not_found", "there is nothing at this address")
        status, media, body = found
        return Response(body, status, media_type=media)

    return [Route(path, answer) for path in ("/livez", "/readyz", "/metrics")]


async def _refused(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refusal)
    return problem_response(fault, request_id_of(request.scope))


async def _invalid_query(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)
    errors: list[Any] = [{**error, "loc": error["loc"][1:]} for error in fault.errors()]
    return problem_response(Refusal(*faults_of(errors, _QUERY_NAMES)), request_id_of(request.scope))


async def _unrouted(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    if fault.status_code == 405:
        allowed = (fault.headers or {}).get("Allow", "")
        refused = refusal("method_not_allowed", f"this address takes {allowed}", headers={"Allow": allowed})
    elif fault.status_code == 404:
        refused = refusal("not_found", "there is nothing at this address; GET /v1 lists what there is")
    else:
        refused = internal_fault()
    return problem_response(refused, request_id_of(request.scope))


async def _failed(request: Request, _fault: Exception) -> Response:
    # Starlette raises the fault again after this answer; the edge logs it.
    return problem_response(internal_fault(), request_id_of(request.scope))
