"""Opens the databases of tests/conftest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
import sqlalchemy as sa

from core.clock import SystemClock
from core.ports.rooms import Rooms, StoreKind
from plugins.sql.engine import make_engine
from plugins.sql.plugin import Postgresql, Sqlite, register_stores
from plugins.sql.schema import counter, metadata


def kind_of(url: str) -> StoreKind:
    """The kind of store whose scheme this is."""
    scheme = url.partition(":")[0]
    return next(kind for kind in register_stores() if scheme in kind.schemes)


@pytest.fixture
def clock() -> SystemClock:
    """A clock that tests move."""
    return SystemClock()


@pytest_asyncio.fixture
async def rooms(database_url: str, clock: SystemClock) -> AsyncIterator[Rooms]:
    """An open, empty database; the test runs on both stores."""
    rooms = kind_of(database_url).open(database_url, clock=clock, relaxed=False)
    yield rooms
    await rooms.close()


@pytest_asyncio.fixture
async def sqlite_rooms(sqlite_url: str, clock: SystemClock) -> AsyncIterator[Rooms]:
    """As `rooms`, on SQLite only."""
    rooms = Sqlite().open(sqlite_url, clock=clock, relaxed=False)
    yield rooms
    await rooms.close()


@pytest_asyncio.fixture
async def postgres_rooms(postgres_url: str, clock: SystemClock) -> AsyncIterator[Rooms]:
    """As `rooms`, on PostgreSQL only."""
    rooms = Postgresql().open(postgres_url, clock=clock, relaxed=False)
    yield rooms
    await rooms.close()


@pytest.fixture
def empty(database_url: str) -> Iterator[Callable[[], None]]:
    """Deletes every row but the counter's."""
    # What it deletes need not survive a power cut.
    engine = make_engine(database_url, relaxed=True, pool=1)
    tables = [table for table in metadata.tables.values() if table is not counter]

    def delete() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            for table in tables:
                connection.execute(sa.delete(table))
            connection.exec_driver_sql("COMMIT")

    yield delete
    engine.dispose()
