"""Reads beside the writer: four threads, one connection each, no transaction longer than a call."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

from core.errors import Malformed, Unavailable
from core.ports.store import Clock
from plugins.sql.faults import is_busy

T = TypeVar("T")
Found = Sequence[Sequence[Any]]
log = logging.getLogger("frontdesk.sql")
THREADS = 4
_MICRO = timedelta(microseconds=1)
# SQLite has no server whose clock could differ from ours.
_POSTGRES_NOW = "((extract(epoch FROM clock_timestamp()) * 1000000)::bigint + ?)"


class Link:
    """One thread's connection. Hot statements go to the driver as text, the rest as select()."""

    def __init__(self, engine: sa.Engine) -> None:
        """Check a connection out for as long as the thread lives."""
        self._connection = engine.connect()
        driver: Any = self._connection.connection.driver_connection
        self._cursor = driver.cursor()
        self.is_sqlite = engine.dialect.name == "sqlite"

    def run(self, sql: str, params: Sequence[Any] = ()) -> Found:
        """Run prepared text. It is written with `?`, which no statement of ours uses otherwise."""
        text = sql if self.is_sqlite else _percent(sql)
        found: Found = self._cursor.execute(text, params).fetchall()
        return found

    def select(self, statement: sa.Select[Any]) -> Found:
        """Run a built statement."""
        return self._connection.execute(statement).all()

    def close(self) -> None:
        """Drop the connection; whatever is wrong with it, it is gone."""
        with suppress(Exception):
            self._connection.invalidate()
            self._connection.close()


_PERCENT: dict[str, str] = {}


def _percent(sql: str) -> str:
    """Turn `?` into psycopg's `%s`, once per text."""
    text = _PERCENT.get(sql)
    if text is None:
        text = _PERCENT[sql] = sql.replace("%", "%%").replace("?", "%s")
    return text


class Reader:
    """The readers' pool. `read` runs a function of a Link in one of its threads."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        """Open nothing yet; a thread connects at its first question."""
        self._engine = engine
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reader")
        self._own = threading.local()
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.now_term = "?" if self.is_sqlite else _POSTGRES_NOW

    async def read(self, question: Callable[[Link], T]) -> T:
        """Answer a question; Unavailable when the store is gone and stays gone."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._answer, question)

    def _answer(self, question: Callable[[Link], T]) -> T:
        try:
            return question(self._link())
        except Exception as error:
            if not _is_gone(error):
                raise _blamed(error) from error
            self._drop()
            if _took_too_long(error):
                raise Unavailable("That question takes too long. Ask for less.") from error
        try:
            return question(self._link())
        except Exception as error:
            if not _is_gone(error):
                raise _blamed(error) from error
            self._drop()
            log.warning("a reader gave up: %s", error)
            raise Unavailable from error

    def _link(self) -> Link:
        link: Link | None = getattr(self._own, "link", None)
        if link is None:
            link = self._own.link = Link(self._engine)
            with self._lock:
                self._links.add(link)
        return link

    def _drop(self) -> None:
        link: Link | None = getattr(self._own, "link", None)
        if link is not None:
            self._own.link = None
            with self._lock:
                self._links.discard(link)
            link.close()

    def now_value(self) -> int:
        """Return the parameter that `now_term` takes: microseconds, with the tests' offset."""
        offset = self._clock.offset // _MICRO
        return offset if not self.is_sqlite else time.time_ns() // 1000 + offset

    async def close(self) -> None:
        """Let running questions end, then close every connection."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        with self._lock:
            for link in self._links:
                link.close()
            self._links.clear()
        self._engine.dispose()


def _driver_error(error: Exception) -> Exception:
    """Take SQLAlchemy's wrapping off."""
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, Exception):
        return error.orig
    return error


def _blamed(error: Exception) -> Exception:
    """Return what to raise when the question is at fault: a value no row can hold finds nothing."""
    if isinstance(_driver_error(error), psycopg.DataError | UnicodeError | OverflowError):
        return Malformed("That holds a character or a number that cannot be looked for.")
    return error


def _is_gone(error: Exception) -> bool:
    """Say whether the store, and not the question, is at fault."""
    return isinstance(error, sa.exc.TimeoutError) or is_busy(_driver_error(error))


def _took_too_long(error: Exception) -> bool:
    return isinstance(_driver_error(error), psycopg.errors.QueryCanceled)
