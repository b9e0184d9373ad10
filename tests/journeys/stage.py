"""What a kill run is played on: servers, a provider, agents, and their config."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
from typing_extensions import override

from sandbox.graph import Call, Graph, Line
from sandbox.payloads import StatusName
from sandbox.server import serve
from sandbox.webhooks import Webhook
from tests.journeys.agents import AgentClient
from tests.journeys.place import (
    ACCESS_TOKEN,
    APP_SECRET,
    INBOXES,
    NUMBERS,
    free_port,
    hire,
    write_config,
)
from tests.journeys.program import Program
from tests.journeys.ring import Ring

AGENTS = ("Deniz", "Elif")


class Inconclusive(Exception):
    """The run did not come as far as to prove anything."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run to make. `points` are the kills in order: a failpoint, `held` or `outside`.

    `held` strikes while the provider works on some calls; every second time it never reports them.
    `settle` bounds, in seconds, how long replies may take to come to their end afterwards.
    """

    database: str
    folder: Path
    points: Sequence[str]
    servers: int = 1
    fault: str | None = None
    accepted: int = 200
    replies: int = 20
    settle: float = 60.0
    seed: int = 1


class MuteGraph(Graph):
    """A provider that keeps silent about what became of messages to some customers."""

    muted: frozenset[str] = frozenset()

    @override
    def report(self, call: Call, statuses: Sequence[StatusName] | None = None) -> None:
        if call.to not in self.muted:
            super().report(call, statuses)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run needs; the servers are not started yet."""

    wanted: Wanted
    graph: MuteGraph
    ring: Ring
    agents: tuple[AgentClient, ...]


@asynccontextmanager
async def set_stage(wanted: Wanted) -> AsyncIterator[Stage]:
    """Make everything a run needs; afterwards nothing of it is left running."""
    ports = [free_port() for _ in range(wanted.servers)]
    lines = [
        Line(
            number=number,
            title=name,
            access_token=ACCESS_TOKEN,
            webhook=Webhook(
                url=f"http://127.0.0.1:{ports[place % len(ports)]}/inboxes/{name}/webhook",
                app_secret=APP_SECRET,
            ),
        )
        for place, (name, number) in enumerate(zip(INBOXES, NUMBERS, strict=True))
    ]
    graph = MuteGraph(lines, rng=Random(wanted.seed))
    async with serve(graph.asgi()) as address:
        config = write_config(wanted.folder, port=ports[0], database=wanted.database, graph=address)
        hired = await hire(config, AGENTS)
        programs = [
            Program(config, port=port, folder=wanted.folder, fault=wanted.fault, name=f"web{place}")
            for place, port in enumerate(ports)
        ]
        ring = Ring(programs)
        agents = tuple(
            AgentClient(one, ring, place % len(programs), Random(place))
            for place, one in enumerate(hired)
        )
        try:
            yield Stage(wanted=wanted, graph=graph, ring=ring, agents=agents)
        finally:
            await asyncio.gather(*(program.kill() for program in programs))
            await asyncio.gather(*(agent.close() for agent in agents))
            await graph.close()
