"""The way between a browser and the server, so that a test can cut it: a TCP relay on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_CHUNK = 65_536


class Wire:
    """Relays every connection to one server. `url` is where browsers go instead of there."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._open: set[asyncio.StreamWriter] = set()
        self._answers: dict[bytes, asyncio.Event] = {}
        self.url = ""
        self.down = False

    def cut(self) -> None:
        """Break every connection and refuse new ones until `mend`."""
        self.down = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self.down = False

    def lose_answer(self, request: bytes) -> asyncio.Event:
        """Pass the next request that begins like this on, but cut the wire instead of answering."""
        lost = self._answers[request] = asyncio.Event()
        return lost

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        if self.down:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        pair = (writer, server_writer)
        self._open.update(pair)
        relay = _Relay(self, writer, server_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.ask(reader))
                group.create_task(relay.answer(server_reader))
        finally:
            self._open.difference_update(pair)
            for one in pair:
                one.transport.abort()

    def losing(self, data: bytes) -> asyncio.Event | None:
        """Say whether the answer to these bytes is to be lost."""
        found = next((one for one in self._answers if one in data), None)
        return None if found is None else self._answers.pop(found)


class _Relay:
    def __init__(
        self, wire: Wire, browser: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._wire = wire
        self._browser = browser
        self._server = server
        self._losing: asyncio.Event | None = None

    async def ask(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                self._losing = self._losing or self._wire.losing(data)
                self._server.write(data)
                await self._server.drain()
        self._server.transport.abort()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._losing is not None:
                    self._losing.set()
                    self._wire.cut()
                    break
                self._browser.write(data)
                await self._browser.drain()
        self._browser.transport.abort()


@contextlib.asynccontextmanager
async def wired(target: str) -> AsyncIterator[Wire]:
    """Relay to `target` on a free loopback port."""
    wire = Wire(target)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
