"""The store on SQLite and PostgreSQL, and the bus between processes on one PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from core.hookspecs import hookimpl
from core.ports.rooms import Bus, BusKind, Rooms, StoreKind
from core.ports.store import Clock
from plugins.sql import backup, migrate
from plugins.sql.migrations import HEAD
from plugins.sql.notify import NotifyBus
from plugins.sql.rooms import SqlRooms


class Sqlite:
    """One file, one process. Opening it brings its schema up to date, behind a hot copy."""

    schemes = frozenset({"sqlite"})

    def open(self, url: str, *, clock: Clock, relaxed: bool) -> Rooms:
        """Open, after migrating."""

        def copy_first() -> None:
            self.backup(url, _copy_name(Path(sa.make_url(url).database or "")))

        self.migrate(url, before=copy_first)
        return SqlRooms(url, clock=clock, relaxed=relaxed)

    def migrate(self, url: str, *, before: Callable[[], None] = lambda: None) -> list[str]:
        """Take the missing steps."""
        return migrate.migrate(url, before=before)

    def is_current(self, url: str) -> bool:
        """Say whether no step is missing."""
        return migrate.is_current(url)

    def backup(self, url: str, target: Path) -> Path:
        """Copy while it is written to."""
        return backup.backup_sqlite(url, target)


class Postgresql:
    """A server, one or several processes. Opening it changes nothing."""

    schemes = frozenset({"postgresql", "postgresql+psycopg"})

    def open(self, url: str, *, clock: Clock, relaxed: bool) -> Rooms:
        """Open as it is."""
        return SqlRooms(url, clock=clock, relaxed=relaxed)

    def migrate(self, url: str, *, before: Callable[[], None] = lambda: None) -> list[str]:
        """Take the missing steps under an advisory lock."""
        return migrate.migrate(url, before=before)

    def is_current(self, url: str) -> bool:
        """Say whether no step is missing."""
        return migrate.is_current(url)

    def backup(self, url: str, target: Path) -> Path:
        """Run pg_dump."""
        return backup.backup_postgresql(url, target)


class Notify:
    """`bus = "notify"`, and what "auto" means on PostgreSQL."""

    name = "notify"

    def open(self, url: str) -> Bus:
        """Make the bus for this database."""
        return NotifyBus(url)


def _copy_name(database: Path) -> Path:
    """Name the copy made before a migration, beside the database."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return database.with_name(f"{database.stem}.before-{HEAD}.{at}{database.suffix}")


@hookimpl
def register_stores() -> Sequence[StoreKind]:
    """Hand over both kinds of store."""
    return (Sqlite(), Postgresql())


@hookimpl
def register_buses() -> Sequence[BusKind]:
    """Hand over the bus of PostgreSQL."""
    return (Notify(),)
