"""Opaque ids that sort in the order of commit, whatever the wall clock does."""

from __future__ import annotations

import os
import secrets

_RANDOM_BYTES = 16
_POOL_BYTES = _RANDOM_BYTES * 256


class IdMaker:
    """Makes ids for one thread. It asks the system for the randomness of 256 ids at once:
    a call for each would let go of the interpreter's lock and cost 20 µs a message.
    """

    def __init__(self) -> None:
        """Start with an empty pool."""
        self._pool = b""
        self._used = 0

    def make(self, stamp: int, number: int) -> str:
        """Join a rising stamp (microseconds), the number within the batch and 128 random bits.

        Lower-case hexadecimal: it sorts the same under every collation of every database.
        """
        if self._used >= len(self._pool):
            self._pool, self._used = os.urandom(_POOL_BYTES), 0
        start = self._used
        self._used = start + _RANDOM_BYTES
        return f"{stamp:013x}{number:04x}{self._pool[start : self._used].hex()}"


def make_secret() -> str:
    """Return a secret of 256 random bits."""
    return secrets.token_urlsafe(32)
