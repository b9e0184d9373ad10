"""Forgets what is kept for a time only: events, raw bodies, answers to keys, finished jobs.

Five hundred rows a table and transaction, on a connection of its own: the writer waits for such a
chunk as it would for another process's batch. Unparsed and failed bodies stay until handled, what
customers and agents wrote stays for ever.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import sqlalchemy as sa

from plugins.sql.codec import to_micros

CHUNK = 500
EVENTS = timedelta(days=30)
BODIES = timedelta(days=30)
JOBS = timedelta(days=30)
ANSWERS = timedelta(hours=48)
RECEIPTS = timedelta(days=7)
LOGINS = timedelta(days=30)
PRESENCE = timedelta(days=1)

# Ids begin with the microseconds they were made at, so the key itself says how old a row is.
_OLD: dict[str, tuple[str, timedelta]] = {
    "webhook": ("id < :id AND state = 'done'", BODIES),
    "job": ("id < :id AND state IN ('done', 'unknown')", JOBS),
    "call": ("job < :id AND job NOT IN (SELECT id FROM job)", JOBS),
    "answer": ("at < :at", ANSWERS),
    "held_receipt": ("at < :at", RECEIPTS),
    "login": ("until < :at", LOGINS),
    "presence": ("until < :at", PRESENCE),
}
_KEY = {
    "webhook": "id",
    "job": "id",
    "call": "job",
    "answer": "actor, name",
    "held_receipt": "inbox, source_id",
    "login": "digest",
    "presence": "agent, process",
}


def prune(engine: sa.Engine, now: datetime) -> int:
    """Delete one chunk of everything that is old; return how many rows went, 0 = done."""
    is_sqlite = engine.dialect.name == "sqlite"
    gone = 0
    with engine.connect() as connection:
        # A stop may dispose of the pool while this thread is still at work: then nobody else would
        # ever close its connection.
        connection.detach()
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
        try:
            gone += _events(connection, now - EVENTS, lock=not is_sqlite)
            for table, (clause, age) in _OLD.items():
                gone += _rows(connection, table, clause, now - age)
        except BaseException:
            with suppress(sa.exc.DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
    return gone


def _events(connection: sa.Connection, before: datetime, *, lock: bool) -> int:
    """Delete the oldest events and say in the same transaction where the feed begins now."""
    oldest = "SELECT seq, at FROM event ORDER BY seq LIMIT :chunk"
    found = connection.execute(sa.text(oldest), {"chunk": CHUNK}).all()
    cut = to_micros(before)
    old = [seq for seq, at in found if at < cut]
    if not old:
        return 0
    if lock:
        connection.exec_driver_sql("SELECT 1 FROM counter WHERE id = 1 FOR UPDATE")
    last = old[-1]
    connection.execute(sa.text("DELETE FROM event WHERE seq <= :last"), {"last": last})
    moved = "UPDATE counter SET oldest = :first WHERE id = 1 AND oldest < :first"
    connection.execute(sa.text(moved), {"first": last + 1})
    return len(old)


def _rows(connection: sa.Connection, table: str, clause: str, before: datetime) -> int:
    key = _KEY[table]
    micros = to_micros(before)
    chosen = f'SELECT {key} FROM "{table}" WHERE {clause} LIMIT {CHUNK}'
    statement = sa.text(f'DELETE FROM "{table}" WHERE ({key}) IN ({chosen})')
    return connection.execute(statement, {"id": f"{micros:013x}", "at": micros}).rowcount
