"""Several processes on one port: started, looked after, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import Process as Child
from collections.abc import Callable, Sequence
from typing import Final

log = logging.getLogger("frontdesk.fleet")
STOP_SECONDS: Final = 25.0  # a worker's own drain ends within 20
GOOD_SECONDS: Final = 10.0
SHORTEST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0


class Fleet:
    """Keeps `count` workers running. They inherit the listening socket: no call is turned away.

    Each also inherits the reading end of a pipe: when the parent dies, however that happens, the
    pipe ends and the workers stop.
    """

    def __init__(self, count: int, arguments: Sequence[str], listener: socket.socket) -> None:
        """`arguments` are those of the command `frontdesk`; the two handles are added."""
        self._count = count
        self._arguments = list(arguments)
        self._listener = listener
        self._children: set[Child] = set()
        self._stopping = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> int:
        """Run until a signal comes; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        alive, ours = os.pipe()
        keepers = [asyncio.create_task(self._keep(n, alive)) for n in range(1, self._count + 1)]
        started()
        await self._stopping.wait()
        await self._stop()
        await asyncio.gather(*keepers)
        os.close(alive)
        os.close(ours)
        return 0

    async def _keep(self, number: int, alive: int) -> None:
        """Keep one worker running; one that dies at once is given longer and longer pauses."""
        loop = asyncio.get_running_loop()
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            began = loop.time()
            child = await self._start(alive)
            code = await child.wait()
            self._children.discard(child)
            if self._stopping.is_set():
                return
            log.error("worker %d ended with %d and is started again", number, code)
            pause = SHORTEST_PAUSE if loop.time() - began > GOOD_SECONDS else pause * 2
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(pause, LONGEST_PAUSE))

    async def _start(self, alive: int) -> Child:
        handle = self._listener.fileno()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "core.cli", *self._arguments),
            *("--socket", str(handle), "--alive", str(alive)),
            pass_fds=(handle, alive),
        )
        self._children.add(child)
        if self._stopping.is_set():
            child.terminate()
        return child

    async def _stop(self) -> None:
        self._listener.close()
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        waiting = [asyncio.create_task(child.wait()) for child in self._children]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_SECONDS)
        for child in self._children:
            if child.returncode is None:
                child.kill()
