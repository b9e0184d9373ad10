"""Passwords: argon2id in a small pool, so that guessing cannot take the whole machine."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import Unavailable
from core.text import clean

T = TypeVar("T")
THREADS: Final = 2
WAITING_BOUND: Final = 32
LENGTH_BOUND: Final = 1024
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)


class Passwords:
    """Hashes and verifies; at most two at once and 32 waiting, then Unavailable."""

    def __init__(self, *, threads: int = THREADS) -> None:
        """Start no thread before the first password."""
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="passwords")
        self._inside = 0

    async def digest(self, password: str) -> str:
        """Return the argon2id hash to store."""
        return await self._run(lambda: _HASHER.hash(_spelled(password)))

    async def fits(self, password: str, digest: str | None) -> bool:
        """Say whether the password has this hash; without a hash, do the same work and say no."""
        return await self._run(lambda: _fits(password, digest or _nobody())) and digest is not None

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= THREADS + WAITING_BOUND:
            raise Unavailable("Too many people are signing in at once. Try again.")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1


@cache
def _nobody() -> str:
    """Verified when there is no hash, so that an unknown e-mail costs the same work.

    Made at the first need: hashing takes 64 MiB and a tenth of a second, too much for an import.
    """
    return _HASHER.hash("nobody has this password")


def _spelled(password: str) -> str:
    """Return one spelling: keyboards differ in whether they compose an accented letter."""
    return unicodedata.normalize("NFC", clean(password))


def _fits(password: str, digest: str) -> bool:
    try:
        return _HASHER.verify(digest, _spelled(password[:LENGTH_BOUND]))
    except (VerificationError, InvalidHashError):
        return False
