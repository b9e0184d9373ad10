"""Looks into a store from outside: who holds a lease, and which calls a dead process left open."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

_OPEN = (
    "SELECT j.subject, l.holder FROM call AS c JOIN job AS j ON j.id = c.job "
    "JOIN lease AS l ON l.name = j.lease WHERE j.state = 'open' AND c.number > j.tries"
)
_HOLDERS = "SELECT name, holder FROM lease"


class Observer(Protocol):
    """Asks a store one question."""

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run a query without changing anything, not even the log that recovery will read."""


class SqliteObserver:
    """Reads a copy: whoever closes the last connection to the file itself would tidy its log."""

    def __init__(self, path: Path) -> None:
        """Take the file's path."""
        self._path = path

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Copy file and log, and ask the copy."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                source = self._path.with_name(self._path.name + suffix)
                if source.exists():
                    shutil.copyfile(source, Path(folder) / f"copy.db{suffix}")
            with closing(sqlite3.connect(Path(folder) / "copy.db")) as connection:
                return connection.execute(sql).fetchall()


class PostgresObserver:
    """Asks the server."""

    def __init__(self, url: str) -> None:
        """Take its address."""
        self._url = url

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Connect, ask, go."""
        with closing(psycopg.connect(self._url, autocommit=True)) as connection:
            return connection.execute(sql).fetchall()


def observe(url: str) -> Observer:
    """Return the observer for a database address."""
    if url.startswith("sqlite:///"):
        return SqliteObserver(Path(url.removeprefix("sqlite:///")))
    return PostgresObserver(url)


def calls_left_open(observer: Observer, pid: int) -> frozenset[str]:
    """Return the messages whose call was begun and not recorded by the process of this id."""
    return frozenset(subject for subject, holder in observer.ask(_OPEN) if pid_of(holder) == pid)


def holder_of(observer: Observer, lease: str) -> int:
    """Return the process id behind a lease, 0 for nobody."""
    holders: dict[str, str] = dict(observer.ask(_HOLDERS))  # type: ignore[arg-type]
    return pid_of(holders.get(lease, ""))


def pid_of(holder: str) -> int:
    """Read `host-pid-random`."""
    parts = holder.split("-")
    return int(parts[-2]) if len(parts) > 2 and parts[-2].isdigit() else 0
