"""One serving process on a port of its own, started, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
POINTS = (
    "intake.before_answer",
    "sender.before_call",
    "sender.after_call",
    "sender.after_record",
    "writer1.before_commit",
    "writer1.after_commit",
    "writer2.before_commit",
    "writer2.after_commit",
)
READY_SECONDS = 60.0
POLL_SECONDS = 0.05


class Ended(Exception):
    """The server ended by itself; the message is the end of what it said."""


class Program:
    """A server. `flags` is a folder in which a file named after a failpoint kills it there."""

    def __init__(
        self, config: Path, *, port: int, folder: Path, fault: str | None = None, name: str = "web"
    ) -> None:
        """Start nothing yet; what it says goes to a file in `folder`."""
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.output = folder / f"{name}.log"
        self.flags = folder / f"{name}-flags"
        self.flags.mkdir(exist_ok=True)
        self.is_up = False
        self._config = config
        self._fault = fault
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; only while there is one."""
        assert self._process is not None
        return self._process.pid

    def command(self) -> Sequence[str]:
        """Return what is run: `frontdesk serve`, through our own entry when a fault is sown."""
        entry = ("-m", "core.cli")
        if self._fault is not None:
            entry = (str(Path(__file__).with_name("server.py")), self._fault)
        return (
            *(sys.executable, *entry, "serve"),
            *("--config", str(self._config), "--port", str(self.port)),
        )

    async def start(self, *, env: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it is ready; Ended when it does not want to."""
        for flag in self.flags.iterdir():
            flag.unlink()
        points = ",".join(f"{point}=kill@{self.flags / point}" for point in POINTS)
        with self.output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._config.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "FRONTDESK_FAILPOINTS": points,
                    **(env or {}),
                },
            )
        await self._until_ready()
        self.is_up = True

    async def _until_ready(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
            while self._process.returncode is None:
                with suppress(aiohttp.ClientError, ConnectionError):
                    async with session.get(f"{self.url}/readyz") as response:
                        if response.status == 200:
                            return
                # Another process offers nothing to wait on but its port.
                await asyncio.sleep(POLL_SECONDS)
        raise Ended(self.said())

    async def until_dead(self, *, within: float) -> int:
        """Wait for its end; return its code, below 0 for a signal. TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(within):
            code = await self._process.wait()
        self.is_up = False
        return code

    async def kill(self) -> None:
        """End it with SIGKILL, as often as wanted."""
        await self._end(signal.SIGKILL, within=10)

    async def stop(self) -> int:
        """Ask it to end, wait, and kill it when it does not. Returns its code."""
        return await self._end(signal.SIGTERM, within=25)

    async def _end(self, how: signal.Signals, *, within: float) -> int:
        if self._process is None:
            return 0
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            return await self.until_dead(within=within)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise

    def said(self, lines: int = 40) -> str:
        """Return the end of what it said."""
        if not self.output.exists():
            return ""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-lines:])
