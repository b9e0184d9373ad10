"""Serving a simulator on a loopback port, with one power more than ASGI has: hanging up."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator, Iterator
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Scope
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_UP = "sandbox.hang_up"


class HangUpProtocol(HttpToolsProtocol):
    """HTTP whose requests carry `sandbox.hang_up`: a call that resets the connection.

    ASGI has no word for it: an application that returns without an answer makes uvicorn send 500.
    """

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("Scope", self.scope)["extensions"] = {HANG_UP: self.transport.abort}


class _Server(uvicorn.Server):
    """A guest in somebody else's process and loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leaving = asyncio.Event()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # the signals belong to the host
        yield

    @override
    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether to stop: tests that serve often would feel it
        await self.on_tick(0)
        await self.leaving.wait()


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app` in the running loop; gives the address, port 0 takes a free one.

    Raises OSError when the port is taken. Leaving ends open calls after one second.
    """
    config = uvicorn.Config(
        app,
        http=HangUpProtocol,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        # as long as big providers wait: hanging up on an idle caller that is just about to speak
        # makes a call whose fate nobody knows, and that is a fault to ask for, not to happen
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    with _listen(host, port) as listener:
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            # connections wait in the listener's backlog until the server has started
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.leaving.set()
            await running


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    # asyncio turns Nagle's delay off only where the protocol is named: else each answer waits 40 ms
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        yield listener
