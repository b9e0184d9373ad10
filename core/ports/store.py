"""The one thing the writer knows of a database. Sync; used by one thread at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from core.models.row import Key, Row
from core.units import Event
from core.views import View, ViewValue


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch starts from: the store's clock and the counter row.

    `version` rises with every batch that wrote; `stamp` is the highest id stamp given out.
    """

    now: datetime
    seq: int
    version: int
    stamp: int


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The rows found for the keys asked, and the value of each view asked."""

    rows: Sequence[Row]
    views: dict[View, ViewValue]


class Store(Protocol):
    """Begin, load, write, commit. Raises StoreBusy, StoreRefused and, in commit, StoreLost."""

    def begin(self, *, lane: int) -> Begun:
        """Start a transaction; lane 1 takes the feed's counter row first, lane 2 never does."""

    def load(self, keys: Iterable[Key | View]) -> Loaded:
        """Load rows and views set-based. Lane 2 locks the rows it loads, making missing leases."""

    def write(
        self,
        rows: Sequence[tuple[Row | None, Row]],
        events: Sequence[Event],
        begun: Begun,
        stamp: int,
    ) -> None:
        """Write (before, after) rows, number the events from `begun.seq + 1`, move the counter."""

    def commit(self) -> None:
        """Make it durable. StoreLost when no answer came."""

    def rollback(self) -> None:
        """Leave nothing behind; never raises."""

    def close(self) -> None:
        """Give the connection back."""


class Clock(Protocol):
    """Where a process looks at the time outside the store; tests move it."""

    def now(self) -> datetime:
        """Return the aware UTC time."""

    @property
    def offset(self) -> timedelta:
        """How far this clock runs ahead of the real one; the store adds it to its own."""
