"""The writer's store on SQLite and PostgreSQL: one connection, one transaction at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import StoreBusy, StoreLost
from core.models.people import Lease
from core.models.row import Key, Row
from core.models.rows import Conversation
from core.ports.store import Begun, Clock, Loaded
from core.units import Event
from core.views import View
from plugins.sql.codec import from_micros, to_micros
from plugins.sql.faults import DRIVER, translate
from plugins.sql.schema import CODECS
from plugins.sql.statements import PostgresWords, SqliteWords, Words
from plugins.sql.views import load_views

_COUNTER = "SELECT seq, version, stamp FROM counter WHERE id = 1"
# The clock is read after the lock is held: a projection beside FOR UPDATE would be read before.
_LOCKED_COUNTER = (
    "WITH held AS MATERIALIZED (SELECT seq, version, stamp FROM counter WHERE id = 1 FOR UPDATE) "
    "SELECT seq, version, stamp, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint "
    "FROM held"
)
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_MOVE = "UPDATE counter SET seq = {0}, version = version + 1, stamp = {0} WHERE id = 1"
_EVENT_COLUMNS = "seq, at, type, audience, conversation, message, address, position, inbox, subject"
_EVENT_ARRAYS = ["bigint", "bigint", *["text"] * 5, "bigint", "text", "text"]
_SQLITE_EVENTS = f"INSERT INTO event ({_EVENT_COLUMNS}) VALUES ({', '.join('?' * 10)})"
_POSTGRES_EVENTS = (
    f"INSERT INTO event ({_EVENT_COLUMNS}) SELECT * FROM unnest("
    + ", ".join(f"%s::{kind}[]" for kind in _EVENT_ARRAYS)
    + ")"
)
_MISSING_LEASES = (
    "INSERT INTO lease (name, holder, until, epoch) SELECT name, '', 0, 0 "
    "FROM unnest(%s::text[]) AS k(name) ORDER BY name ON CONFLICT DO NOTHING"
)


class SqlStore:
    """Implements core.ports.store.Store. `clock` only lends its offset: the time is the store's."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        """Connect at the first batch, again after a connection was lost."""
        self._engine = engine
        self._clock = clock
        self._dialect = engine.dialect.name
        self._is_sqlite = self._dialect == "sqlite"
        self._words: Words = SqliteWords() if self._is_sqlite else PostgresWords()
        self._sql: dict[tuple[type[Row], str | tuple[int, ...] | None], str] = {}
        self._connection: sa.Connection | None = None
        self._cursor: Any = None
        self._lane = 1

    def begin(self, *, lane: int) -> Begun:
        """Start a transaction; on lane 1 nobody else's batch can be open beside it."""
        self._lane = lane
        try:
            cursor = self._connected()
            cursor.execute("BEGIN IMMEDIATE" if self._is_sqlite else "BEGIN")
            if self._is_sqlite:
                seq, version, stamp = cursor.execute(_COUNTER).fetchone()
                micros = time.time_ns() // 1000
            elif lane == 1:
                seq, version, stamp, micros = cursor.execute(_LOCKED_COUNTER).fetchone()
            else:
                (micros,) = cursor.execute(_CLOCK).fetchone()
                seq = version = stamp = 0
        except DRIVER as error:
            # Nothing of the batch has been looked at yet: whatever it is, no unit is to blame.
            raise StoreBusy(str(error).strip()) from error
        now = from_micros(micros) + self._clock.offset
        return Begun(now=now, seq=seq, version=version, stamp=stamp)

    def load(self, keys: Iterable[Key | View]) -> Loaded:
        """Load rows by key, one statement a table, and the views asked for."""
        by_kind: dict[type[Row], list[tuple[Any, ...]]] = {}
        views: list[View] = []
        for key in keys:
            if isinstance(key, View):
                views.append(key)
            else:
                by_kind.setdefault(key[0], []).append(key[1:])
        try:
            # One order for everybody: lane 2 locks what it loads.
            kinds = sorted(by_kind, key=lambda kind: kind.table) if self._lane == 2 else by_kind
            rows = [row for kind in kinds for row in self._load_rows(kind, by_kind[kind])]
            more, values = load_views(self._dialect, self._run, views) if views else ([], {})
        except DRIVER as error:
            raise translate(error) from error
        return Loaded(rows=rows + more, views=values)

    def _load_rows(self, kind: type[Row], names: list[tuple[Any, ...]]) -> Iterable[Row]:
        lock = self._lane == 2 and not self._is_sqlite
        if lock and kind is Lease:
            self._cursor.execute(_MISSING_LEASES, ([name for (name,) in names],))
        params = self._words.key_params(kind, names)
        return map(
            CODECS[kind].decode, self._run(self._text(kind, "lock" if lock else "load"), params)
        )

    def write(
        self,
        rows: Sequence[tuple[Row | None, Row]],
        events: Sequence[Event],
        begun: Begun,
        stamp: int,
    ) -> None:
        """Write changed rows, then new ones with INSERT, so that a key that exists is refused."""
        try:
            for kind, indexes, values in _grouped(rows):
                self._many(self._text(kind, indexes), values)
                if self._cursor.rowcount != len(values):
                    # A row that was known is gone. Forgetting what is known mends that.
                    raise StoreBusy(f"{len(values)} rows of {kind.table} were not all there")
            if events:
                numbered = _numbered(events, begun)
                self._many(_SQLITE_EVENTS if self._is_sqlite else _POSTGRES_EVENTS, numbered)
            if self._lane == 1:
                mark = "?" if self._is_sqlite else "%s"
                self._cursor.execute(_MOVE.format(mark), (begun.seq + len(events), stamp))
        except DRIVER as error:
            raise translate(error) from error

    def commit(self) -> None:
        """Commit; any error here means that nobody knows."""
        try:
            self._cursor.execute("COMMIT")
            # PostgreSQL answers ROLLBACK, and no error, when the transaction was broken before.
            if not self._is_sqlite and self._cursor.statusmessage != "COMMIT":
                raise StoreLost(f"COMMIT was answered {self._cursor.statusmessage}")
        except DRIVER as error:
            raise StoreLost(str(error).strip()) from error

    def rollback(self) -> None:
        """Undo; a connection that cannot even do that is thrown away."""
        if self._cursor is None:
            return
        try:
            if not self._is_sqlite or self._cursor.connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except DRIVER:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next batch makes a new one."""
        with suppress(Exception):
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
        self._connection = self._cursor = None

    def _connected(self) -> Any:
        if self._cursor is None:
            try:
                self._connection = self._engine.connect()
            except sa.exc.DBAPIError as error:
                raise StoreBusy(str(error.orig).strip()) from error
            driver: Any = self._connection.connection.driver_connection
            self._cursor = driver.cursor()
        return self._cursor

    def _run(self, sql: str, params: Any) -> Sequence[Sequence[Any]]:
        found: Sequence[Sequence[Any]] = self._cursor.execute(sql, params).fetchall()
        return found

    def _many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        if self._is_sqlite:
            self._cursor.executemany(sql, values)
        else:
            self._cursor.execute(sql, [list(column) for column in zip(*values, strict=True)])

    def _text(self, kind: type[Row], verb: str | tuple[int, ...] | None) -> str:
        text = self._sql.get((kind, verb))
        if text is None:
            if isinstance(verb, str):
                text = self._words.load(kind, lock=verb == "lock")
            elif verb is None:
                text = self._words.insert(kind)
            else:
                text = self._words.update(kind, verb)
            self._sql[kind, verb] = text
        return text


_Group = tuple[type[Row], tuple[int, ...] | None, list[tuple[Any, ...]]]


def _grouped(rows: Sequence[tuple[Row | None, Row]]) -> list[_Group]:
    """Return the values to write by statement: what changes, in which columns, then what is new.

    Only changed columns are written, so that indexes on the others are left alone. A conversation
    that closes comes before one that opens, or the one open conversation of a contact would for
    a moment be two.
    """
    changed: dict[tuple[bool, type[Row], tuple[int, ...]], list[tuple[Any, ...]]] = {}
    new: dict[type[Row], list[tuple[Any, ...]]] = {}
    for before, row in rows:
        kind = type(row)
        codec = CODECS[kind]
        if before is None or kind.insert_only:
            new.setdefault(kind, []).append(codec.encode(row))
            continue
        indexes = codec.changed(before, row)
        if indexes:
            opens = isinstance(row, Conversation) and row.is_open
            changed.setdefault((opens, kind, indexes), []).append(codec.encode_some(row, indexes))
    in_order = sorted(changed.items(), key=lambda item: item[0][0])
    return [(kind, indexes, values) for (_, kind, indexes), values in in_order] + [
        (kind, None, values) for kind, values in new.items()
    ]


def _numbered(events: Sequence[Event], begun: Begun) -> list[tuple[Any, ...]]:
    at = to_micros(begun.now)
    return [
        (
            begun.seq + n,
            at,
            e.type,
            e.audience,
            e.conversation,
            e.message,
            e.address,
            e.position,
            e.inbox,
            e.subject,
        )
        for n, e in enumerate(events, start=1)
    ]


def store_now(connection: sa.Connection, offset: timedelta) -> Any:
    """Return the store's time on a reader's connection."""
    if connection.dialect.name == "sqlite":
        return from_micros(time.time_ns() // 1000) + offset
    return from_micros(connection.exec_driver_sql(_CLOCK).scalar_one()) + offset
