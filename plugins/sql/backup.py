"""Hot copies of the whole database."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from core.errors import FrontdeskError


class BackupFailed(FrontdeskError):
    """There is no copy."""


def backup_sqlite(url: str, target: Path) -> Path:
    """Copy the file while it is written to: one consistent state, checked, then put in place."""
    source = Path(sa.make_url(url).database or "")
    if not source.exists():
        raise BackupFailed(f"There is no database at {source}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    try:
        with (
            closing(sqlite3.connect(source)) as found,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            # In one step it reads one snapshot; page by page it would begin anew at each commit.
            found.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
        if verdict != "ok":
            raise BackupFailed(f"The copy is damaged: {verdict}")
        _put_in_place(unfinished, target)
    except (sqlite3.Error, OSError) as error:
        raise BackupFailed(f"The copy could not be made: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def backup_postgresql(url: str, target: Path) -> Path:
    """Run pg_dump in its custom format, which pg_restore reads."""
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupFailed("pg_dump is missing: install the package postgresql-client.")
    parsed = sa.make_url(url).set(drivername="postgresql")
    environment = dict(os.environ)
    if parsed.password is not None:
        # Arguments are visible to every user of the machine, the environment is not.
        environment["PGPASSWORD"] = str(parsed.password)
    plain = sa.URL.create(
        "postgresql",
        username=parsed.username,
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=parsed.query,
    ).render_as_string(hide_password=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    unfinished.touch(mode=0o600)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [program, "--format=custom", f"--file={unfinished}", f"--dbname={plain}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BackupFailed(f"pg_dump failed: {done.stderr.strip()}")
        _put_in_place(unfinished, target)
    except OSError as error:
        raise BackupFailed(f"The copy could not be made: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Make the copy durable before it takes its name, then the name."""
    _sync(unfinished, os.O_RDWR)
    unfinished.replace(target)
    _sync(target.parent, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
