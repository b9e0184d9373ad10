"""The simulator's own controls, for tests and load makers in another process."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import Fault

if TYPE_CHECKING:
    from sandbox.graph import Graph

_encode = msgspec.json.Encoder().encode
_fault = msgspec.json.Decoder(Fault)


def control_routes(graph: "Graph") -> list[BaseRoute]:
    """Lay out the addresses under /_control."""
    controls = _Controls(graph)
    return [
        Route("/faults", controls.add_fault, methods=["POST"]),
        Route("/faults", controls.clear_faults, methods=["DELETE"]),
        Route("/calls", controls.calls),
        Route("/refusals", controls.refusals),
        Route("/marks", controls.marks),
        Route("/open", controls.open),
        Route("/release", _command(graph.release), methods=["POST"]),
        Route("/nudge", _command(graph.webhooks.nudge), methods=["POST"]),
        Route("/reset", _command(graph.reset), methods=["POST"]),
    ]


class _Controls:
    def __init__(self, graph: "Graph") -> None:
        self._graph = graph

    async def add_fault(self, request: Request) -> Response:
        try:
            fault = _fault.decode(await request.body())
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        self._graph.faults.add(fault)
        return _json({"success": True})

    async def clear_faults(self, _request: Request) -> Response:
        self._graph.faults.clear()
        return _json({"success": True})

    async def calls(self, request: Request) -> Response:
        """Accepted messages after `?after=` (a cursor, 0 for all), in the order of acceptance."""
        try:
            after = max(0, int(request.query_params.get("after", "0")))
        except ValueError:
            return _json({"error": "after is a number"}, 400)
        return _json({"calls": self._graph.calls[after:], "cursor": len(self._graph.calls)})

    async def refusals(self, _request: Request) -> Response:
        return _json({"refusals": self._graph.refusals})

    async def marks(self, _request: Request) -> Response:
        return _json({"marks": self._graph.marks})

    async def open(self, _request: Request) -> Response:
        waiting = list(self._graph.open.values())
        return _json({"open": len(waiting), "calls": waiting})


def _command(act: Callable[[], None]) -> Callable[[Request], Awaitable[Response]]:
    async def run(_request: Request) -> Response:
        act()
        return _json({"success": True})

    return run


def _json(content: object, status: int = 200) -> Response:
    return Response(_encode(content), status, media_type="application/json")
