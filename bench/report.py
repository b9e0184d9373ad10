"""What a run says: one line for each target, as a table and as JSON."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

RESULTS = Path(__file__).parent / "results"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `measured` against `limit`; without a limit it is shown for orientation.

    `least` = the limit is a lower bound. `invalid` says why the run does not count.
    """

    id: str
    what: str
    measured: float
    limit: float | None = None
    least: bool = False
    absolute: str = ""
    spread: str = ""
    invalid: str = ""

    @property
    def target(self) -> str:
        """The limit in words."""
        if self.limit is None:
            return "-"
        return f"{'>=' if self.least else '<='} {self.limit:g}x"

    @property
    def verdict(self) -> str:
        """Whether the target was met."""
        if self.invalid:
            return "INVALID"
        if self.limit is None:
            return "-"
        met = self.measured >= self.limit if self.least else self.measured <= self.limit
        return "ok" if met else "MISSED"


_HEAD = ("id", "what", "target", "measured", "", "absolute", "rounds")


def table(lines: Iterable[Line]) -> str:
    """Return a Markdown table."""
    rows = [_HEAD, tuple("---" for _ in _HEAD)]
    for line in lines:
        shown = f"{line.measured:.2f}x"
        verdict = f"{line.verdict}: {line.invalid}" if line.invalid else line.verdict
        rows.append((line.id, line.what, line.target, shown, verdict, line.absolute, line.spread))
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    cells = [
        [
            cell.ljust(width, "-" if cell == "---" else " ")
            for cell, width in zip(row, widths, strict=True)
        ]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def save(name: str, lines: Iterable[Line], *, seconds: float) -> Path:
    """Write one result; it names versions and processors, never the machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "at": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(seconds),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": _cores(),
        "lines": [
            {**msgspec.to_builtins(line), "target": line.target, "verdict": line.verdict}
            for line in lines
        ],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    return path


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))
