"""Finds the line of every key in a TOML document.

`tomllib` says what a document holds, not where. A mistake in plugins.toml is only useful with
its line, so this scan walks a document that `tomllib` has already accepted (it trusts the
grammar and never judges it) and notes the line of each table, key and array element.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("desks", "slack", "rooms", 0, "product")`."""

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


class Lines:
    """The line of each key path of one document; an unknown path answers for its parent."""

    __slots__ = ("_at",)

    def __init__(self, at: Mapping[KeyPath, int]) -> None:
        self._at = at

    def of(self, path: KeyPath) -> int:
        """The line (from 1) of `path`, or of the nearest table around it; 1 when none is known."""
        for end in range(len(path), 0, -1):
            line = self._at.get(path[:end])
            if line is not None:
                return line
        return 1

    def paths(self) -> frozenset[KeyPath]:
        """Every path that has a line of its own."""
        return frozenset(self._at)


def locate(text: str) -> Lines:
    """Reads the lines of a document that `tomllib.loads` accepts; anything else is undefined."""
    return Lines(_Scan(text).run())


def show(path: KeyPath) -> str:
    """A path as one would write it: `desks.slack.rooms[0].product`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
            continue
        name = part if _BARE_KEY.fullmatch(part) else '"' + part.replace('"', '\\"') + '"'
        shown += f".{name}" if shown else name
    return shown


class _Scan:
    """One pass over the text; `_pos` is the next character, `_line` its line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0
        self._line = 1
        self._at: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._pos < len(self._text):
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)
        return self._at

    def _header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._pos)
        line = self._line
        self._pos += 2 if is_array else 1
        parts = self._dotted()
        self._pos += 2 if is_array else 1
        parent = self._note((), parts[:-1], line)
        path = (*parent, parts[-1])
        self._at.setdefault(path, line)
        if is_array:
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = (*path, index)
            self._at[path] = line
            return path
        return self._newest(path)

    def _pair(self, table: KeyPath) -> None:
        line = self._line
        parts = self._dotted()
        self._pos += 1  # the equals sign
        path = self._note(table, parts, line)
        self._skip(_BLANK)
        self._value(path)

    def _note(self, start: KeyPath, parts: list[str], line: int) -> KeyPath:
        """Walks down from `start`, entering the newest element of each array of tables."""
        path = start
        for part in parts:
            path = self._newest((*path, part))
            self._at.setdefault(path, line)
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _dotted(self) -> list[str]:
        parts = []
        while True:
            self._skip(_BLANK)
            parts.append(self._key())
            self._skip(_BLANK)
            if self._peek() != ".":
                return parts
            self._pos += 1

    def _key(self) -> str:
        if self._peek() in "\"'":
            return str(tomllib.loads("k = " + self._skip(_STRING))["k"])
        return self._skip(_BARE_KEY)

    def _value(self, path: KeyPath) -> None:
        match self._peek():
            case "[":
                self._array(path)
            case "{":
                self._inline(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._pos += 1
        index = 0
        self._skip(_GAP)
        while self._peek() != "]":
            self._at[(*path, index)] = self._line
            self._value((*path, index))
            index += 1
            self._skip(_GAP)
            self._comma()
        self._pos += 1

    def _inline(self, path: KeyPath) -> None:
        self._pos += 1
        self._skip(_GAP)
        while self._peek() != "}":
            self._pair(path)
            self._skip(_GAP)
            self._comma()
        self._pos += 1

    def _comma(self) -> None:
        if self._peek() == ",":
            self._pos += 1
            self._skip(_GAP)

    def _peek(self) -> str:
        return self._text[self._pos : self._pos + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._pos)
        if found is None or (not found.group() and pattern not in {_BLANK, _GAP}):
            message = f"line {self._line} is not TOML"  # tomllib accepts first, so never in use
            raise ValueError(message)
        self._pos = found.end()
        self._line += found.group().count("\n")
        return found.group()
