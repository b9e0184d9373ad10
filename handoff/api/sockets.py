"""The agents' open sockets of this process, and the one task that looks after them all.

Every 0.8 s: whose login is over (4003), who reads too slowly (4008). Every 12th time: who is
present. Typing hints of other processes come in here and are encoded once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from core.errors import FrontdeskError, SignedOut
from core.feed import Subscription
from core.ports.rooms import Services
from handoff.api import presence
from handoff.api.frames import typing_frame
from handoff.api.gate import SignedIn
from handoff.api.sight import Watcher

log = logging.getLogger("frontdesk.api")
SIGN_IN: Final = 4001
SIGNED_OUT: Final = 4003
TOO_SLOW: Final = 4008
TOO_MANY: Final = 4029
RESTART: Final = 1012
FAILED: Final = 1011
LEFT: Final = 0
TICK_SECONDS: Final = 0.8
PRESENT_EVERY: Final = 12
STALL_SECONDS: Final = 8.0


class _Typing(msgspec.Struct, frozen=True):
    conversation: str
    inbox: str
    agent: str | None = None


class _Hint(msgspec.Struct, frozen=True):
    typing: _Typing


class Socket:
    """One open socket: who it belongs to, what he may see, and how it is to end."""

    def __init__(self, websocket: WebSocket, signed: SignedIn, watcher: Watcher) -> None:
        """Take an accepted socket."""
        self._websocket = websocket
        self._lock = asyncio.Lock()
        self._sending_since: float | None = None
        self._whisper: asyncio.Task[None] | None = None
        self.signed = signed
        self.watcher = watcher
        self.subscription: Subscription | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def send(self, text: str) -> None:
        """Send one frame; waits while the peer does not read."""
        async with self._lock:
            self._sending_since = time.monotonic()
            await self._websocket.send({"type": "websocket.send", "text": text})
            self._sending_since = None

    def whisper(self, text: str) -> None:
        """Send a frame without waiting, unless another is on its way: losing it costs nothing."""
        if not self._lock.locked() and (self._whisper is None or self._whisper.done()):
            self._whisper = asyncio.create_task(self._send_or_end(text))

    def hush(self) -> None:
        """Give a whisper up that nobody takes."""
        if self._whisper is not None:
            self._whisper.cancel()

    async def _send_or_end(self, text: str) -> None:
        try:
            await self.send(text)
        except (WebSocketDisconnect, WebSocketDisconnected):
            self.end(LEFT)

    def is_stalled(self, now: float) -> bool:
        """Say whether the peer has stopped reading, or fallen behind too far."""
        since = self._sending_since
        if since is not None and now - since > STALL_SECONDS:
            return True
        return self.subscription is not None and self.subscription.cut

    def end(self, code: int) -> None:
        """Have it closed with this code; the first word counts. LEFT = the peer has gone."""
        if not self.ended.done():
            self.ended.set_result(code)


class Sockets:
    """All of them."""

    def __init__(self, services: Services, *, tick: float = TICK_SECONDS) -> None:
        """`tick` is the pause between two looks, in seconds."""
        self._services = services
        self._tick = tick
        self._open: set[Socket] = set()

    def __iter__(self) -> Iterator[Socket]:
        """Iterate over a copy: sockets come and go meanwhile."""
        return iter(list(self._open))

    def __len__(self) -> int:
        """Count them."""
        return len(self._open)

    async def join(self, socket: Socket) -> None:
        """Look after a socket from now on."""
        self._open.add(socket)
        agent = socket.signed.actor.agent
        if _is_console(socket):
            await presence.seen(self._services, [agent])

    async def leave(self, socket: Socket) -> None:
        """Forget a socket."""
        self._open.discard(socket)
        socket.hush()
        agent = socket.signed.actor.agent
        if _is_console(socket) and agent not in self._present():
            await presence.gone(self._services, agent)

    async def watch(self) -> None:
        """Look after them until cancelled; then close them all for a restart."""
        remove = self._services.live.on_hint(self.hear)
        ticks = 0
        try:
            while True:
                await asyncio.sleep(self._tick)
                ticks += 1
                await _try(self.check)
                if ticks % PRESENT_EVERY == 0:
                    await _try(self._renew)
        finally:
            remove()
            for socket in self:
                socket.end(RESTART)

    async def check(self) -> None:
        """End the sockets whose login is over and those that do not read."""
        now = time.monotonic()
        by_secret: dict[str, list[Socket]] = {}
        for socket in self:
            if socket.is_stalled(now):
                socket.end(TOO_SLOW)
            by_secret.setdefault(socket.signed.secret, []).append(socket)
        for secret, sockets in by_secret.items():
            try:
                await self._services.logins.who(secret)
            except SignedOut:
                for socket in sockets:
                    socket.end(SIGNED_OUT)
            except FrontdeskError:
                # The store is away: nobody can have signed out meanwhile either.
                return

    def hear(self, hint: dict[str, Any]) -> None:
        """Pass a typing hint on to those who may read there; anything else is not for us."""
        try:
            typing = msgspec.convert(hint, _Hint).typing
        except msgspec.ValidationError:
            return
        frame = typing_frame(typing.conversation, typing.agent)
        for socket in self:
            sight = socket.watcher.sight
            if sight.agent != typing.agent and sight.reads(typing.inbox):
                socket.whisper(frame)

    async def _renew(self) -> None:
        await presence.seen(self._services, self._present())

    def _present(self) -> set[str]:
        return {socket.signed.actor.agent for socket in self._open if _is_console(socket)}


def _is_console(socket: Socket) -> bool:
    return socket.signed.actor.desk == "console"


async def _try(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        # One bad second must not end the task that closes the sockets of those who are signed out.
        log.exception("looking after the sockets failed")
