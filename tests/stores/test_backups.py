"""Hot copies: one consistent state while the writer goes on, or a clear error and no file."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from core.ports.rooms import Rooms
from core.testing.postgres import PostgresServer, find_programs
from core.testing.writer_suite import declare, message, writing
from plugins.sql import backup
from plugins.sql.backup import BackupFailed
from plugins.sql.plugin import Postgresql, Sqlite


async def _copied_while_writing(rooms: Rooms, make: Callable[[], Path]) -> None:
    """Write until the copy is there."""
    await declare(rooms)
    async with writing(rooms.store(lane=1)) as writer:
        for n in range(20):
            await writer.ask(message(f"before{n}"))
        copying = asyncio.create_task(asyncio.to_thread(make))
        n = 0
        while not copying.done():
            await writer.ask(message(f"during{n}"))
            n += 1
        await copying


async def test_a_copy_of_sqlite_is_one_state(
    sqlite_rooms: Rooms, sqlite_url: str, tmp_path: Path
) -> None:
    """Whatever was committed before is in it; counter and feed agree."""
    target = tmp_path / "copies" / "copy.db"
    await _copied_while_writing(sqlite_rooms, lambda: Sqlite().backup(sqlite_url, target))
    with closing(sqlite3.connect(target)) as copy:
        kept = {source for (source,) in copy.execute("SELECT source_id FROM message")}
        (newest,) = copy.execute("SELECT seq FROM counter").fetchone()
        numbers = [seq for (seq,) in copy.execute("SELECT seq FROM event ORDER BY seq")]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert {f"before{n}" for n in range(20)} <= kept
    assert numbers == list(range(1, newest + 1))
    assert target.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in target.parent.iterdir()] == ["copy.db"]


async def test_a_copy_of_postgresql_can_be_restored(
    postgres_rooms: Rooms, postgres_url: str, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    target = tmp_path / "copy.dump"
    await _copied_while_writing(postgres_rooms, lambda: Postgresql().backup(postgres_url, target))
    restored = postgres_server.create("restored")
    program = str(find_programs() / "pg_restore")
    restore = [program, f"--dbname={restored}", "--exit-on-error", str(target)]
    await asyncio.to_thread(lambda: subprocess.run(restore, check=True))
    with psycopg.connect(restored) as copy:
        kept = {source for (source,) in copy.execute("SELECT source_id FROM message")}
        newest, count = copy.execute(
            "SELECT (SELECT seq FROM counter), (SELECT count(*) FROM event)"
        ).fetchone() or (0, -1)
    postgres_server.drop("restored")
    assert {f"before{n}" for n in range(20)} <= kept
    assert newest == count
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_missing_pg_dump_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="postgresql-client"):
        backup.backup_postgresql("postgresql://a@127.0.0.1/b", tmp_path / "copy")


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed")
def test_a_password_is_not_among_the_arguments_nor_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pg_dump of ours writes down what it was given, and fails."""
    fake = tmp_path / "bin" / "pg_dump"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@ $PGPASSWORD" > {tmp_path}/given\nexit 3\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    with pytest.raises(BackupFailed) as failed:
        backup.backup_postgresql("postgresql://me:h4rd%21@db/b", tmp_path / "copy")
    arguments, _, password = (tmp_path / "given").read_text().strip().rpartition(" ")
    assert password == "h4rd!"
    assert "h4rd" not in arguments
    assert "h4rd" not in str(failed.value)


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "broken.db"
    source.write_bytes(b"this is no database" * 100)
    target = tmp_path / "out" / "copy.db"
    with pytest.raises(BackupFailed):
        Sqlite().backup(f"sqlite:///{source}", target)
    with pytest.raises(BackupFailed, match="no database at"):
        Sqlite().backup(f"sqlite:///{tmp_path}/none.db", target)
    assert list(target.parent.iterdir()) == []
