"""The process's clock. Tests move it by an offset; the store adds the same offset to its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

SLICE_SECONDS = 1.0


class SystemClock:
    """The real time plus an offset that only tests set."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        """Start with no offset."""
        self._offset = offset
        self._moved: set[asyncio.Event] = set()

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC) + self._offset

    @property
    def offset(self) -> timedelta:
        """How far this clock runs ahead."""
        return self._offset

    def advance(self, by: timedelta) -> None:
        """Jump ahead; everything that waits for a time looks again at once. Call on the loop."""
        self._offset += by
        for event in list(self._moved):
            event.set()

    async def wait_until(self, at: datetime, wake: asyncio.Event | None = None) -> None:
        """Return at a time, when the clock is moved past it, or when `wake` is set."""
        moved = wake or asyncio.Event()
        self._moved.add(moved)
        try:
            while (left := (at - self.now()).total_seconds()) > 0:
                try:
                    await asyncio.wait_for(moved.wait(), min(left, SLICE_SECONDS))
                except TimeoutError:
                    continue
                if wake is not None:
                    return
                moved.clear()
        finally:
            self._moved.discard(moved)
