"""Batches as core.writer makes them, in this thread: no queue, no loop, nothing but the work."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from typing_extensions import override

from bench.bodies import INBOX
from bench.ours import make_process
from core.batch import decide_batch
from core.inbound import Accept
from core.models.inbound import Incoming, Sender
from core.models.people import Agent
from core.models.row import Key, Row
from core.models.rows import Conversation
from core.units import Ask, Decision, Policy, Unit
from core.views import View, owned
from core.world import World
from handoff.policy import Leaving, Routing


def first_messages(count: int, number: int) -> list[Unit]:
    """Return one message from each of `count` customers nobody has seen; `number` differs."""
    return [
        Accept(
            inbox=INBOX,
            incoming=Incoming(
                source_id=f"wamid.{number}.{index}",
                sender=Sender(keys=(f"4915{number:06d}{index:03d}",), name="Customer"),
                text="Good morning, where is my order?",
            ),
        )
        for index in range(count)
    ]


class CloseOne(Ask, frozen=True, kw_only=True):
    """Resolve whatever this agent has, so that the next one takes its place."""

    agent: str

    @override
    def needs(self) -> tuple[Key | View, ...]:
        """What he has."""
        return (owned(self.agent),)

    def decide(self, world: World) -> Decision:
        """Archive it."""
        rows: list[Row] = []
        for one in world.members(owned(self.agent)):
            row = world.need(Conversation, one)
            rows.append(
                msgspec.structs.replace(
                    row, state="archived", closed_at=world.now, closed_as="auto"
                )
            )
        return Decision(rows=tuple(rows))


class Room(Ask, frozen=True, kw_only=True):
    """Give this agent room for so many conversations."""

    agent: str
    room: int

    @override
    def needs(self) -> tuple[Key | View, ...]:
        """His row."""
        return ((Agent, self.agent),)

    def decide(self, world: World) -> Decision:
        """Bound him."""
        agent = world.need(Agent, self.agent)
        bounds = {"acme": self.room}
        row = msgspec.structs.replace(agent, max_total=self.room, capacities=bounds)
        return Decision(rows=(row,))


class Batches:
    """Writes units to a store, each list in one transaction."""

    def __init__(self, config: Path, *, routes: bool) -> None:
        """Open the store of a configuration; `routes` = with the policies that route."""
        process = make_process(config)
        self._path = config.parent / "frontdesk.db"
        self._store = process.rooms.store(lane=1)
        self.policies: list[Policy] = [Leaving(), Routing()] if routes else []
        self._world = World()
        self._version = -1

    def write(self, units: Sequence[Unit]) -> None:
        """Decide, write, commit; what wants to go on goes on in the next batch."""
        while units:
            begun = self._store.begin(lane=1)
            fresh = begun.version != self._version
            self._world.begin(begun.now, begun.stamp, fresh=fresh)
            decided = decide_batch(self._world, self._store, units, self.policies, lambda: False)
            for outcome in decided.outcomes:
                if outcome.error is not None:
                    raise outcome.error
            rows = self._world.written()
            changed = bool(rows or decided.events)
            if changed:
                self._store.write(rows, decided.events, begun, self._world.stamp)
            self._store.commit()
            self._version = begun.version + changed
            units = decided.then

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database beside the store."""
        with sqlite3.connect(self._path) as link:
            return link.execute(sql).fetchall()

    def count(self, sql: str) -> int:
        """Ask for one number."""
        return int(self.rows(sql)[0][0])

    def close(self) -> None:
        """Close the store."""
        self._store.close()
