"""Counts wrong passwords: per account, per network and in all, so that guessing is hopeless.

A browser that has signed in before carries a signed mark and is counted by that mark alone:
nobody can lock an agent out of his own browser by guessing from elsewhere. Each process counts
for itself, in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from core.errors import SignedOut, TooMany

TRIES: Final = 20
ALL_TRIES: Final = 1000
WINDOW: Final = 15 * 60.0
_PRUNE_AT: Final = 4096
_EVERYBODY: Final = "all"


class Guess:
    """One try. It counts for the next 15 minutes if its block raises SignedOut, else not."""

    __slots__ = ("_at", "_books")

    def __init__(self, books: list[deque[float]], at: float) -> None:
        """Be written into each book at once: parallel tries are not free."""
        self._books = books
        self._at = at
        for book in books:
            book.append(at)

    def __enter__(self) -> None:
        """Try."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Take it back when the password was right, or when nobody looked at it."""
        if kind is not None and issubclass(kind, SignedOut):
            return
        for book in self._books:
            if self._at in book:
                book.remove(self._at)


class Guesses:
    """Sliding windows of 15 minutes: 20 tries an account, 20 a network, 1,000 in all."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a clock that never steps back, in seconds."""
        self._now = now
        self._books: dict[str, deque[float]] = {}

    def take(self, *, email: str, address: str, mark: str | None) -> Guess:
        """Count a try; `mark` is that of a known browser. Raises TooMany with the wait."""
        now = self._now()
        if mark is not None:
            names = [f"mark:{mark}"]
        else:
            account = hashlib.sha256(email.strip().lower().encode()).hexdigest()
            names = [_EVERYBODY, f"account:{account}", f"network:{network_of(address)}"]
        self._prune(now)
        books = [self._book(name, now) for name in names]
        waits = [
            book[0] + WINDOW - now
            for name, book in zip(names, books, strict=True)
            if len(book) >= (ALL_TRIES if name == _EVERYBODY else TRIES)
        ]
        if waits:
            raise TooMany("Too many tries. Wait a little.", retry_after=int(max(waits)) + 1)
        return Guess(books, now)

    def _book(self, name: str, now: float) -> deque[float]:
        book = self._books.setdefault(name, deque())
        while book and book[0] <= now - WINDOW:
            book.popleft()
        return book

    def _prune(self, now: float) -> None:
        if len(self._books) < _PRUNE_AT:
            return
        for name in list(self._books):
            if not self._book(name, now):
                del self._books[name]


def network_of(address: str) -> str:
    """Return the /24 of an IPv4 address, the /64 of an IPv6 one; anything else is its own."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    bits = 24 if ip.version == 4 else 64
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False))


class Marks:
    """Marks of known browsers: a nonce signed together with the e-mail it belongs to."""

    def __init__(self, keys: Iterable[str]) -> None:
        """The first key signs, all verify."""
        self._keys = tuple(keys)

    def make(self, email: str) -> str:
        """Return a new mark for a browser that has just signed in."""
        nonce = secrets.token_urlsafe(16)
        return f"{nonce}.{_signature(self._keys[0], nonce, email)}"

    def read(self, cookie: str | None, email: str) -> str | None:
        """Return the nonce of a mark that belongs to this e-mail, else None."""
        nonce, _, signature = (cookie or "").partition(".")
        if not nonce or not signature.isascii():
            return None
        known = [
            hmac.compare_digest(signature, _signature(key, nonce, email)) for key in self._keys
        ]
        return nonce if any(known) else None


def _signature(key: str, nonce: str, email: str) -> str:
    text = f"frontdesk known browser\0{nonce}\0{email.strip().lower()}"
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
