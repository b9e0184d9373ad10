"""From a commit in one process to a frame on another's socket, and the least that can take.

The floor stores like the PostgreSQL floor and tells the other process the message's id through a
unix socket; that one reads the message by its id, since the database is the truth, and writes it
to its sockets.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from bench.floors import Floor, read_message
from bench.groups import Group, PostgresPlace
from core.feed import LiveFeed

_READ = "SELECT body FROM message WHERE source_id = %s"


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

    def _tell(self, source_id: str, _text: str) -> None:
        self.moments.floors[source_id] = time.perf_counter()
        self._writer.write(source_id.encode() + b"\n")


class Told(Floor):
    """The floor's second process."""

    def __init__(self, url: str, path: str) -> None:
        """Hear at the unix socket `path`, read from `url`."""
        super().__init__(start=self._begin)
        self._url = url
        self._path = path
        self._link: psycopg.AsyncConnection

    async def _begin(self) -> None:
        PostgresPlace(self._url)  # the table must be there before its index
        self._link = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await self._link.execute("CREATE INDEX by_id ON message (source_id)")
        await asyncio.start_unix_server(self._hear, self._path)

    async def _hear(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked = await self._link.execute(_READ, (line.decode().strip(),))
            for (body,) in await asked.fetchall():
                await self.show(*read_message(body))


def from_floor(spec: dict[str, Any]) -> Telling:
    """Make the first process."""
    return Telling(spec["url"], spec["path"])


def to_floor(spec: dict[str, Any]) -> Told:
    """Make the second process."""
    return Told(spec["url"], spec["path"])
