"""What commands print, and how they end.

0 = done. 1 = refused, with one sentence. 2 = it cannot start: the file, the port, the store.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from core.errors import FrontdeskError, Refused
from core.redactor import without_secrets

COMMAND = ".venv/bin/frontdesk"
CANNOT_START = 2
REFUSED = 1


def line(text: str = "") -> None:
    """Print a line."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line that must not end up in a pipe."""
    typer.echo(text, err=True)


def stop(text: str, code: int = REFUSED) -> NoReturn:
    """Print why, and end."""
    warn(without_secrets(text))
    raise typer.Exit(code)


@contextmanager
def starting() -> Iterator[None]:
    """Everything that goes wrong inside ends with 2 and says what to mend; no traceback."""
    try:
        yield
    except Refused:
        raise
    except FrontdeskError as error:
        stop(str(error) or type(error).__name__, CANNOT_START)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        stop(f"{error.strerror or error}{where}.", CANNOT_START)


@contextmanager
def starting_unless(allowed: type[FrontdeskError]) -> Iterator[None]:
    """As `starting`, but let one kind through."""
    try:
        yield
    except allowed:
        raise
    except (FrontdeskError, OSError) as error:
        with starting():
            raise error from None


@contextmanager
def refusing() -> Iterator[None]:
    """What the store or the desk refuses ends with 1 and one sentence."""
    try:
        yield
    except FrontdeskError as error:
        stop(getattr(error, "message", "") or str(error))


def as_json(what: object) -> None:
    """Print for programs."""
    line(json.dumps(what, indent=2, ensure_ascii=False, default=str))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the last one as wide as it likes."""
    widths = [max(len(row[n]) for row in (heads, *rows)) for n in range(len(heads))]
    widths[-1] = 0
    for row in (heads, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line("  ".join(cells).rstrip())


def progress(words: str) -> Callable[[dict[str, Any]], None]:
    """Return what shows how far a long command has come: on a terminal only."""

    def tell(what: dict[str, Any]) -> None:
        if "refused" in what:
            warn(f"{what.get('id', '')}: {what['refused']}")
        elif sys.stderr.isatty():
            end = "\n" if what["done"] == what["of"] else ""
            typer.echo(f"\r{words}: {what['done']} of {what['of']}{end}", err=True, nl=False)

    return tell
