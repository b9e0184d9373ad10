"""Fires a bounded number of webhooks and says how it went: `python -m bench.load JOB FILE`.

Prints `ready` once every request is built and every connection open, fires when a line comes in,
prints `done` and writes what it saw into the file named behind the job. Closed loop (`callers`
side by side) or open loop (`rate` a second; latency then counts from when a request was due).
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop

from bench.bodies import Mix, Shot, make_shots
from bench.client import Caller, Watcher

PATIENCE_SECONDS = 60.0
LAST_FRAME_SECONDS = 5.0
_SOURCE = re.compile(rb'"source_id":"([^"]+)"')
_ASSIGNED = re.compile(rb'"type":"conversation\.assigned".*?"conversation":"([^"]+)"')
_SEQ = re.compile(rb'^\{"seq":(\d+)')


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to fire. `sockets` are (port, hello) of agents who watch."""

    ports: list[int]
    mix: Mix
    callers: int = 64
    rate: float | None = None
    sockets: list[tuple[int, str]] = []


class Told(msgspec.Struct, kw_only=True):
    """How it went. Times in seconds of the machine's monotonic clock; pushes are
    (source_id, fired, seen), seqs (seq, seen) of message frames on the first socket.
    """

    seconds: float
    answers: dict[int, int]
    latencies: list[float]
    opened: int
    assigned: int
    frames: int
    pushes: list[tuple[str, float, float]]
    seqs: list[tuple[int, float]]


class Run:
    """One job in one event loop."""

    def __init__(self, job: Job) -> None:
        """Build every request."""
        self._job = job
        self._shots = make_shots(job.mix)
        self._left: Iterator[Shot] = iter(self._shots)
        self._callers: list[Caller] = []
        self._watchers: list[Watcher] = []
        self._idle: deque[Caller] = deque()
        self._free = asyncio.Event()
        self._done = asyncio.Event()
        self._open = job.rate is not None
        self._fired: dict[str, float] = {}
        self._answers: Counter[int] = Counter()
        self._latencies: list[float] = []

    async def connect(self) -> None:
        """Open the sockets, then the callers, spread over the ports."""
        loop = asyncio.get_running_loop()
        for port, hello in self._job.sockets:
            watcher = Watcher(hello)
            await loop.create_connection(lambda w=watcher: w, "127.0.0.1", port)  # type: ignore[misc]
            await asyncio.wait_for(watcher.ready.wait(), 10)
            self._watchers.append(watcher)
        for number in range(self._job.callers):
            port = self._job.ports[number % len(self._job.ports)]
            caller = Caller(self._answered)
            await loop.create_connection(lambda c=caller: c, "127.0.0.1", port)  # type: ignore[misc]
            self._callers.append(caller)

    async def fire(self) -> Told:
        """Fire everything, wait for the answers and for the last frames."""
        began = time.perf_counter()
        async with asyncio.timeout(PATIENCE_SECONDS):
            if self._job.rate is None:
                for caller in self._callers:
                    self._next(caller)
            else:
                await self._fire_at(self._job.rate, began)
            await self._done.wait()
        seconds = time.perf_counter() - began
        await self._last_frames()
        return self._tell(seconds)

    def _next(self, caller: Caller) -> None:
        shot = next(self._left, None)
        if shot is not None:
            self._fire(caller, shot, time.perf_counter())

    def _fire(self, caller: Caller, shot: Shot, since: float) -> None:
        self._fired[shot.source_id] = since
        caller.fire(shot.request, since)

    async def _fire_at(self, rate: float, began: float) -> None:
        self._idle.extend(self._callers)
        for index, shot in enumerate(self._left):
            due = began + index / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            while not self._idle:
                self._free.clear()
                await self._free.wait()
            self._fire(self._idle.popleft(), shot, due)

    def _answered(self, caller: Caller, status: int, seconds: float) -> None:
        self._answers[status] += 1
        self._latencies.append(seconds)
        if self._open:
            self._idle.append(caller)
            self._free.set()
        else:
            self._next(caller)
        if len(self._latencies) == len(self._shots):
            self._done.set()

    async def _last_frames(self) -> None:
        """Wait until the socket has shown every message, or nothing has come for a while."""
        until = time.perf_counter() + LAST_FRAME_SECONDS
        wanted = self._answers[200]
        while self._watchers and time.perf_counter() < until:
            shown = min(sum(b'"source_id":"' in f for _, f in w.frames) for w in self._watchers)
            if shown >= wanted:
                return
            await asyncio.sleep(0.02)

    def _tell(self, seconds: float) -> Told:
        frames = self._watchers[0].frames if self._watchers else []
        seen: dict[str, float] = {}
        seqs = []
        for at, frame in frames:
            found = _SOURCE.search(frame)
            if found is not None:
                seen.setdefault(found[1].decode(), at)
                number = _SEQ.match(frame)
                if number is not None:
                    seqs.append((int(number[1]), at))
        assigned = {m[1] for _, frame in frames if (m := _ASSIGNED.search(frame)) is not None}
        return Told(
            seconds=seconds,
            answers=dict(self._answers),
            latencies=self._latencies,
            opened=sum(shot.opens for shot in self._shots),
            assigned=len(assigned),
            frames=sum(len(watcher.frames) for watcher in self._watchers),
            pushes=[(name, at, seen[name]) for name, at in self._fired.items() if name in seen],
            seqs=seqs,
        )


async def _run(job: Job) -> Told:
    run = Run(job)
    await run.connect()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    told = await run.fire()
    print("done", flush=True)
    return told


def main() -> None:
    """Run the job given as JSON."""
    job = msgspec.json.decode(sys.argv[1].encode(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(_run(job))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(told))


if __name__ == "__main__":
    main()
