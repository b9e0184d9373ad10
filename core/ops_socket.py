"""The socket by which commands reach a running server: one line of JSON asks, lines answer.

`{"ask": "agents"}` is answered `{"tell": ...}` any number of times, then `{"answer": ...}` or
`{"refused": "one sentence"}`. Only this machine's owner of the server can open it (mode 0600).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import FrontdeskError, Refused
from core.guard import Beside, Lock, beside, short_path
from core.ops import Asked
from core.process import Process

log = logging.getLogger("frontdesk.ops")
LINE_BYTES: Final = 1024 * 1024
ASK_SECONDS: Final = 10.0
TAKE_SECONDS: Final = 5.0
_decoder: msgspec.json.Decoder[Asked] = msgspec.json.Decoder(Asked)


class OpsSocket:
    """Answers commands for as long as the process runs. Of several processes, one answers."""

    def __init__(self, process: Process, lock: Lock) -> None:
        """Bind nothing yet; `lock` may be held already."""
        self._process = process
        self._lock = lock
        self._place: Beside = beside(process.config)

    async def run(self) -> None:
        """Bind the socket as soon as no other process has it; remove it at the end."""
        while not self._lock.take():  # noqa: ASYNC110 - a lock of the kernel sends no event
            await asyncio.sleep(TAKE_SECONDS)
        try:
            server = await asyncio.start_unix_server(
                self._converse, sock=bind(self._place.socket), limit=LINE_BYTES
            )
        except OSError as error:
            log.warning("commands cannot reach this process: %s", error.strerror)
            return
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._place.socket.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                line = await reader.readline()
            if line:
                await self._answer(line, writer)
        except (OSError, ValueError, TimeoutError):
            pass  # who asked has gone, or never said what
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        def tell(what: dict[str, Any]) -> None:
            writer.write(msgspec.json.encode({"tell": what}) + b"\n")

        last = await answer(line, self._process, tell)
        writer.write(msgspec.json.encode(last) + b"\n")
        await writer.drain()


async def answer(line: bytes, process: Process, tell: Any) -> dict[str, Any]:
    """Return the last line of an answer."""
    try:
        asked = _decoder.decode(line)
    except msgspec.DecodeError:
        return {"refused": "The running server is of another release: restart it."}
    try:
        return {"answer": await asked.answer(process, tell)}
    except Refused as refused:
        return {"refused": refused.message}
    except FrontdeskError as error:
        return {"refused": str(error) or type(error).__name__}
    except Exception:
        log.exception("a command failed: %s", type(asked).__name__)
        return {"refused": "It failed; the server's log says why."}


def bind(path: Path) -> socket.socket:
    """Bind a socket that only its owner can open; it replaces what a dead server left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody can connect before it listens, so between bind and chmod there is no gap.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with short_path(draft) as name:
            listener.bind(name)
        draft.chmod(0o600)
        listener.setblocking(False)
        draft.replace(path)
    except OSError:
        listener.close()
        draft.unlink(missing_ok=True)
        raise
    return listener
