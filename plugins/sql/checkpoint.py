"""Moves SQLite's log into the file, beside the writer and never in its way.

PASSIVE copies what nobody uses and waits for nobody. Under a load that never pauses it may
never reach the end of the log, which would then grow for ever: behind BOUND_PAGES one RESTART
waits for the writer's current batch, so that the next one begins the log anew.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

log = logging.getLogger("frontdesk.sql")
EVERY_SECONDS = 1.0
FROM_BYTES = 4_000_000
BOUND_PAGES = 16_000
_BUSY_SECONDS = 0.5


class Checkpointer:
    """A thread with a connection of its own."""

    def __init__(
        self, path: Path, *, from_bytes: int = FROM_BYTES, bound_pages: int = BOUND_PAGES
    ) -> None:
        """Look at the log once a second; leave it alone below `from_bytes`."""
        self._path = path
        self._log_path = path.with_name(path.name + "-wal")
        self._from_bytes = from_bytes
        self._bound_pages = bound_pages
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Move everything and empty the log, unless somebody still reads it."""
        self._stopping.set()
        self._thread.join()
        with closing(self._connect()) as connection:
            self._checkpoint(connection, "TRUNCATE")

    def _run(self) -> None:
        with closing(self._connect()) as connection:
            while not self._stopping.wait(EVERY_SECONDS):
                self.look(connection)

    def look(self, connection: sqlite3.Connection) -> None:
        """Move what can be moved when there is enough of it."""
        try:
            size = self._log_path.stat().st_size
        except FileNotFoundError:
            return
        if size < self._from_bytes:
            return
        pages = self._checkpoint(connection, "PASSIVE")
        if pages > self._bound_pages:
            self._checkpoint(connection, "RESTART")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # What a checkpoint copies is on disk before the log may be overwritten.
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _checkpoint(self, connection: sqlite3.Connection, mode: str) -> int:
        """Return how many pages the log holds."""
        try:
            _busy, pages, _moved = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            # The log keeps everything; the next look tries again.
            log.warning("a checkpoint failed: %s", error)
            return 0
        return int(pages)
