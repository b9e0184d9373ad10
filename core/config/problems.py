"""What is wrong with plugins.toml, said so that one can repair it: file, line, key, hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.config.lines import KeyPath, Lines, show
from core.errors import FrontdeskError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. `line` counts from 1; `key` is empty when it concerns the whole file.

    Neither `sentence` nor `hint` ever holds a value from the file, which may be a secret: only
    keys, and the names of inboxes, products, channels, plugins, variables and files.
    """

    file: str
    line: int
    key: str
    sentence: str
    hint: str

    @override
    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        end = "" if self.hint.endswith("?") else "."
        return f"{self.file}:{self.line}:{key} {self.sentence}. {self.hint}{end}"


class ConfigError(FrontdeskError):
    """plugins.toml cannot be used; `problems` (one or more) are sorted by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Findings:
    """Collects the problems and warnings of one reading, so that all are told at once."""

    def __init__(self, file: str, lines: Lines) -> None:
        self._file = file
        self._lines = lines
        self._problems: list[Problem] = []
        self.warnings: list[str] = []

    def add(self, path: KeyPath, sentence: str, hint: str) -> None:
        """Notes a mistake at `path`; a missing key is shown at the table that should hold it."""
        self._problems.append(
            Problem(
                file=self._file,
                line=self._lines.of(path),
                key=show(path),
                sentence=sentence,
                hint=hint,
            )
        )

    def warn(self, path: KeyPath, sentence: str) -> None:
        """Notes something that works but is worth a printed line."""
        text = f"{self._file}:{self._lines.of(path)}: {show(path)}: {sentence}."
        if text not in self.warnings:
            self.warnings.append(text)

    def count(self) -> int:
        """How many mistakes were noted so far."""
        return len(self._problems)

    def stop_if_any(self) -> None:
        """Raises ConfigError when at least one mistake was noted."""
        if self._problems:
            raise ConfigError(self._problems)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known word that `name` was probably meant to be."""
    near = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint that names the nearest known word, or else `otherwise`."""
    near = nearest(name, known)
    return otherwise if near is None else f'Did you mean "{near}"?'


def listed(names: Iterable[str]) -> str:
    """Names in one line, sorted: `a, b, c`, or `none`."""
    return ", ".join(sorted(names)) or "none"
