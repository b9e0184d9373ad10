"""What the store plugin hands over, and when it says that a database cannot be served."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from core.clock import SystemClock
from core.errors import StoreBusy, StoreRefused
from core.ports.rooms import Rooms
from plugins.sql.engine import NotDurable, check_durable, make_engine
from plugins.sql.faults import is_busy, translate
from plugins.sql.plugin import Postgresql, Sqlite, register_stores


def test_each_scheme_has_one_kind() -> None:
    schemes = [scheme for kind in register_stores() for scheme in kind.schemes]
    assert sorted(schemes) == ["postgresql", "postgresql+psycopg", "sqlite"]


async def test_lanes(rooms: Rooms) -> None:
    """One writer on SQLite, two connections on PostgreSQL."""
    assert (rooms.store(lane=1) is rooms.store(lane=2)) == rooms.one_process
    with pytest.raises(ValueError, match="3"):
        rooms.store(lane=3)


async def test_a_good_database_can_be_served(rooms: Rooms) -> None:
    assert rooms.check() is None


async def test_relaxed_is_what_was_asked_for(sqlite_url: str, postgres_url: str) -> None:
    for kind, url in ((Sqlite(), sqlite_url), (Postgresql(), postgres_url)):
        rooms = kind.open(url, clock=SystemClock(), relaxed=True)
        assert rooms.check() is None
        await rooms.close()


def test_a_weak_store_is_noticed(database_url: str) -> None:
    """The store itself is asked, not our settings."""
    engine = make_engine(database_url, relaxed=True, pool=1)
    with pytest.raises(NotDurable):
        check_durable(engine, relaxed=False)
    check_durable(engine, relaxed=True)
    engine.dispose()


def test_a_readers_connection_cannot_write(database_url: str) -> None:
    engine = make_engine(database_url, reads=True, pool=1)
    with engine.connect() as connection, pytest.raises(Exception, match="read"):
        connection.exec_driver_sql("DELETE FROM team")
    engine.dispose()


def _postgres_error(sqlstate: str) -> psycopg.Error:
    return psycopg.errors.lookup(sqlstate)("told")


@pytest.mark.parametrize(
    ("error", "busy"),
    [
        (_postgres_error("23505"), False),
        (_postgres_error("22003"), False),
        (_postgres_error("54000"), False),
        (_postgres_error("42P01"), False),
        (_postgres_error("53100"), True),
        (_postgres_error("55P03"), True),
        (_postgres_error("57P01"), True),
        (_postgres_error("57014"), True),
        (_postgres_error("40P01"), True),
        (_postgres_error("40001"), True),
        (_postgres_error("25P03"), True),
        (_postgres_error("25006"), True),
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.InterfaceError("closed"), True),
        (psycopg.DataError("NUL"), False),
        (psycopg.ProgrammingError("cannot adapt type"), False),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), False),
        (OverflowError("too large"), False),
        (TypeError("no"), False),
    ],
    ids=lambda value: getattr(value, "sqlstate", None) or str(value),
)
def test_whose_fault_an_error_is(error: Exception, busy: bool) -> None:
    assert is_busy(error) is busy
    assert isinstance(translate(error), StoreBusy if busy else StoreRefused)


@pytest.mark.parametrize("code", [5, 5 | 2 << 8, 6, 10, 10 | 3 << 8, 11, 13, 14, 26])
def test_what_sqlite_says_of_its_file_is_nobodys_fault(code: int) -> None:
    """BUSY, BUSY_SNAPSHOT, LOCKED, IOERR, IOERR_WRITE, CORRUPT, FULL, CANTOPEN, NOTADB."""
    error = sqlite3.OperationalError("told")
    error.sqlite_errorcode = code
    assert is_busy(error)


def test_whose_fault_an_error_of_sqlite_is() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE one (id TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.execute("INSERT INTO one VALUES ('a')")
    for sql, params in (
        ("INSERT INTO one VALUES ('a')", ()),
        ("INSERT INTO two VALUES ('a')", ()),
        ("INSERT INTO one VALUES (?)", (object(),)),
        ("INSERT INTO one VALUES (?)", (2**70,)),
        ("INSERT INTO one VALUES (?)", ("\ud800",)),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of five different classes
            connection.execute(sql, params)
        assert not is_busy(caught.value), caught.value
    connection.execute("PRAGMA query_only=ON")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("INSERT INTO one VALUES ('b')")
    assert is_busy(caught.value)
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as closed:
        connection.execute("SELECT 1")
    assert is_busy(closed.value)
