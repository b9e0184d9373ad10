"""A database that is locked, crashes or cuts its connections: 503 with Retry-After, never a false
2xx, and service again by itself. What got a 2xx is there afterwards, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from core.testing.postgres import PostgresServer
from plugins.sql.plugin import Postgresql
from tests.journeys.despite import Customer, accepted_despite, must_be_there, serving

CUTS = 50
CUT_SECONDS = 60.0

pytestmark = pytest.mark.slow


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Keep SQLite's write lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


async def test_a_locked_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    async with serving(sqlite_url, tmp_path) as program:
        accepted = await accepted_despite(program, lambda: held(database), rounds=2, times=1)
    must_be_there(sqlite_url, accepted)


@contextmanager
def counter_held(url: str) -> Iterator[None]:
    """Keep the row that every batch begins with."""
    with closing(psycopg.connect(url)) as connection:
        connection.execute("SELECT seq FROM counter WHERE id = 1 FOR UPDATE")
        yield
        connection.rollback()


async def test_a_held_counter_row(postgres_url: str, tmp_path: Path) -> None:
    async with serving(postgres_url, tmp_path) as program:
        accepted = await accepted_despite(
            program, lambda: counter_held(postgres_url), rounds=2, times=1
        )
    must_be_there(postgres_url, accepted)


# -- the server goes away --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_postgres(
    postgres_server: PostgresServer,  # noqa: ARG001 - skips where there is none
) -> Iterator[tuple[PostgresServer, str]]:
    """A server that may crash, and a database on it."""
    server = PostgresServer()
    try:
        server.start()
        url = server.create("frontdesk")
        Postgresql().migrate(url)
        yield server, url
    finally:
        server.stop()


@contextmanager
def crashed(server: PostgresServer) -> Iterator[None]:
    """Let PostgreSQL end as in a crash, and come back after its own recovery."""
    server.crash()
    try:
        yield
    finally:
        server.run()


async def test_a_database_server_that_crashes(
    own_postgres: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    server, url = own_postgres
    async with serving(url, tmp_path) as program:
        accepted = await accepted_despite(program, lambda: crashed(server), rounds=3)
    must_be_there(url, accepted)


CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_connections_cut_under_load(postgres_url: str, tmp_path: Path) -> None:
    """Again and again, whatever was under way: it answers 503 or 200, and 200 is true."""
    async with serving(postgres_url, tmp_path) as program:
        accepted = await asyncio.to_thread(write_while_cut, program.url, postgres_url)
    must_be_there(postgres_url, accepted)


def write_while_cut(url: str, database: str) -> set[str]:
    stopping = threading.Event()
    cuts = 0

    def cut() -> None:
        nonlocal cuts
        with closing(psycopg.connect(database, autocommit=True)) as connection:
            while not stopping.wait(0.05):
                connection.execute(CUT)
                cuts += 1

    thread = threading.Thread(target=cut)
    with contextlib.closing(Customer(url)) as customer:
        thread.start()
        try:
            customer.write_until(lambda _: cuts >= CUTS, CUT_SECONDS)
        finally:
            stopping.set()
            thread.join()
        customer.recover()
        return customer.accepted
