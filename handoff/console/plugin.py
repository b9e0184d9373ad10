"""The agents' page: static files, and the headers that let a browser run nothing but them.

The page is a client of the public API like any other; nothing here knows what a conversation is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from core.errors import FrontdeskError, NotFound
from core.hookspecs import hookimpl
from core.ports.rooms import Services

log = logging.getLogger("frontdesk.console")
WEB: Final = Path(__file__).parent / "web"
PAGE: Final = "page.html"
FIRST_STEPS: Final = "first-steps.html"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# 'self' in connect-src covers the socket of the same host as well (CSP level 3).
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
ALWAYS: Final = {
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
ON_PAGES: Final = {
    **ALWAYS,
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS: Final = {"strict-transport-security": "max-age=31536000"}


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it is sent; `tag` is its ETag."""

    content: bytes
    media_type: str
    tag: str


def read_assets(folder: Path) -> Mapping[str, Asset]:
    """Return every file that browsers may have, by name."""
    return {path.name: _read(path) for path in folder.iterdir() if path.suffix in TYPES}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:32]
    return Asset(content=content, media_type=TYPES[path.suffix], tag=f'"{digest}"')


class Console:
    """Answers /console and what lies below it."""

    def __init__(
        self, assets: Mapping[str, Asset], has_agents: Callable[[], Awaitable[bool]], *, https: bool
    ) -> None:
        """`https` adds the header that keeps browsers from ever asking without it."""
        self._assets = assets
        self._has_agents = has_agents
        self._headers = {**ON_PAGES, **HSTS} if https else ON_PAGES

    async def page(self, request: Request) -> Response:  # noqa: ARG002 - a handler takes a request
        """Return the console, or what to do first while there is nobody who could sign in."""
        shown = self._assets[PAGE if await self._has_agents() else FIRST_STEPS]
        return Response(shown.content, media_type=shown.media_type, headers=self._headers)

    async def asset(self, request: Request) -> Response:
        """Return one file. Asked again each time, answered 304 while it is the same."""
        name = request.path_params["name"]
        found = None if name in {PAGE, FIRST_STEPS} else self._assets.get(name)
        if found is None:
            return _missing()
        headers = {**ALWAYS, "cache-control": "no-cache", "etag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)


def _missing() -> Response:
    body = msgspec.json.encode({"error": {"code": NotFound.code, "message": NotFound().message}})
    return Response(body, status_code=404, media_type="application/json", headers=ALWAYS)


class Staff:
    """Whether anybody could sign in; asked only until there is somebody."""

    def __init__(self, services: Services) -> None:
        """Ask this process's readers."""
        self._services = services
        self._found = False

    async def is_there(self) -> bool:
        """Say so. A store that does not answer counts as staffed: the page itself tells of it."""
        if not self._found:
            try:
                self._found = bool(await self._services.rooms.people.agents())
            except FrontdeskError as error:
                log.warning("the store does not say who works here: %s", error)
                return True
        return self._found


@hookimpl
def register_routes(services: Services) -> Sequence[BaseRoute]:
    """Hand over /console and its files."""
    https = services.config.frontdesk.public_url.startswith("https://")
    console = Console(read_assets(WEB), Staff(services).is_there, https=https)
    return [
        Route("/console", console.page),
        Route("/console/assets/{name}", console.asset),
    ]
