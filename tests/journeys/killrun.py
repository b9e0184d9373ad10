"""The kill run: customers write, agents answer, and the servers are killed again and again.

The provider and its customers (sandbox), the agents' programs and the kills live in this process;
the servers are the real program, one process on SQLite or PostgreSQL, or two on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sandbox.customers import Mix, Parcel, make_customers, plan, write_items
from sandbox.faults import Fault
from sandbox.load import Load
from tests.journeys import final, observer
from tests.journeys.agents import AgentClient
from tests.journeys.evidence import Called, Evidence, Kill
from tests.journeys.place import APP_SECRET, INBOXES, NUMBERS
from tests.journeys.program import Program
from tests.journeys.ring import PostLog, RingSender
from tests.journeys.stage import Inconclusive, Stage

TALKERS = 36
RESERVED = 12
HELD_AT_ONCE = 3
HANDS = 3
IN_FLOW = 8
CHUNK = 120
OLD_AGAIN = 4
WITHIN = timedelta(seconds=90)
POINT_SECONDS = 45.0
LOOK_SECONDS = 0.2
RUN_SECONDS = timedelta(minutes=40)
QUICK, CALM = 0.02, 1.5
OUTSIDE = "outside"
HELD = "held"
AT_FULL_PACE = ("writer", "intake", OUTSIDE)


class KillRun:
    """One run, from hiring to the last answer."""

    def __init__(self, stage: Stage) -> None:
        """Start nothing yet."""
        self._wanted = wanted = stage.wanted
        self._graph = stage.graph
        self._ring = ring = stage.ring
        self._agents = stage.agents
        self._rng = Random(wanted.seed)
        self._customers = make_customers(TALKERS + RESERVED, self._rng)
        self._reserved = self._customers[TALKERS:]
        self._observer = observer.observe(wanted.database)
        self._stopping = False
        self._sender = RingSender(
            ring, f"/inboxes/{INBOXES[0]}/webhook", APP_SECRET, number=NUMBERS[0], rng=self._rng
        )
        self.evidence = Evidence()
        self._load = Load(self._sender, self._parcels(), within=RUN_SECONDS)
        self._log = self._load.log = PostLog(ring)
        for agent in stage.agents:
            agent.avoids = frozenset(one.name for one in self._reserved)

    async def run(self) -> Evidence:
        """Run to the end and give the evidence. Inconclusive, or Ended when a server gives up."""
        await asyncio.gather(*(program.start() for program in self._ring.programs))
        for agent in self._agents:
            await agent.ask("PUT", "/me/status", json={"status": "online"})
            await agent.begin()
        streams = [asyncio.create_task(agent.listen()) for agent in self._agents]
        work: list[asyncio.Task[Any]] = [
            asyncio.create_task(agent.write()) for agent in self._agents for _ in range(HANDS)
        ]
        work.append(asyncio.create_task(self._load.run()))
        try:
            await self._greet()
            for number, point in enumerate(self._wanted.points, 1):
                await self._stretch(number, point)
            await self._reach_floors()
            self._stopping = True
            for agent in self._agents:
                agent.is_stopping = True
            self._set_pace(0)
            await self._come_to_rest(work)
            await self._collect()
        finally:
            for task in (*work, *streams):
                task.cancel()
            await asyncio.gather(*work, *streams, return_exceptions=True)
            await self._sender.close()
        return self.evidence

    async def _come_to_rest(self, work: Sequence[asyncio.Task[Any]]) -> None:
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                await asyncio.gather(*work)
                await self._graph.settled()
        except TimeoutError:
            raise Inconclusive("customers, agents or provider never came to rest") from None

    async def _collect(self) -> None:
        await final.collect(self.evidence, self._agents, self._wanted.settle)
        self.evidence.posts = self._log.posts
        self.evidence.calls = [
            Called(ordinal=call.ordinal, to=call.to, text=call.text) for call in self._graph.calls
        ]

    # -- what customers write ----------------------------------------------------------------------

    def _parcels(self) -> Iterator[Parcel]:
        """Go on for ever, in chunks; some bodies of the chunk before come again after a while."""
        mix = Mix(duplicates=0.4, reordered=0.15)
        before: list[Parcel] = []
        while not self._stopping:
            items = write_items(
                NUMBERS, self._customers, CHUNK, self._rng, start_at=datetime.now(UTC)
            )
            for item in items:
                assert item.customer is not None
                self.evidence.writers[item.wamid] = item.customer.name
            parcels = plan(items, mix, self._rng)
            for parcel in self._rng.sample(before, min(OLD_AGAIN, len(before))):
                parcels.insert(self._rng.randrange(len(parcels)), parcel)
            before = parcels
            yield from parcels

    async def _greet(self) -> None:
        """Wait until every customer has written and somebody has his conversation."""
        names = {one.name for one in self._customers}

        def is_known() -> bool:
            first = self._agents[0]
            return names == {first.customers[one] for one, owner in first.owners.items() if owner}

        await self._until(is_known, "every customer has an agent")

    # -- kills ------------------------------------------------------------------------------------

    async def _stretch(self, number: int, point: str) -> None:
        """Let both floors be reached, then kill and start again."""
        accepted, replies = await self._reach_floors()
        try:
            victim = await self._victim(point)
            await self._set_scene(point)
            since = time.monotonic()
            held = await self._strike(point, victim)
            code = await victim.until_dead(within=POINT_SECONDS)
        except TimeoutError:
            raise Inconclusive(f"kill {number}, {point}: it could not be brought about") from None
        self._graph.release()
        self._graph.faults.clear()
        calls_open = await asyncio.to_thread(observer.calls_left_open, self._observer, victim.pid)
        self.evidence.kills.append(
            Kill(
                point=point,
                server=victim.url,
                code=code,
                posts_cut=self._sender.cut_since(victim.url, since),
                calls_held=held,
                calls_open=calls_open,
                accepted=len(self._log.acked) - accepted,
                replies=self._replies() - replies,
            )
        )
        self._graph.muted = frozenset()
        await victim.start()
        self._sender.nudge()
        self._graph.webhooks.nudge()

    async def _reach_floors(self) -> tuple[int, int]:
        """Let customers write and agents answer; return where both counts stood before."""
        accepted, replies = len(self._log.acked), self._replies()
        self._set_pace(QUICK)
        await self._flip()
        await self._until(
            lambda: len(self._log.acked) - accepted >= self._wanted.accepted,
            f"{self._wanted.accepted} messages accepted",
        )
        self._sender.pace = CALM
        await self._until(
            lambda: self._replies() - replies >= self._wanted.replies,
            f"{self._wanted.replies} replies accepted",
        )
        return accepted, replies

    async def _set_scene(self, point: str) -> None:
        """Let bodies be under way where they are to be cut off; spare the machine elsewhere."""
        if not point.startswith(AT_FULL_PACE):
            self._set_pace(CALM)
            return
        self._set_pace(QUICK)
        so_far = len(self._log.posts)
        await self._until(lambda: len(self._log.posts) >= so_far + IN_FLOW, "bodies flow again")

    async def _flip(self) -> None:
        """Let the second agent go and come back: what he had finds its place."""
        for status in ("offline", "online"):
            for agent in self._agents[1:]:
                await agent.ask("PUT", "/me/status", json={"status": status})

    async def _victim(self, point: str) -> Program:
        """Choose whom to kill: for calls the one that makes them, else the one struck least."""
        programs = self._ring.programs
        if len(programs) == 1 or point.startswith(AT_FULL_PACE):
            struck = Counter(kill.server for kill in self.evidence.kills)
            return min(programs, key=lambda program: struck[program.url])
        by_pid = {program.pid: program for program in programs}
        lease = f"send:{INBOXES[self._turn % len(INBOXES)]}"
        async with asyncio.timeout(POINT_SECONDS):
            while True:
                pid = await asyncio.to_thread(observer.holder_of, self._observer, lease)
                if pid in by_pid:
                    return by_pid[pid]
                await asyncio.sleep(LOOK_SECONDS)  # a store tells nobody when a lease moves

    async def _strike(self, point: str, victim: Program) -> int:
        """Bring the kill about; return how many calls the provider was working on."""
        if point == HELD:
            held = await self._hold_calls()
            await victim.kill()
            return held
        if point == OUTSIDE:
            held = len(self._graph.open)
            await victim.kill()
            return held
        (victim.flags / point).touch()
        return 0

    @property
    def _turn(self) -> int:
        """How often calls have been held before."""
        return sum(1 for kill in self.evidence.kills if kill.point == HELD)

    async def _hold_calls(self) -> int:
        """Have some answers sent, and let the provider be slow with just these.

        Every second time it never says what became of them, on one inbox as on the other.
        """
        chosen: list[tuple[AgentClient, str]] = []

        def is_chosen() -> bool:
            chosen[:] = self._owned(self._line())[:HELD_AT_ONCE]
            return len(chosen) == HELD_AT_ONCE

        await self._until(is_chosen, "agents have the customers whose calls shall hang")
        numbers = {one.name: one.wa_id for one in self._reserved}
        to = {numbers[agent.customers[one]] for agent, one in chosen}
        if (self._turn + self._turn // len(INBOXES)) % 2:
            self._graph.muted = frozenset(to)
        for one in to:
            self._graph.faults.add(Fault(mode="slow", to=one))
        await asyncio.gather(*(agent.say(one) for agent, one in chosen))
        await self._graph.until(
            lambda: to <= {call.to for call in self._graph.open.values()},
            within=timedelta(seconds=POINT_SECONDS),
        )
        return len(to)

    def _line(self) -> list[str]:
        """Name the reserved customers of the inbox whose turn it is, those first whose it is."""
        names = [one.name for one in self._reserved[self._turn % len(INBOXES) :: len(INBOXES)]]
        start = (self._turn // len(INBOXES) * HELD_AT_ONCE) % len(names)
        return names[start:] + names[:start]

    def _owned(self, names: Sequence[str]) -> list[tuple[AgentClient, str]]:
        """Return who has these customers' conversations now, in their order."""
        found = {
            agent.customers[one]: (agent, one)
            for agent in self._agents
            for one, owner in agent.owners.items()
            if owner == agent.hired.id
        }
        return [found[name] for name in names if name in found]

    # -- below ------------------------------------------------------------------------------------

    def _replies(self) -> int:
        return sum(agent.accepted for agent in self._agents)

    def _set_pace(self, seconds: float) -> None:
        self._sender.pace = seconds
        for agent in self._agents:
            agent.pace = max(seconds, QUICK)

    async def _until(self, happened: Callable[[], bool], what: str) -> None:
        try:
            await self._ring.changes.until(happened, WITHIN)
        except TimeoutError:
            said = "\n".join(program.said() for program in self._ring.programs)
            raise Inconclusive(f"not within {WITHIN}: {what}\n{said}") from None
