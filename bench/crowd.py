"""A queue of any length, written straight into a SQLite database of ours."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.bodies import INBOX
from core.models.rows import Conversation
from plugins.sql.schema import CODECS

_NUMBERED = ("id", "contact", "address")


def crowd(path: Path, *, waiting: int) -> None:
    """Add conversations that wait since yesterday, the first one longest."""
    codec = CODECS[Conversation]
    began = datetime.now(UTC) - timedelta(days=1)
    row = Conversation(
        id="",
        inbox=INBOX,
        product="acme",
        channel="whatsapp",
        contact="",
        address="",
        state="waiting",
        queued_at=began,
        waiting_since=began,
        created_at=began,
        last_message_at=began,
    )
    names = list(codec.names)
    values = dict(zip(names, codec.encode(row), strict=True))
    columns = ", ".join(f'"{name}"' for name in names)
    chosen = ", ".join(_value(name) for name in names)
    sql = (
        f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {waiting}) "  # noqa: S608 - our own names
        f"INSERT INTO conversation ({columns}) SELECT {chosen} FROM k"
    )
    link = sqlite3.connect(path, isolation_level=None)
    try:
        link.execute("PRAGMA synchronous=OFF")
        link.execute(sql, values)
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        link.close()


def _value(name: str) -> str:
    if name in _NUMBERED:
        return f"printf('{name[0]}%039d', n)"
    if name == "queued_at":
        return ":queued_at + n"
    return f":{name}"
