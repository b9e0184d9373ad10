"""One open database: a store for each lane of the writer, and the readers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from core.errors import FrontdeskError
from core.ports.reading import Conversations, Feed, Jobs, People
from core.ports.store import Clock, Store
from plugins.sql.checkpoint import Checkpointer
from plugins.sql.conversations import SqlConversations
from plugins.sql.engine import check_durable, make_engine
from plugins.sql.feed import SqlFeed
from plugins.sql.jobs import SqlJobs
from plugins.sql.migrate import is_current
from plugins.sql.people import SqlPeople
from plugins.sql.prune import prune
from plugins.sql.reader import THREADS, Reader
from plugins.sql.store import SqlStore

# `->>` on JSON came with SQLite 3.38; the oldest PostgreSQL that its makers still mend is 14.
OLDEST_SQLITE = (3, 38)
OLDEST_POSTGRESQL = 14


class SqlRooms:
    """Implements core.ports.rooms.Rooms."""

    def __init__(self, url: str, *, clock: Clock, relaxed: bool) -> None:
        """Connect to nothing yet."""
        self._url = url
        self._relaxed = relaxed
        self._clock = clock
        self._engine = make_engine(url, relaxed=relaxed, pool=3)
        self._reader = Reader(make_engine(url, reads=True, relaxed=relaxed, pool=THREADS), clock)
        self.one_process = self._engine.dialect.name == "sqlite"
        self.conversations: Conversations = SqlConversations(self._reader)
        self.feed: Feed = SqlFeed(self._reader)
        self.jobs: Jobs = SqlJobs(self._reader)
        self.people: People = SqlPeople(self._reader)
        self._only = SqlStore(self._engine, clock) if self.one_process else None
        self._checkpoints: Checkpointer | None = None
        if self.one_process:
            self._checkpoints = Checkpointer(Path(sa.make_url(url).database or ""))
            self._checkpoints.start()

    def store(self, *, lane: int) -> Store:
        """Return a store for a lane; on SQLite there is one, for one writer."""
        if lane not in {1, 2}:
            raise ValueError(lane)
        return self._only or SqlStore(self._engine, self._clock)

    def check(self) -> str | None:
        """Return why this database cannot be served, None when it can; then nothing stays open."""
        problem = self._problem()
        if problem is not None:
            self._engine.dispose()
        return problem

    def _problem(self) -> str | None:
        try:
            if not is_current(self._url):
                return "The schema is not this release's. Run: .venv/bin/frontdesk migrate"
            check_durable(self._engine, relaxed=self._relaxed)
            return self._too_old()
        except FrontdeskError as error:
            return str(error)
        except sa.exc.DBAPIError as error:
            return f"The database cannot be reached: {str(error.orig).strip()}"

    def _too_old(self) -> str | None:
        with self._engine.connect() as connection:
            found = connection.dialect.server_version_info or ()
        if self.one_process and found < OLDEST_SQLITE:
            return f"SQLite is {_dotted(found)}; it must be {_dotted(OLDEST_SQLITE)} or newer."
        if not self.one_process and found < (OLDEST_POSTGRESQL,):
            return f"PostgreSQL is {_dotted(found)}; it must be {OLDEST_POSTGRESQL} or newer."
        return None

    async def prune(self, now: datetime) -> int:
        """Delete one chunk of what is kept for a time only; return how many rows went."""
        return await asyncio.to_thread(prune, self._engine, now)

    async def close(self) -> None:
        """Close the readers; on SQLite move the log into the file. The writers close their own."""
        await self._reader.close()
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.stop)
        self._engine.dispose()


def _dotted(version: tuple[object, ...]) -> str:
    return ".".join(map(str, version))
