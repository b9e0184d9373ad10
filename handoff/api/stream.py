"""WS /api/v1/events: the handshake, and one agent's socket from its first frame to its close."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from starlette.websockets import (
    WebSocket,
    WebSocketDisconnect,
    WebSocketDisconnected,
    WebSocketState,
)

from core.errors import Refused, SignedOut, Unavailable
from core.feed import LiveFrame, Stale
from handoff.api import frames
from handoff.api.frames import Hello, Pace, Ping, Unreadable
from handoff.api.gate import Gate, SignedIn
from handoff.api.origin import is_own
from handoff.api.sight import Watcher
from handoff.api.sockets import (
    FAILED,
    LEFT,
    RESTART,
    SIGN_IN,
    SIGNED_OUT,
    TOO_MANY,
    TOO_SLOW,
    Socket,
    Sockets,
)

log = logging.getLogger("frontdesk.api")
HELLO_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0


class Stream:
    """Serves the agents' sockets."""

    def __init__(
        self, gate: Gate, sockets: Sockets, *, hello_seconds: float = HELLO_SECONDS
    ) -> None:
        """`hello_seconds` is how long the first frame may take."""
        self._gate = gate
        self._sockets = sockets
        self._hello_seconds = hello_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, known: bool) -> None:
        """Serve one socket; `known` = the address is that of the events."""
        websocket = WebSocket(scope, receive, send)
        if not known or not self._may_open(websocket):
            await websocket.receive()
            await websocket.close()  # before accepting: the client sees 403
            return
        await websocket.accept()
        with suppress(WebSocketDisconnect, WebSocketDisconnected):
            code = await self._serve(websocket)
            if code != LEFT and websocket.application_state == WebSocketState.CONNECTED:
                with suppress(TimeoutError):  # a peer that does not read takes no close either
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await websocket.close(code)

    def _may_open(self, websocket: WebSocket) -> bool:
        """Refuse pages elsewhere, and a cookie without an Origin: no browser sends that."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return self._gate.session_cookie not in websocket.cookies
        return is_own(origin, host=websocket.headers.get("host"), public=self._gate.public)

    async def _serve(self, websocket: WebSocket) -> int:
        try:
            hello = await self._hello(websocket)
            signed = await self._sign_in(websocket, hello)
            watcher = await Watcher.of(self._gate.services.workplace, signed.actor)
        except Unreadable as problem:
            await websocket.send_text(problem.text)
            return SIGN_IN
        except (TimeoutError, SignedOut):
            await websocket.send_text(frames.SIGNED_OUT)
            return SIGN_IN
        except Unavailable:
            await websocket.send_text(frames.UNAVAILABLE)
            return RESTART
        socket = Socket(websocket, signed, watcher)
        try:
            await self._sockets.join(socket)
            return await self._run(websocket, socket, hello.after)
        finally:
            await self._sockets.leave(socket)

    async def _hello(self, websocket: WebSocket) -> Hello:
        async with asyncio.timeout(self._hello_seconds):
            message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        return frames.read_hello(dict(message))

    async def _sign_in(self, websocket: WebSocket, hello: Hello) -> SignedIn:
        if hello.token is not None:
            return await self._gate.by_token(hello.token)
        return await self._gate.by_cookie(websocket.cookies)

    async def _run(self, websocket: WebSocket, socket: Socket, after: int | None) -> int:
        """Read and write until one side ends it; return the code to close with."""
        tasks = [
            asyncio.create_task(_until_end(socket, lambda: self._read(websocket, socket))),
            asyncio.create_task(_until_end(socket, lambda: self._write(socket, after))),
        ]
        try:
            return await socket.ended
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, websocket: WebSocket, socket: Socket) -> None:
        pace = Pace()
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if not pace.allows(time.monotonic()):
                await socket.send(frames.TOO_MANY)
                socket.end(TOO_MANY)
                return
            await self._answer(socket, dict(message))

    async def _answer(self, socket: Socket, message: dict[str, Any]) -> None:
        try:
            frame = frames.read_frame(message)
        except Unreadable as problem:
            await socket.send(problem.text)
            return
        if isinstance(frame, Ping):
            await socket.send(frames.PONG)
            return
        try:
            await self._gate.services.workplace.typing(socket.signed.actor, frame.conversation)
        except Refused:
            await socket.send(frames.REFUSED)

    async def _write(self, socket: Socket, after: int | None) -> None:
        resync = False
        while True:
            socket.subscription = subscription = self._gate.services.live.subscribe(after)
            try:
                if resync:  # only now: nothing that happens from here on can be missed
                    await socket.send(frames.RESYNC)
                async for batch in subscription:
                    await _pass_on(socket, batch)
            except Stale:
                after, resync = None, True
                continue
            finally:
                subscription.close()
            socket.end(TOO_SLOW if subscription.cut else RESTART)
            return


async def _pass_on(socket: Socket, batch: list[LiveFrame]) -> None:
    watcher = socket.watcher
    for frame in batch:
        verdict = await watcher.judge(frame.event)
        if verdict == "show":
            await socket.send(frame.body.decode())
        elif verdict == "resync":
            await socket.send(frames.RESYNC)


async def _until_end(socket: Socket, work: Callable[[], Awaitable[None]]) -> None:
    """Run one side of a socket; however it ends, the socket ends with it."""
    try:
        await work()
    except (WebSocketDisconnect, WebSocketDisconnected):
        socket.end(LEFT)
    except SignedOut:
        socket.end(SIGNED_OUT)
    except Exception:
        log.exception("a socket failed")
        socket.end(FAILED)
