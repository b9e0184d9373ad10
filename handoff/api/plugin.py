"""REST, WebSocket and login for agents, and the document that describes them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from core.hookspecs import hookimpl
from core.ports.rooms import Services
from handoff.api.app import Api
from handoff.api.errors import HEADERS
from handoff.api.gate import Gate
from handoff.api.openapi import document
from handoff.api.routes import OPERATIONS
from handoff.api.sockets import Sockets
from handoff.api.stream import Stream


@hookimpl
def register_routes(services: Services) -> Sequence[BaseRoute]:
    """Hand over /api/v1 and /openapi.json, and the task that looks after the sockets."""
    gate = Gate(services)
    sockets = Sockets(services)
    services.tasks.append(sockets.watch)
    return routes_of(gate, Stream(gate, sockets))


def routes_of(gate: Gate, stream: Stream) -> list[BaseRoute]:
    """Return the routes around a gate."""
    described = document(OPERATIONS, session_cookie=gate.session_cookie)

    async def describe(request: Request) -> Response:  # noqa: ARG001 - a handler takes a request
        return Response(described, media_type="application/json", headers=HEADERS)

    return [
        Mount("/api/v1", app=Api(gate, OPERATIONS, stream)),
        Route("/openapi.json", describe),
    ]
