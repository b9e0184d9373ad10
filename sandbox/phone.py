"""A simulated WhatsApp phone in the browser: be a customer, see the business answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.graph import Graph
from sandbox.payloads import Json
from sandbox.threads import Chat, Threads

_WEB = Path(__file__).parent / "web"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FRAMES_AHEAD = 256
_CUT = b""


class Say(msgspec.Struct, frozen=True, tag="say"):
    """The page wants to send a text."""

    chat: str
    text: str


class Again(msgspec.Struct, frozen=True, tag="again"):
    """The page wants to send a failed bubble once more."""

    chat: str
    bubble: str


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    """The page has shown a message of the business."""

    chat: str
    bubble: str


_wishes: msgspec.json.Decoder[Say | Again | Shown] = msgspec.json.Decoder(Say | Again | Shown)


def build_demo_app(graph: Graph, chats: Sequence[Chat]) -> Starlette:
    """Make the phone page for these chats; mount it where you like, its links are relative."""
    return Starlette(routes=Phone(graph, chats).routes())


class Phone:
    """One phone with several chats, and the pages that look at it."""

    def __init__(self, graph: Graph, chats: Sequence[Chat]) -> None:
        self._pages: set[asyncio.Queue[bytes]] = set()
        self._threads = Threads(graph, chats, self._tell)

    def routes(self) -> list[BaseRoute]:
        """Lay out the page, its files and its live connection."""
        page = Route("/", _file(_WEB / "phone.html", "text/html"))
        files = [
            Route(f"/{path.name}", _file(path, _TYPES[path.suffix]))
            for path in sorted(_WEB.iterdir())
            if path.suffix in _TYPES
        ]
        return [page, *files, WebSocketRoute("/live", self._live)]

    async def _live(self, socket: WebSocket) -> None:
        if not _is_own_page(socket):
            await socket.close(1008)
            return
        await socket.accept()
        frames: asyncio.Queue[bytes] = asyncio.Queue(_FRAMES_AHEAD)
        frames.put_nowait(msgspec.json.encode(self._threads.state()))
        self._pages.add(frames)
        writer = asyncio.create_task(_write(socket, frames))
        try:
            await self._read(socket)
        finally:
            self._pages.discard(frames)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, socket: WebSocket) -> None:
        async for raw in socket.iter_text():
            try:
                wish = _wishes.decode(raw)
            except msgspec.DecodeError:
                await socket.close(1008)
                return
            self._grant(wish)

    def _grant(self, wish: Say | Again | Shown) -> None:
        match wish:
            case Say():
                self._threads.say(wish.chat, wish.text)
            case Again():
                self._threads.say_again(wish.chat, wish.bubble)
            case Shown():
                self._threads.show(wish.chat, wish.bubble)

    def _tell(self, frame: Json) -> None:
        raw = msgspec.json.encode(frame)
        for page in list(self._pages):
            if page.full():
                # too slow a page is cut; it connects again and gets the whole state
                self._pages.discard(page)
                page.get_nowait()
                page.put_nowait(_CUT)
            else:
                page.put_nowait(raw)


async def _write(socket: WebSocket, frames: asyncio.Queue[bytes]) -> None:
    try:
        while (raw := await frames.get()) != _CUT:
            await socket.send_text(raw.decode())
        await socket.close(1013)
    except WebSocketDisconnect:
        return


def _is_own_page(socket: WebSocket) -> bool:
    """Tell whether the page that connects came from this server: other sites may not look in."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


def _file(path: Path, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    content = path.read_bytes()

    async def serve_file(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return serve_file
