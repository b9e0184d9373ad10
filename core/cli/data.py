"""`frontdesk migrate`, `backup`, `why` and `replay`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import logs
from core.cli import say
from core.cli.store import ask
from core.config import load
from core.config.checks import import_plugins
from core.guard import alone_with, beside
from core.hooks import Hooks
from core.ops import Backup, Replay, Why
from core.stores import store_kind


def migrate(path: Path, *, quiet: bool = False) -> None:
    """Take the missing steps; on SQLite behind a copy, and only while nothing else runs.

    `quiet` = say nothing when there was nothing to do.
    """
    logs.set_up(level="warning")
    with say.starting():
        config = load(path)
        url = config.frontdesk.database.first
        kind = store_kind(Hooks(import_plugins(config)), url)
        if kind.is_current(url):
            if not quiet:
                say.line("The schema is up to date.")
            return
        copies: list[Path] = []

        def copy_first() -> None:
            if beside(config).alone:  # a dump of a large PostgreSQL is for its owner to decide
                copies.append(kind.backup(url, target_of(path)))

        with alone_with(config):
            steps = kind.migrate(url, before=copy_first)
    for copy in copies:
        say.line(f"Copied to {copy} first.")
    say.line(f"Steps taken: {', '.join(steps) or 'none'}.")


def backup(path: Path, to: Path | None) -> None:
    """Copy the database."""
    with say.starting():
        target = (to or target_of(path)).resolve()
        if target.exists():
            say.stop(f"{target} exists. Name another file.")
    made = Path(ask(path, Backup(to=str(target))))
    say.line(f"Wrote {made} ({made.stat().st_size} bytes).")
    say.line("Keep the secret key and the folder of files beside it: docs/operating.md.")


def target_of(path: Path) -> Path:
    """Name a copy by the time, in `backups` beside the database."""
    config = load(path)
    place = beside(config)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"frontdesk.{stamp}.{'db' if place.alone else 'dump'}"
    return place.lock.parent / "backups" / name


def why(path: Path, conversation: str, *, as_json: bool) -> None:
    """Print the decisions, oldest first."""
    found = ask(path, Why(conversation=conversation))
    if as_json:
        say.as_json(found)
        return
    if not found:
        say.line("Nobody has had it yet.")
    for one in found:
        say.line(f"{one['at']}  {one['how']}: {one['sentence']}")


def replay(path: Path, webhook: str, *, every: bool, as_json: bool) -> None:
    """Take bodies in again; ends with 1 when one of them is still not done."""
    if bool(webhook) == every:
        say.stop("Name one body, or --all.")
    found = ask(path, Replay(id=webhook), say.progress("Replayed"))
    if as_json:
        say.as_json(found)
    else:
        tell_replayed(found)
    if any(one["state"] != "done" for one in found):
        raise SystemExit(say.REFUSED)


def tell_replayed(found: list[dict[str, Any]]) -> None:
    """Print one line for each body that is not done, and the sum."""
    done = sum(one["state"] == "done" for one in found)
    for one in found:
        if one["state"] != "done":
            say.line(f"{one['id']}  {one['inbox']}  {one['state']}: {one['problem']}")
    say.line(f"{done} of {len(found)} are taken in." if found else "There is nothing to replay.")
