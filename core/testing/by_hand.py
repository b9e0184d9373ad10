"""Writes and reads through the store's port without a writer, one transaction a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.models.row import Key, Row
from core.ports.store import Store
from core.units import Event
from core.views import View, ViewValue

Change = tuple[Row | None, Row]


def write(store: Store, changes: Iterable[Change], events: Sequence[Event] = ()) -> None:
    """Write in a transaction of its own, as the writer would."""
    begun = store.begin(lane=1)
    try:
        store.write(list(changes), events, begun, begun.stamp + 1)
        store.commit()
    except BaseException:
        store.rollback()
        raise


def put(store: Store, rows: Iterable[Row]) -> None:
    """Insert or replace, whatever is there."""
    wanted = {type(row).key_of(row): row for row in rows}
    found = {type(row).key_of(row): row for row in load(store, wanted)}
    write(store, [(found.get(key), row) for key, row in wanted.items()])


def put_new(store: Store, row: Row) -> None:
    """Insert unless an earlier example did."""
    if not load(store, [type(row).key_of(row)]):
        write(store, [(None, row)])


def load(store: Store, keys: Iterable[Key | View]) -> Sequence[Row]:
    """Read rows in a transaction of its own."""
    store.begin(lane=1)
    try:
        return list(store.load(keys).rows)
    finally:
        store.rollback()


def views(store: Store, asked: Iterable[View]) -> dict[View, ViewValue]:
    """Read views in a transaction of their own."""
    store.begin(lane=1)
    try:
        return store.load(asked).views
    finally:
        store.rollback()
