"""What a batch knows: the rows and views it loaded, and what its units have made of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar, cast

from core.errors import NotLoaded
from core.ids import IdMaker
from core.models.row import Key, Row
from core.views import EMPTY, ROW_OF, Load, Members, Queue, View, ViewValue, touched

R = TypeVar("R", bound=Row)
_MISSING: Any = object()
CACHE_BOUND = 20_000


class World:
    """Rows and views of a batch under an overlay of the unit being decided.

    The base outlives a batch: as long as the feed's counter row says that nobody else has
    written since, what was read and what was written here is still true (docs/adr/0002).
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        """Start knowing nothing."""
        self.now: datetime
        self.rng = rng or random.Random()  # noqa: S311 - breaks ties, guards nothing
        self._base: dict[Key, Row | None] = {}
        self._views: dict[View, ViewValue] = {}
        self._was: dict[Key, Row | None] = {}
        self._over: dict[Key, Row] = {}
        self._over_views: dict[View, ViewValue] = {}
        self._changes: list[tuple[Row | None, Row]] | None = None
        self._ids = IdMaker()
        self._stamp = 0
        self._number = 0
        self._shared: list[Key] = []
        self._short: set[View] = set()

    # -- reading, for units and policies ------------------------------------------------------

    def get(self, kind: type[R], *key: str | int) -> R | None:
        """Return the row of this key, None when there is none; raise NotLoaded when unknown."""
        name = (kind, *key)
        row = self._over.get(name, _MISSING)
        if row is _MISSING:
            row = self._base.get(name, _MISSING)
            if row is _MISSING:
                raise NotLoaded(name)
        return cast("R | None", row)

    def need(self, kind: type[R], *key: str | int) -> R:
        """Return a row that must exist; KeyError means the store contradicts itself."""
        row = self.get(kind, *key)
        if row is None:
            raise KeyError(kind.__name__, *key)
        return row

    def members(self, view: View) -> tuple[str, ...]:
        """Return the ids of a complete view."""
        return cast("Members", self._view(view)).ids

    def queue(self, view: View) -> Queue:
        """Return the oldest of a queue; empty and not complete = look again in the next batch."""
        return cast("Queue", self._view(view))

    def load(self, view: View) -> Load:
        """Return how full an agent is."""
        return cast("Load", self._view(view))

    def want(self, keys: Iterable[Key | View]) -> None:
        """Raise NotLoaded for all of these that are unknown, so that they are loaded together."""
        missing = [key for key in keys if not self.is_known(key)]
        if missing:
            raise NotLoaded(*missing)

    def _view(self, view: View) -> ViewValue:
        value = self._over_views.get(view)
        if value is None:
            value = self._views.get(view)
            if value is None:
                raise NotLoaded(view)
        return value

    def new_id(self) -> str:
        """Make an id that sorts behind every id made before, in this process or another."""
        self._number += 1
        if self._number > 65_000:
            self._number = 0
            self._stamp += 1
        return self._ids.make(self._stamp, self._number)

    # -- one unit -----------------------------------------------------------------------------

    def put(self, rows: Iterable[Row]) -> None:
        """Lay rows over what is known and shift the loaded views."""
        self._changes = None
        for row in rows:
            key = type(row).key_of(row)
            before = self._over.get(key) or self._base.get(key)
            self._over[key] = row
            for view in touched(before, row):
                value = self._over_views.get(view) or self._views.get(view)
                if value is not None:
                    shifted = value.shift(view, before, row)
                    if shifted is not value:
                        self._over_views[view] = shifted

    def assume_empty(self, view: View) -> None:
        """Spare a load: a contact made just now can have no conversation."""
        if view not in self._views:
            self._over_views[view] = EMPTY[view.name]

    def changes(self) -> list[tuple[Row | None, Row]]:
        """List (before, after) of every row this unit and its policies put so far."""
        if self._changes is None:
            self._changes = [(self._base.get(key), row) for key, row in self._over.items()]
        return self._changes

    def keep(self) -> None:
        """Make the unit's rows part of the batch."""
        for key in self._over:
            if key not in self._was:
                self._was[key] = self._base.get(key)
        self._base.update(self._over)
        self._views.update(self._over_views)
        self.drop()

    def drop(self) -> None:
        """Forget the unit's rows."""
        self._changes = None
        self._over = {}
        self._over_views = {}

    # -- one batch, for the writer --------------------------------------------------------------

    def begin(self, now: datetime, stamp: int, *, fresh: bool) -> None:
        """Start a batch at the store's time; `fresh` = somebody else wrote, forget everything."""
        if fresh or len(self._base) > CACHE_BOUND:
            self.forget()
        for key in self._shared:
            self._base.pop(key, None)
        self._shared = []
        for view in [v for v in self._short if _is_used_up(self._views.get(v))]:
            del self._views[view]
            self._short.discard(view)
        self.now = now
        self._stamp = max(int(now.timestamp() * 1_000_000), stamp + 1)
        self._number = 0
        self._was = {}
        self.drop()

    @property
    def stamp(self) -> int:
        """The highest stamp given out; the counter row keeps it for the next batch."""
        return self._stamp

    def forget(self) -> None:
        """Forget everything: the store did not take the batch, or somebody else wrote."""
        self._short = set()
        self._base = {}
        self._views = {}
        self._was = {}
        self.drop()

    def written(self) -> list[tuple[Row | None, Row]]:
        """List (before, after) of every row the batch has to write."""
        out: list[tuple[Row | None, Row]] = []
        for key, before in self._was.items():
            row = self._base[key]
            if row is not None and row is not before:
                out.append((before, row))
        return out

    def is_known(self, key: Key | View) -> bool:
        """Say whether a key needs no loading."""
        if isinstance(key, View):
            return key in self._views or key in self._over_views
        return key in self._base or key in self._over

    def take(
        self, keys: Iterable[Key | View], rows: Iterable[Row], views: dict[View, ViewValue]
    ) -> None:
        """Take in what the store answered; what the batch has changed already stays changed."""
        for row in rows:
            self._base.setdefault(type(row).key_of(row), row)
        for key in keys:
            if not isinstance(key, View):
                self._base.setdefault(key, None)
                if key[0].second_lane:  # the other lane writes these without the counter row
                    self._shared.append(key)
        for view, value in views.items():
            mended = self._mended(view, value)
            self._views[view] = mended
            if isinstance(mended, Queue) and not mended.complete:
                self._short.add(view)

    def _mended(self, view: View, value: ViewValue) -> ViewValue:
        """Apply what the batch has changed to a view that was read without it."""
        for key, before in self._was.items():
            if key[0] is ROW_OF[view.name]:
                value = value.shift(view, before, self._base[key])
        return value


def _is_used_up(value: ViewValue | None) -> bool:
    """Say whether only the store knows who comes next in this queue."""
    return isinstance(value, Queue) and not value.complete and not value.items
