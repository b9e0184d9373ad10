"""From a commit in one process to a frame on another's socket, and the least that can take.

The floor stores like the PostgreSQL floor, tells the other process through a unix socket, and that
one writes what it was told to its sockets: no query, no rendering.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.floors import Floor
from bench.groups import Group, PostgresPlace
from core.feed import LiveFeed


class Moments:
    """When what was committed; one monotonic clock serves all processes of a machine."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._ours: list[tuple[int, int, float]] = []
        self.floors: dict[str, float] = {}

    def watch(self, live: LiveFeed) -> None:
        """Note every commit of a process of ours: (first seq, last seq, moment)."""
        wrote = live.wrote

        def noted(first: int, last: int) -> None:
            self._ours.append((first, last, time.perf_counter()))
            wrote(first, last)

        live.wrote = noted  # type: ignore[method-assign]

    def save(self, path: Path) -> None:
        """Write them down."""
        path.write_bytes(msgspec.json.encode({"ours": self._ours, "floors": self.floors}))


class Telling(Floor):
    """The floor's first process."""

    def __init__(self, url: str, path: str) -> None:
        """Store at `url`, tell through the unix socket at `path`."""
        group = Group(lambda: PostgresPlace(url))
        super().__init__(store=group.put, start=self._begin, after=self._tell)
        self._group = group
        self._path = path
        self._writer: asyncio.StreamWriter
        self.moments = Moments()

    async def _begin(self) -> None:
        self._group.start()
        _, self._writer = await asyncio.open_unix_connection(self._path)

    def _tell(self, source_id: str, text: str) -> None:
        self.moments.floors[source_id] = time.perf_counter()
        self._writer.write(msgspec.json.encode((source_id, text)) + b"\n")


class Told(Floor):
    """The floor's second process."""

    def __init__(self, path: str) -> None:
        """Hear at the unix socket `path`."""
        super().__init__(start=self._begin)
        self._path = path

    async def _begin(self) -> None:
        await asyncio.start_unix_server(self._hear, self._path)

    async def _hear(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            source_id, text = msgspec.json.decode(line)
            await self.show(source_id, text)


def from_floor(spec: dict[str, Any]) -> Telling:
    """Make the first process."""
    return Telling(spec["url"], spec["path"])


def to_floor(spec: dict[str, Any]) -> Told:
    """Make the second process."""
    return Told(spec["path"])
