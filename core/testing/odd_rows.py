"""Rows of every kind with the texts that stores get wrong, for hypothesis."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from core.models import people, rows
from core.models.row import Row

ODD_TEXTS = (
    "",
    " ",
    "''",
    '"',
    "\\",
    "%s ? :name {0} $1 --",
    "'; DROP TABLE message; --",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1f9\U0001f1f7",
    "\u202e right to left \u202c and \u2066back\u2069",
    "\u0130stanbul \u0131I \u00e9 e\u0301",
    "\r\n\t\x1b\x7f",
    "\ufffe\uffff\U0010ffff",
    '{"json": [1, "\\u0000"]}',
    "NULL",
)
"""Texts as they may come after core.text.clean: no NUL, no lone surrogate."""

_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TEXTS = st.sampled_from(ODD_TEXTS) | _ANY_TEXT
_NAMES = st.text("abcdefghij0123456789:._-", min_size=1, max_size=30) | TEXTS
_INT64 = st.integers(-(2**63), 2**63 - 1)
_TIMES = st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_JSON = st.recursive(
    st.none() | st.booleans() | _INT64 | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: _INT64,
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=200),
    datetime: _TIMES,
    Any: _JSON,
}


def row_kinds() -> tuple[type[Row], ...]:
    """Return every kind of row there is."""

    def below(kind: type[Row]) -> Iterator[type[Row]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    return tuple(kind for kind in below(Row) if kind.__module__ in {people.__name__, rows.__name__})


def odd(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Make instances of a struct with values out of every corner of its types."""
    hints = typing.get_type_hints(kind)
    key = getattr(kind, "pk", ())
    fields = {
        name: _NAMES if name in key and hints[name] is str else _of(hints[name])
        for name in kind.__struct_fields__
    }
    return st.builds(kind, **fields)


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if hint is type(None):
        return st.none()
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return odd(hint)
    make = _GENERIC.get(typing.get_origin(hint))
    if make is None:
        raise TypeError(f"no odd values for {hint}")
    return make(typing.get_args(hint))


def _one_of(arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.one_of(*(_of(argument) for argument in arguments))


def _tuple(arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.lists(_of(arguments[0]), max_size=3).map(tuple)


def _dict(arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.dictionaries(TEXTS, _of(arguments[1]), max_size=3)


_GENERIC: dict[Any, Callable[[tuple[Any, ...]], st.SearchStrategy[Any]]] = {
    Literal: st.sampled_from,
    types.UnionType: _one_of,
    typing.Union: _one_of,
    tuple: _tuple,
    dict: _dict,
}
