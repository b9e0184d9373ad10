"""The writer's SQL, made once per table: load by keys, insert, upsert. Two dialects, one shape.

SQLite takes its keys as one JSON text and writes with executemany; PostgreSQL takes arrays, so a
table costs one statement whatever the batch holds (docs/adr/0003 has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from core.models.row import Row
from plugins.sql.schema import CODECS

_json = msgspec.json.Encoder().encode


class Words(Protocol):
    """What one dialect says, per table."""

    def load(self, kind: type[Row], *, lock: bool) -> str:
        """Return the SELECT of rows by their keys."""

    def insert(self, kind: type[Row]) -> str:
        """Return the INSERT of new rows; a key that exists is refused."""

    def update(self, kind: type[Row], indexes: tuple[int, ...]) -> str:
        """Return the UPDATE of some columns; its parameters end with the key."""

    def key_params(self, kind: type[Row], keys: Sequence[tuple[Any, ...]]) -> Any:
        """Return the parameters of `load`."""


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class SqliteWords:
    """JSON keys, executemany writes."""

    def load(self, kind: type[Row], *, lock: bool) -> str:  # noqa: ARG002 - one writer, nothing to lock
        """Walk the keys, look each one up by primary key."""
        names = ", ".join(f't."{name}"' for name in CODECS[kind].names)
        if len(kind.pk) == 1:
            on = f't."{kind.pk[0]}" = k.value'
        else:
            on = " AND ".join(f't."{name}" = k.value ->> {i}' for i, name in enumerate(kind.pk))
        return f'SELECT {names} FROM json_each(?) AS k CROSS JOIN "{kind.table}" AS t ON {on}'

    def insert(self, kind: type[Row]) -> str:
        """One row; run by executemany."""
        names = CODECS[kind].names
        marks = ", ".join("?" * len(names))
        return f'INSERT INTO "{kind.table}" ({_quoted(names)}) VALUES ({marks})'

    def update(self, kind: type[Row], indexes: tuple[int, ...]) -> str:
        """One row; run by executemany. Indexes on other columns are not touched."""
        names = CODECS[kind].names
        sets = ", ".join(f'"{names[i]}" = ?' for i in indexes)
        where = " AND ".join(f'"{name}" = ?' for name in kind.pk)
        return f'UPDATE "{kind.table}" SET {sets} WHERE {where}'

    def key_params(self, kind: type[Row], keys: Sequence[tuple[Any, ...]]) -> Any:
        """One JSON text."""
        plain = [key[0] for key in keys] if len(kind.pk) == 1 else keys
        return (_json(plain).decode(),)


_ARRAYS = {
    "text": "text[]",
    "json": "text[]",
    "int": "bigint[]",
    "time": "bigint[]",
    "bool": "boolean[]",
    "bytes": "bytea[]",
}


class PostgresWords:
    """Arrays in, arrays out: one statement a table."""

    def load(self, kind: type[Row], *, lock: bool) -> str:
        """Join the unnested keys; with `lock`, in key order so that two lanes cannot deadlock."""
        codec = CODECS[kind]
        names = ", ".join(f't."{name}"' for name in codec.names)
        kinds = {column.name: column.kind for column in codec.columns}
        arrays = ", ".join(f"%s::{_ARRAYS[kinds[name]]}" for name in kind.pk)
        on = " AND ".join(f't."{name}" = k."{name}"' for name in kind.pk)
        tail = (
            f" ORDER BY {', '.join(f't.{n}' for n in _each(kind.pk))} FOR UPDATE OF t"
            if lock
            else ""
        )
        keys = f"unnest({arrays}) AS k({_quoted(kind.pk)})"
        return f'SELECT {names} FROM {keys} JOIN "{kind.table}" AS t ON {on}{tail}'

    def insert(self, kind: type[Row]) -> str:
        """All rows of a table in one statement."""
        codec = CODECS[kind]
        arrays = ", ".join(f"%s::{_ARRAYS[column.kind]}" for column in codec.columns)
        return f'INSERT INTO "{kind.table}" ({_quoted(codec.names)}) SELECT * FROM unnest({arrays})'

    def update(self, kind: type[Row], indexes: tuple[int, ...]) -> str:
        """All rows that change the same columns in one statement."""
        codec = CODECS[kind]
        given = [codec.columns[i] for i in (*indexes, *codec.key)]
        arrays = ", ".join(f"%s::{_ARRAYS[column.kind]}" for column in given)
        sets = ", ".join(f'"{codec.names[i]}" = k.c{i}' for i in indexes)
        names = ", ".join(f"c{i}" for i in (*indexes, *codec.key))
        where = " AND ".join(f't."{codec.names[i]}" = k.c{i}' for i in codec.key)
        keys = f"unnest({arrays}) AS k({names})"
        return f'UPDATE "{kind.table}" AS t SET {sets} FROM {keys} WHERE {where}'

    def key_params(
        self,
        kind: type[Row],  # noqa: ARG002 - SQLite's words look at it
        keys: Sequence[tuple[Any, ...]],
    ) -> Any:
        """One array a key column."""
        return [list(column) for column in zip(*keys, strict=True)]


def _each(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]
