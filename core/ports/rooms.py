"""What a store plugin opens, and what everybody gets at boot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from core.ports.channel import Channel
from core.ports.reading import Conversations, Feed, Jobs, People
from core.ports.store import Clock, Store
from core.ports.workplace import Logins, Reception, Workplace

if TYPE_CHECKING:
    from core.clock import SystemClock
    from core.config import Config
    from core.feed import LiveFeed
    from core.metrics import Metrics
    from core.passwords import Passwords
    from core.units import Unit
    from core.writer import Writer


class Rooms(Protocol):
    """One open database: a store for each lane of the writer, and the readers."""

    conversations: Conversations
    feed: Feed
    jobs: Jobs
    people: People
    one_process: bool
    """True when a second process must be refused (SQLite)."""

    def store(self, *, lane: int) -> Store:
        """Return the writer's store for a lane; on SQLite both lanes share lane 1's."""

    def check(self) -> str | None:
        """Return why this database cannot be served (schema, durability), None when it can."""

    async def prune(self, now: datetime) -> int:
        """Delete one chunk of what is kept for a time only; return how many rows went."""

    async def close(self) -> None:
        """Close the readers."""


class StoreKind(Protocol):
    """A kind of store, chosen by the scheme of `database`."""

    schemes: frozenset[str]

    def open(self, url: str, *, clock: Clock, relaxed: bool) -> Rooms:
        """Open a database whose schema is there."""

    def migrate(self, url: str, *, before: Callable[[], None] = lambda: None) -> list[str]:
        """Bring the schema up to date; return the names of the steps taken."""

    def is_current(self, url: str) -> bool:
        """Say whether the schema is this release's."""

    def backup(self, url: str, target: Path) -> Path:
        """Make a hot copy; return the file."""


class Bus(Protocol):
    """Carries hints and typing between processes. The database is the truth; this may lose."""

    async def start(self, hear: Callable[[bytes], None]) -> None:
        """Begin to hear what others publish (at most 2 kB each)."""

    def publish(self, hint: bytes) -> None:
        """Tell the other processes; never blocks, never raises."""

    async def close(self) -> None:
        """Stop."""


class BusKind(Protocol):
    """A kind of bus, chosen by `bus` in plugins.toml."""

    name: str

    def open(self, url: str) -> Bus:
        """Make the bus for this database."""


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """What the plugin that routes hands over.

    `timers` makes the unit of a timer kind from its subject; `sweeps` are looked after by one
    process of the fleet every few seconds.
    """

    workplace: Workplace
    reception: Reception
    timers: Mapping[str, Callable[[str], Unit]] = {}
    sweeps: tuple[Callable[[], Awaitable[None]], ...] = ()


class Services(msgspec.Struct, kw_only=True):
    """What the plugins of a running process may use. Desks use the ports only."""

    config: Config
    clock: SystemClock
    process: str
    channels: Mapping[str, Channel]
    writer: Writer
    lane2: Writer
    rooms: Rooms
    live: LiveFeed
    workplace: Workplace
    logins: Logins
    reception: Reception
    metrics: Metrics
    passwords: Passwords
    tell: Callable[[bytes], None]
    """Publish a hint on the bus; typing goes this way."""
    tasks: list[Callable[[], Awaitable[None]]] = []
    """Long-running coroutines started with the process and cancelled at its end."""
