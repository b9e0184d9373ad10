"""The least a server can do for a webhook, so that ours has something to be measured against.

All run under the same uvicorn settings (bench.serve). Each verifies the HMAC, reads the JSON and
answers 200; what lies between is the floor's own: nothing, a group commit, an ORM session.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from bench.bodies import SECRET
from bench.groups import Group, PostgresPlace, SqlitePlace

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Store = Callable[[str, bytes], Awaitable[None]]
_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Floor:
    """An ASGI application: POST anywhere, GET for health, a socket that is shown every message."""

    def __init__(
        self,
        *,
        store: Store | None = None,
        start: Callable[[], Any] = lambda: None,
        after: Callable[[str, str], None] = lambda _id, _text: None,
    ) -> None:
        """`start` runs on the loop before the first request, `after` once a message is stored."""
        self._store = store
        self._start = start
        self._after = after
        self._sockets: set[Send] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(receive, send)
        else:
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 200
        if scope["method"] == "POST":
            body = await _read(receive)
            if is_signed(body, dict(scope["headers"])):
                await self._take(body)
            else:
                status = 403
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _take(self, body: bytes) -> None:
        source_id, text = read_message(body)
        if self._store is not None:
            await self._store(source_id, body)
        self._after(source_id, text)
        if self._sockets:
            await self.show(source_id, text)

    async def show(self, source_id: str, text: str) -> None:
        """Write one frame to every socket; it is encoded once."""
        frame = _encode({"type": "message.created", "source_id": source_id, "text": text})
        message = {"type": "websocket.send", "text": frame.decode()}
        for send in list(self._sockets):
            await send(message)

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self._sockets.add(send)
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                if "ping" in (message.get("text") or ""):
                    await send({"type": "websocket.send", "text": '{"type":"pong"}'})
        finally:
            self._sockets.discard(send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        started = self._start()
        if asyncio.iscoroutine(started):
            await started
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


def is_signed(body: bytes, headers: dict[bytes, bytes]) -> bool:
    """Check the signature as Meta asks."""
    told = headers.get(b"x-hub-signature-256", b"").removeprefix(b"sha256=")
    # Not hmac.digest: it lets go of the interpreter's lock, which the store's thread then takes.
    made = hmac.new(SECRET.encode(), body, "sha256").hexdigest().encode()
    return hmac.compare_digest(told, made)


def read_message(body: bytes) -> tuple[str, str]:
    """Return the id and the text of the one message in a body."""
    message = _decode(body)["entry"][0]["changes"][0]["value"]["messages"][0]
    return message["id"], message["text"]["body"]


def no_store() -> Floor:
    """Keep nothing."""
    return Floor()


def sqlite_floor(path: str, level: str) -> Floor:
    """Keep the body in SQLite, group commit in a thread: the floor when `level` is FULL."""
    group = Group(lambda: SqlitePlace(Path(path), level))
    return Floor(store=group.put, start=group.start)


def postgres_floor(url: str) -> Floor:
    """Keep the body in PostgreSQL, one unnest a group."""
    group = Group(lambda: PostgresPlace(url))
    return Floor(store=group.put, start=group.start)
