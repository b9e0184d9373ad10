"""A full disk: 503 with Retry-After, never a false 2xx, and service again by itself.

What got a 2xx is there afterwards, once, and the file is whole.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.journeys.despite import accepted_despite, must_be_there, serving

ROUNDS = 10
TMPFS_BYTES = 4 * 1024 * 1024

pytestmark = pytest.mark.slow


@contextmanager
def no_larger_files(pid: int, database: Path) -> Iterator[None]:
    """Let no file of a process grow beyond the size its log has now."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = database.with_name(database.name + "-wal").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 8192, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_files_that_may_not_grow(sqlite_url: str, tmp_path: Path) -> None:
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    async with serving(sqlite_url, tmp_path) as program:
        accepted = await accepted_despite(
            program, lambda: no_larger_files(program.pid, database), rounds=ROUNDS
        )
    must_be_there(sqlite_url, accepted)
    must_be_whole(database)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={TMPFS_BYTES}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Fill a disk to the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        filler.unlink()


async def test_a_disk_without_room(sqlite_url: str, tmp_path: Path, small_disk: Path) -> None:
    database = small_disk / "frontdesk.db"
    shutil.copyfile(sqlite_url.removeprefix("sqlite:///"), database)
    url = f"sqlite:///{database}"
    async with serving(url, tmp_path) as program:
        accepted = await accepted_despite(program, lambda: filled(small_disk), rounds=ROUNDS)
    must_be_there(url, accepted)
    must_be_whole(database)


def must_be_whole(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
