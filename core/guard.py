"""What lies beside the database of a running server: a lock, and the socket for commands.

A SQLite file belongs to one process. The kernel drops the lock when its holder dies, however that
happens, so nobody ever has to remove a stale one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from core.config import Config
from core.errors import FrontdeskError

_SQLITE: Final = "sqlite:///"
_SOCKET_PATH_BOUND: Final = 100  # the kernel's own is 108 bytes, 104 on other systems


class AlreadyOpen(FrontdeskError):
    """Another process has the database, and only one may."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Where lock and socket are. `alone` = only the holder of the lock may open the store."""

    lock: Path
    socket: Path
    alone: bool


def beside(config: Config) -> Beside:
    """Return the places: next to the SQLite file, else next to the folder of files."""
    url = config.frontdesk.database.first
    if url.startswith(_SQLITE):
        database = unquote(url.removeprefix(_SQLITE).partition("?")[0])
        return Beside(lock=Path(f"{database}.lock"), socket=Path(f"{database}.sock"), alone=True)
    folder = config.frontdesk.files.parent
    return Beside(lock=folder / "frontdesk.lock", socket=folder / "frontdesk.sock", alone=False)


class Lock:
    """A lock file. Taken at most once at a time, by any process of this machine."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self._path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take it without waiting; say whether it is ours now."""
        if self._handle is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle
        return True

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes hold two files."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> str:
        """Return the process id the holder wrote down, empty when there is none to read."""
        with suppress(OSError, UnicodeDecodeError):
            return self._path.read_text().strip()
        return ""


@contextmanager
def alone_with(config: Config) -> Iterator[Lock]:
    """Hold the database where only one process may have it; AlreadyOpen when another does."""
    place = beside(config)
    lock = Lock(place.lock)
    if place.alone and not lock.take():
        raise AlreadyOpen(
            f"Another Frontdesk has this database open (process {lock.holder() or 'unknown'}). "
            "SQLite serves one process: stop that one first, or use PostgreSQL."
        )
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Name a socket in few enough bytes for the kernel, however deep its folder is."""
    if len(os.fsencode(path)) <= _SOCKET_PATH_BOUND:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
