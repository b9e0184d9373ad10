"""SQLite's log is moved beside the writer, and does not grow for ever."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from core.clock import SystemClock
from core.testing.writer_suite import declare, message, writing
from plugins.sql import checkpoint
from plugins.sql.checkpoint import Checkpointer
from plugins.sql.plugin import Sqlite


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        yield connection


def _grow(connection: sqlite3.Connection, name: str, size: int) -> None:
    connection.execute("INSERT INTO team VALUES (?, ?)", (name, "x" * size))


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def test_a_small_log_is_left_alone(path: Path) -> None:
    with _open(path) as writer, _open(path) as mover:
        _grow(writer, "a", 1000)
        before = path.stat().st_mtime_ns
        Checkpointer(path, from_bytes=10**9).look(mover)
        assert path.stat().st_mtime_ns == before


def test_a_passive_checkpoint_does_not_wait_for_a_batch(path: Path) -> None:
    """The writer is in the middle of a transaction: what is committed moves all the same."""
    with _open(path) as writer, _open(path) as mover:
        _grow(writer, "a", 100_000)
        writer.execute("BEGIN IMMEDIATE")
        _grow(writer, "b", 1000)
        size = path.stat().st_size
        Checkpointer(path, from_bytes=1).look(mover)
        assert path.stat().st_size > size
        writer.execute("COMMIT")


class Noted(Checkpointer):
    """Notes what it does."""

    def __init__(self, path: Path, *, bound_pages: int) -> None:
        super().__init__(path, from_bytes=1, bound_pages=bound_pages)
        self.modes: list[str] = []

    @override
    def _checkpoint(self, connection: sqlite3.Connection, mode: str) -> int:
        self.modes.append(mode)
        return super()._checkpoint(connection, mode)


@pytest.mark.parametrize(("bound", "modes"), [(10, ["PASSIVE", "RESTART"]), (1000, ["PASSIVE"])])
def test_behind_the_bound_the_log_begins_anew(path: Path, bound: int, modes: list[str]) -> None:
    """A log that is never quiet would else only grow: PASSIVE never reaches its end."""
    checkpoints = Noted(path, bound_pages=bound)
    with _open(path) as writer, _open(path) as mover:
        _grow(writer, "a", 200_000)
        checkpoints.look(mover)
        size = _log(path).stat().st_size
        _grow(writer, "b", 1000)
        assert _log(path).stat().st_size == size
    assert checkpoints.modes == modes


def test_a_locked_file_only_waits_for_the_next_look(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _open(path) as writer, _open(path) as mover:
        _grow(writer, "a", 100_000)
        mover.close()
        Checkpointer(path, from_bytes=1).look(mover)
    assert "a checkpoint failed" in caplog.text


async def test_writers_go_on_while_it_moves_and_closing_empties_the_log(
    sqlite_url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.002)
    monkeypatch.setattr(checkpoint, "FROM_BYTES", 1)
    rooms = Sqlite().open(sqlite_url, clock=SystemClock(), relaxed=False)
    await declare(rooms)
    async with writing(rooms.store(lane=1)) as writer:
        for turn in range(20):
            outcomes = await writer.ask_all(
                [message(f"m{turn}.{n}", sender=f"s{n}", text="x" * 2000) for n in range(20)]
            )
            assert [o.error for o in outcomes if o.error] == []
    assert any(thread.name == "checkpoints" for thread in threading.enumerate())
    await rooms.close()
    assert not any(thread.name == "checkpoints" for thread in threading.enumerate())
    log = _log(path)
    assert not log.exists() or log.stat().st_size == 0
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM message").fetchone() == (400,)
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
