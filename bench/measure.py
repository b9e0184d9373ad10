"""Servers and loads as processes, and what they cost: CPU seconds, user and system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import IO, Any

import msgspec

from bench.load import Job, Told

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0


class Failed(Exception):
    """A server did not start, or a load did not end well; the reason is in the message."""


class Server:
    """One `bench.serve` process. `pids` = it and what it has started."""

    def __init__(self, spec: dict[str, Any], folder: Path) -> None:
        """Start it; what it logs goes to a file in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._log = folder / "server.log"
        self.began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "bench.serve", json.dumps(spec)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        self.port = int(_line(self._process.stdout) or 0)
        if not self.port:
            raise Failed(self._log.read_text())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait(self) -> float:
        """Wait for the first 200; return the seconds since the start."""
        import http.client  # a run that only loads servers never needs it

        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            link.request("GET", "/healthz")
            if link.getresponse().status != 200:
                raise Failed(self._log.read_text())
        except OSError as error:
            raise Failed(self._log.read_text()) from error
        finally:
            link.close()
        return time.perf_counter() - self.began

    def cpu(self) -> float:
        """CPU seconds so far, of the whole tree."""
        return cpu_of(tree_of(self.pid))

    def stop(self) -> None:
        """Ask it to end, then insist."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Sample(msgspec.Struct, kw_only=True):
    """One measured run: CPU µs a message of the servers, and of PostgreSQL beside them."""

    cpu: float
    database: float
    told: Told

    @property
    def total(self) -> float:
        """Everything a message cost."""
        return self.cpu + self.database

    @property
    def rate(self) -> float:
        """Messages a second."""
        return len(self.told.latencies) / self.told.seconds


def fire(job: Job, servers: Sequence[Server], database: int | None = None) -> Sample:
    """Run one load against servers and measure them meanwhile; `database` = the postmaster."""
    with tempfile.NamedTemporaryFile(prefix="frontdesk-told-") as file:
        loader = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench.load", msgspec.json.encode(job).decode(), file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        with loader:
            if _line(loader.stdout).strip() != "ready":
                raise Failed("the load could not connect")
            before = [server.cpu() for server in servers]
            rested = _database(database)
            _go(loader.stdin)
            _line(loader.stdout)
            spent = sum(s.cpu() - b for s, b in zip(servers, before, strict=True))
            worked = _database(database)
        if loader.returncode != 0:
            raise Failed("the load did not end well")
        told = msgspec.json.decode(file.read(), type=Told)
    if set(told.answers) != {200}:
        raise Failed(f"not every answer was 200: {told.answers}")
    count = job.mix.count
    beside = sum(worked[pid] - rested.get(pid, 0.0) for pid in worked)
    return Sample(cpu=spent / count * 1e6, database=beside / count * 1e6, told=told)


def _line(stream: IO[str] | None) -> str:
    return "" if stream is None else stream.readline()


def _go(stream: IO[str] | None) -> None:
    if stream is not None:
        stream.write("\n")
        stream.flush()


def _database(postmaster: int | None) -> dict[int, float]:
    if postmaster is None:
        return {}
    return {pid: cpu_of([pid]) for pid in tree_of(postmaster)}


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds of processes, to the nanosecond; one that has ended counts nothing.

    /proc/PID/stat counts in steps of 10 ms; the process's CPU clock is the same sum unrounded.
    """
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            continue
    return total


def tree_of(pid: int) -> list[int]:
    """A process and all it has started, whatever they are called."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def postmaster_of_mine() -> int:
    """The PostgreSQL server this process has started."""
    for pid in tree_of(os.getpid())[1:]:
        if Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
            return pid
    raise Failed("no PostgreSQL runs")


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the rounds' own ratios: drift between rounds cancels out."""
    return median(a / b for a, b in zip(above, below, strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
