"""The usual way: an ORM session of its own for each request, committed before the answer.

One thread holds the only connection: more of them would only wait for SQLite's write lock.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class _Declared(DeclarativeBase):
    pass


class Message(_Declared):
    """The same row as the floors'."""

    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[str]
    body: Mapped[bytes]
    at: Mapped[int] = mapped_column(sa.BigInteger)


class Sessions:
    """Stores each message in a session of its own."""

    def __init__(self, path: str) -> None:
        """Make the table."""
        self._engine = sa.create_engine(
            f"sqlite:///{path}", connect_args={"check_same_thread": False}
        )
        sa.event.listen(self._engine, "connect", _full)
        _Declared.metadata.create_all(self._engine)
        self._thread = ThreadPoolExecutor(1)

    async def put(self, source_id: str, body: bytes) -> None:
        """Store one message."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write, source_id, body)

    def _write(self, source_id: str, body: bytes) -> None:
        with Session(self._engine) as session:
            session.add(Message(source_id=source_id, body=body, at=time.time_ns()))
            session.commit()


def _full(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
