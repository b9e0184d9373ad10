"""Rows to tuples of plain values and back. Times are integer microseconds since 1970, UTC."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec

from core.models.row import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)
# Up to the year 2242 doubles lie closer than a microsecond; half the time of adding a timedelta.
_EXACT = 2**33 * 1_000_000
_encode_json = msgspec.json.Encoder().encode

ColumnKind = Literal["text", "int", "bool", "bytes", "time", "json"]


class Column(msgspec.Struct, frozen=True):
    """One column: its name, its kind, whether NULL is a value, and the Python type behind it."""

    name: str
    kind: ColumnKind
    nullable: bool
    python: Any


def to_micros(at: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (at - EPOCH) // _ONE


def from_micros(value: int) -> datetime:
    """Return the aware UTC time."""
    if 0 <= value < _EXACT:
        return datetime.fromtimestamp(value / 1_000_000, UTC)
    return EPOCH + timedelta(microseconds=value)


def columns_of(kind: type[Row]) -> tuple[Column, ...]:
    """Read the columns of a row class from its annotations."""
    hints = typing.get_type_hints(kind)
    return tuple(_column(name, hints[name]) for name in kind.__struct_fields__)


def _column(name: str, hint: Any) -> Column:
    nullable = False
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        args = [a for a in typing.get_args(hint) if a is not type(None)]
        nullable = len(args) < len(typing.get_args(hint))
        hint = args[0] if len(args) == 1 else hint
    return Column(name, _kind(hint), nullable, hint)


def _kind(hint: Any) -> ColumnKind:
    simple: dict[Any, ColumnKind] = {
        str: "text",
        int: "int",
        bool: "bool",
        bytes: "bytes",
        datetime: "time",
    }
    if typing.get_origin(hint) is Literal:
        return "text"
    return simple.get(hint, "json")


def _encoder(kind: ColumnKind) -> Callable[[Any], Any] | None:
    if kind == "time":
        return to_micros
    if kind == "json":
        return lambda value: _encode_json(value).decode()
    return None


def _decoder(column: Column) -> Callable[[Any], Any] | None:
    if column.kind == "time":
        return from_micros
    if column.kind == "bool":
        return bool
    if column.kind == "bytes":
        return bytes
    if column.kind == "json":
        return cast("Callable[[Any], Any]", msgspec.json.Decoder(column.python).decode)
    return None


class Reading:
    """Turns some columns of a row class into values by name."""

    def __init__(self, kind: type[Row], names: Sequence[str]) -> None:
        """Prepare the converters once; most columns need none."""
        columns = {column.name: column for column in columns_of(kind)}
        self.names = tuple(names)
        self._decoders = _indexed(_decoder(columns[name]) for name in self.names)

    def fields(self, found: Sequence[Any]) -> dict[str, Any]:
        """Return the values that were read."""
        values = list(found)
        for index, convert in self._decoders:
            value = values[index]
            if value is not None:
                values[index] = convert(value)
        return dict(zip(self.names, values, strict=True))


class Codec:
    """Turns rows of one class into tuples in column order, and back."""

    def __init__(self, kind: type[Row]) -> None:
        """Prepare the converters once; most columns need none."""
        self.kind = kind
        self.columns = columns_of(kind)
        self.names = tuple(column.name for column in self.columns)
        self._read = attrgetter(*self.names)
        self._encoders = _indexed(_encoder(c.kind) for c in self.columns)
        self._by_index = dict(self._encoders)
        self.key = tuple(self.names.index(name) for name in kind.pk)
        self._reading = Reading(kind, self.names)

    def encode(self, row: Row) -> tuple[Any, ...]:
        """Return the values to write."""
        values = list(self._read(row))
        for index, convert in self._encoders:
            if values[index] is not None:
                values[index] = convert(values[index])
        return tuple(values)

    def changed(self, before: Row, after: Row) -> tuple[int, ...]:
        """Return the indexes of the columns in which two rows of one key differ."""
        old, new = self._read(before), self._read(after)
        return tuple(
            [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a is not b and a != b]
        )

    def encode_some(self, row: Row, indexes: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the values of these columns, then those of the key."""
        values = self._read(row)
        return tuple([self._plain(i, values[i]) for i in (*indexes, *self.key)])

    def _plain(self, index: int, value: Any) -> Any:
        convert = self._by_index.get(index)
        return value if convert is None or value is None else convert(value)

    def decode(self, found: Sequence[Any]) -> Row:
        """Return the row that was read."""
        return self.kind(**self._reading.fields(found))


def _indexed(converters: Any) -> list[tuple[int, Callable[[Any], Any]]]:
    return [(index, convert) for index, convert in enumerate(converters) if convert is not None]
