"""The HTTP side of a process: webhooks past any framework, the rest through Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from core.metrics import Metrics

Scope = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


class Web:
    """The ASGI application: webhooks go to the intake, all else to the routes."""

    def __init__(self, *, intake: App, rest: App) -> None:
        """Both are ASGI callables."""
        self._intake = intake
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Dispatch one connection."""
        if scope["type"] == "http" and is_webhook(scope["path"]):
            await self._intake(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def is_webhook(path: str) -> bool:
    """Say whether a path is /inboxes/{inbox}/webhook."""
    return path.endswith("/webhook") and path.startswith("/inboxes/") and path.count("/") == 3


def make_rest(
    *,
    routes: Sequence[BaseRoute],
    lifespan: Any,
    metrics: Metrics,
    ready: Callable[[], Awaitable[dict[str, Any]]],
    home: str,
) -> Starlette:
    """Put the plugins' routes beside health, readiness and metrics; `home` is where / leads."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def readyz(_: Request) -> Response:
        state = await ready()
        return JSONResponse(state, status_code=200 if state["ready"] else 503)

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    async def root(_: Request) -> Response:
        return RedirectResponse(home, status_code=307)

    async def missing(_: Request, __: Exception) -> Response:
        body = {"error": {"code": "not_found", "message": "There is nothing at this address."}}
        return JSONResponse(body, status_code=404)

    own = [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
    ]
    paths = {getattr(route, "path", "") for route in routes}
    if "/" not in paths:
        own.append(Route("/", root))
    return Starlette(routes=[*own, *routes], lifespan=lifespan, exception_handlers={404: missing})
