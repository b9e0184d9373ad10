"""Frontdesk whose writer keeps everything in memory: what durability costs is the difference.

Verifying, parsing, deciding and routing are ours as they ship; only the Store forgets to write.
Nobody may watch: the feed's reader looks into a database where nothing happens.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from bench.ours import make_process
from core import serving, world
from core.models.row import Key, Row
from core.ports.store import Begun, Loaded, Store
from core.process import Process
from core.units import Event
from core.views import View
from core.writer import Writer


class NoStore(Store):
    """Reads what was seeded, then believes the writer's world, which never forgets here."""

    def __init__(self, seeded: Store) -> None:
        """`seeded` holds the agents and the inbox."""
        self._seeded = seeded
        self._seq = 0
        self._version = 0
        self._stamp = 0

    @override
    def begin(self, *, lane: int) -> Begun:
        return Begun(now=datetime.now(UTC), seq=self._seq, version=self._version, stamp=self._stamp)

    @override
    def load(self, keys: Iterable[Key | View]) -> Loaded:
        """Ask the database for people; anything about customers is not there yet."""
        asked = [key for key in keys if _is_seeded(key)]
        if not asked:
            return Loaded(rows=(), views={})
        self._seeded.begin(lane=1)
        loaded = self._seeded.load(asked)
        self._seeded.rollback()
        return loaded

    @override
    def write(
        self,
        rows: Sequence[tuple[Row | None, Row]],
        events: Sequence[Event],
        begun: Begun,
        stamp: int,
    ) -> None:
        self._seq = begun.seq + len(events)
        self._version = begun.version + 1
        self._stamp = stamp

    @override
    def commit(self) -> None:
        pass

    @override
    def rollback(self) -> None:
        pass

    @override
    def close(self) -> None:
        self._seeded.close()


def _is_seeded(key: Key | View) -> bool:
    if isinstance(key, View):
        return True
    return key[0].__name__ in {"Agent", "Product", "Inbox", "Topic", "Lease"}


class Forgetful(Process):
    """The process with that store."""

    @override
    def _make_writers(self) -> tuple[Writer, Writer]:
        world.CACHE_BOUND = 1 << 40
        store = NoStore(self.rooms.store(lane=1))
        writer = Writer(store, policies=self.hooks.policies(), on_commit=self._committed)
        return writer, writer


def serve(config: Path, listener: socket.socket) -> None:
    """Serve until SIGTERM."""
    process = make_process(config, Forgetful)
    serving.run(serving.make_server(process), listener)
