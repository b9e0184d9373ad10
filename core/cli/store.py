"""Reaching the store: through the running server when there is one, else by opening it."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from core.cli import say
from core.config import load
from core.errors import Refused
from core.guard import AlreadyOpen, beside, short_path
from core.ops import Asked, Tell

if TYPE_CHECKING:
    from core.process import Process

WAIT_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.1


class NoServer(Exception):
    """Nobody answers at the socket."""


class Answered(Refused):
    """The running server refused."""


def ask(path: Path, asked: Asked, tell: Tell = lambda _: None) -> Any:
    """Return the answer as plain values; ends the command when it is refused or cannot start."""
    with say.starting():
        place = beside(load(path))
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with say.refusing():
                return over_socket(place.socket, asked, tell)
        except NoServer:
            pass
        try:
            return here(path, asked, tell)
        except AlreadyOpen as error:
            # A server that starts or stops has the store and does not answer yet, or no more.
            if time.monotonic() > until:
                say.stop(str(error), say.CANNOT_START)
        time.sleep(PAUSE_SECONDS)


def over_socket(path: Path, asked: Asked, tell: Tell) -> Any:
    """Ask the running server; raises NoServer, or Answered with its sentence."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            with short_path(path) as name:
                link.connect(name)
            link.sendall(msgspec.json.encode(asked) + b"\n")
        except OSError:
            raise NoServer from None
        for line in link.makefile("rb"):
            told: dict[str, Any] = msgspec.json.decode(line)
            if "answer" in told:
                return told["answer"]
            if "refused" in told:
                raise Answered(told["refused"])
            tell(told["tell"])
    raise Answered("The server stopped before it answered. Whether it did it is not known.")


def here(path: Path, asked: Asked, tell: Tell) -> Any:
    """Open the store for this one question; raises AlreadyOpen."""
    import asyncio

    from core import logs
    from core.serving import open_process

    logs.set_up(level="warning")
    with ExitStack() as stack:
        with say.starting_unless(AlreadyOpen):
            process = stack.enter_context(open_process(path))
        with say.refusing():
            return msgspec.to_builtins(asyncio.run(_answer(process, asked, tell)))


async def _answer(process: Process, asked: Asked, tell: Tell) -> object:
    await process.open()
    try:
        return await asked.answer(process, tell)
    finally:
        await process.close()
