"""Group commit as small as it can be: a thread that writes whatever waits in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

Item = tuple[str, bytes]


class Place(Protocol):
    """Where a group is written. Used by the thread alone."""

    def write(self, items: list[Item]) -> None:
        """Insert and commit."""


class Group:
    """Collects items of one event loop; each `put` returns when its item is committed.

    The loop hands the thread one group at a time and collects the next one meanwhile, so a group
    costs one hop there and one back, and nothing is locked.
    """

    def __init__(self, open_place: Callable[[], Place]) -> None:
        """`open_place` is called in the thread."""
        self._open = open_place
        self._to_write: SimpleQueue[list[Item]] = SimpleQueue()
        self._items: list[Item] = []
        self._stored: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, args=(loop,), name="group", daemon=True).start()

    async def put(self, source_id: str, body: bytes) -> None:
        """Store one item."""
        self._items.append((source_id, body))
        if self._stored is None:
            self._stored = asyncio.get_running_loop().create_future()
        stored = self._stored
        if self._writing is None:
            self._hand_over()
        await stored

    def _hand_over(self) -> None:
        items, self._items = self._items, []
        self._writing, self._stored = self._stored, None
        if items:
            self._to_write.put(items)

    def _written(self) -> None:
        if self._writing is not None:
            self._writing.set_result(None)
        self._hand_over()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        place = self._open()
        while True:
            place.write(self._to_write.get())
            with suppress(RuntimeError):  # the loop is gone: the server was told to stop
                loop.call_soon_threadsafe(self._written)


class SqlitePlace:
    """One table in WAL mode; `level` is PRAGMA synchronous."""

    def __init__(self, path: Path, level: str) -> None:
        """Make the table."""
        self._link = sqlite3.connect(path, isolation_level=None)
        self._link.execute("PRAGMA journal_mode=WAL")
        self._link.execute(f"PRAGMA synchronous={level}")
        self._link.execute(
            "CREATE TABLE IF NOT EXISTS message "
            "(source_id TEXT NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL)"
        )

    def write(self, items: list[Item]) -> None:
        """One transaction."""
        now = time.time_ns()
        self._link.execute("BEGIN IMMEDIATE")
        self._link.executemany(
            "INSERT INTO message VALUES (?, ?, ?)", [(a, b, now) for a, b in items]
        )
        self._link.execute("COMMIT")


class PostgresPlace:
    """One table, one statement a group."""

    def __init__(self, url: str) -> None:
        """Make the table."""
        import psycopg  # the SQLite floors must not pay for it

        self._link: Any = psycopg.connect(url, autocommit=True)
        self._link.execute(
            "CREATE TABLE IF NOT EXISTS message "
            "(source_id text NOT NULL, body bytea NOT NULL, at bigint NOT NULL)"
        )

    def write(self, items: list[Item]) -> None:
        """One transaction, one round trip."""
        self._link.execute(
            "INSERT INTO message SELECT *, %s FROM unnest(%s::text[], %s::bytea[])",
            (time.time_ns(), [a for a, _ in items], [b for _, b in items]),
        )
