"""The client side of a run: HTTP/1.1 and WebSocket with nothing between us and the bytes.

A client that costs more than the server would measure itself: both share the machine's cores.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable
from typing import cast

from typing_extensions import override

Answered = Callable[["Caller", int, float], None]
_OPENING = (
    "GET /api/v1/events HTTP/1.1\r\n"
    "Host: desk.example\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: {key}\r\n\r\n"
)
TEXT = 1
CLOSE = 8
PING = 9
PONG = 10


class Caller(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, answered: Answered) -> None:
        """`answered` gets this caller, the status (0 = hung up) and the seconds it took."""
        self._answered = answered
        self._buffer = b""
        self._since = 0.0
        self._is_busy = False
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def fire(self, request: bytes, since: float) -> None:
        """Write one request; `since` is when it was due."""
        self._since = since
        self._is_busy = True
        if self._transport.is_closing():
            self.connection_lost(None)
        else:
            self._transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + _length(self._buffer[:end]):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._is_busy = False
        self._answered(self, status, time.perf_counter() - self._since)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_busy:
            self._is_busy = False
            self._answered(self, 0, time.perf_counter() - self._since)


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(b"content-length:")
    if start < 0:
        return 0
    end = lower.find(b"\r\n", start)
    return int(lower[start + 15 : end if end > 0 else len(lower)])


class Watcher(asyncio.Protocol):
    """One agent's socket: keeps every text frame with the moment it came."""

    def __init__(self, hello: str) -> None:
        """`hello` is the first frame; a ping follows it, and `ready` is set by its pong."""
        self._hello = hello
        self._buffer = bytearray()
        self._is_open = False
        self._transport: asyncio.Transport
        self.ready = asyncio.Event()
        self.frames: list[tuple[float, bytes]] = []

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(_OPENING.format(key=key).encode())

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open and not self._opened():
            return
        now = time.perf_counter()
        while (frame := self._next()) is not None:
            self._take(*frame, now)

    def _opened(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(bytes(self._buffer[:end]).decode("latin-1"))
        del self._buffer[: end + 4]
        self._is_open = True
        self._write(TEXT, self._hello.encode())
        self._write(TEXT, b'{"type":"ping"}')
        return True

    def _write(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
        # A mask of zeros masks nothing, and the server cannot tell.
        self._transport.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    def _next(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1], 2
        if size == 126:
            start = 4
            size = int.from_bytes(buffer[2:4], "big")
        elif size == 127:
            start = 10
            size = int.from_bytes(buffer[2:10], "big")
        if len(buffer) < start + size:
            return None
        opcode, payload = buffer[0] & 15, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == PING:
            self._write(PONG, payload)
        elif opcode == TEXT and payload.startswith(b'{"type":"pong"'):
            self.ready.set()
        elif opcode == TEXT:
            self.frames.append((now, payload))
