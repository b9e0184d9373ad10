"""Engines: how a writer and a reader connect to SQLite or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.errors import FrontdeskError

_WRITER_OPTIONS = (
    "-c idle_in_transaction_session_timeout=2000 -c lock_timeout=2000 -c statement_timeout=5000 "
    "-c synchronous_commit={commit}"
)
_READER_OPTIONS = "-c statement_timeout=5000 -c default_transaction_read_only=on"

# A server that vanished is noticed in some 10 s, not in the two hours TCP would take.
ALIVE = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


class NotDurable(FrontdeskError):
    """The store would not keep what a 2xx promises."""


def make_engine(
    url: str, *, reads: bool = False, relaxed: bool = False, pool: int = 4
) -> sa.Engine:
    """Make an engine; `relaxed` gives up what a power cut takes, never silently (design §1)."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, reads=reads, relaxed=relaxed, pool=pool)
    options = (
        _READER_OPTIONS if reads else _WRITER_OPTIONS.format(commit="off" if relaxed else "on")
    )
    return sa.create_engine(
        parsed,
        isolation_level="AUTOCOMMIT",
        pool_size=pool,
        max_overflow=2,
        pool_pre_ping=reads,
        connect_args={"options": options, "autocommit": True, **ALIVE},
    )


def _sqlite(url: sa.URL, *, reads: bool, relaxed: bool, pool: int) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.pool.QueuePool,
        pool_size=pool,
        max_overflow=2,
        connect_args={"check_same_thread": False, "cached_statements": 256, "timeout": 2.0},
    )

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'NORMAL' if relaxed else 'FULL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        # Checkpoints run in a thread of their own (plugins.sql.checkpoint), never in a batch.
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        if reads:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    return engine


def check_durable(engine: sa.Engine, *, relaxed: bool) -> None:
    """Ask the store itself whether a commit is on disk; raise NotDurable when it is not."""
    if relaxed:
        return
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            level = int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
            if level < 2:
                raise NotDurable("SQLite runs with synchronous below FULL")
        else:
            for name in ("synchronous_commit", "fsync", "full_page_writes"):
                value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                if value in {"off", "local"} and not (
                    name == "synchronous_commit" and value == "local"
                ):
                    raise NotDurable(f"PostgreSQL runs with {name} = {value}")
