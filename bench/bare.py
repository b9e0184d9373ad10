"""What Frontdesk cannot start without: the imports of its four big libraries, and one route."""

from __future__ import annotations

import sys

import pluggy
import sqlalchemy
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

LIBRARIES = (pluggy, sqlalchemy, uvicorn, uvloop)


async def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def main() -> None:
    """Serve on the port given."""
    app = Starlette(routes=[Route("/healthz", _health)])
    config = uvicorn.Config(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
