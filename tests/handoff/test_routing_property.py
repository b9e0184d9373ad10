"""Whatever happens on a desk, in whatever order: nobody waits for nothing, nobody gets too much.

A seeded random walk over real units, writers and policies; after each step the tables are judged
by an oracle that shares no code with the policies (tests.handoff.floor). Then the policies are
broken on purpose, one fault at a time, and each fault must be seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any, cast

import msgspec
import pytest

import core.views
from core.errors import Faulty, Refused
from core.models.people import Agent, Product
from core.models.row import Row
from core.models.rows import Conversation
from core.units import NOTHING, Ask, Decision
from core.views import Load
from core.world import World
from core.writer import Writer
from handoff import moves, policy, routing, unanswered
from handoff.plugin import register_policies
from tests.handoff import floor
from tests.handoff.floor import Tables
from tests.handoff.walk import (
    ACTIONS,
    BURST,
    JUMP,
    WEIGHTS,
    Impasse,
    Walk,
    believed_wrongs,
    burst,
    due,
    jump,
    look_in,
    open_desk,
)

replace = msgspec.structs.replace
EACH = 200
QUEUED_SHARE = 0.30
ROUTED = 500
MOST_STEPS = 15_000
MUTANT_STEPS = 4_000
SEED = int(os.environ.get("WALK_SEED", "7"))


class Look(Ask, frozen=True):
    """Do nothing, behind everything that is queued."""

    def decide(self, world: World) -> Decision:  # noqa: ARG002 - a unit decides a world
        """Nothing."""
        return NOTHING


class Judge:
    """Takes the steps of a walk and collects what is wrong with them."""

    def __init__(self, walk: Walk) -> None:
        """Look at the desk as it stands."""
        self.walk = walk
        self.desk = walk.desk
        self.tables = self.desk.eyes.tables()
        self.epochs: dict[str, int] = {}
        self.gone_at: dict[str, datetime] = {}
        self.steps = 0
        self.queued = 0
        self.routed = 0
        self.wrongs: list[str] = []

    async def step(self, name: str) -> None:
        """Do one thing and judge what came of it."""
        writer = self.walk.pick(self.desk.writers)
        if name == JUMP:
            await self._jump(writer)
        elif name == BURST:
            await self._burst(writer)
        else:
            with suppress(Impasse):
                await self._do(writer, name, await self.walk.next(name, self.tables))

    async def _jump(self, writer: Writer) -> None:
        units = await jump(self.walk)
        while units:
            for unit in units:
                await self._do(writer, JUMP, unit)
            units = await due(self.desk)
        self.walk.done[JUMP] += 1
        self._note(JUMP, floor.late_wrongs(self.tables, self.desk.clock.now(), self.gone_at))

    async def _burst(self, writer: Writer) -> None:
        """Several units in one batch: only where it ends can be judged, not the way there."""
        outcomes = await writer.ask_all(await burst(self.walk, self.tables), urgent=True)
        for outcome in outcomes:
            if outcome.error is not None and not isinstance(outcome.error, Refused):
                self._note(BURST, [repr(outcome.error)])
        self.walk.done[BURST] += 1
        before = await self._look(writer)
        self._judge_state(BURST, before)

    async def _do(self, writer: Writer, name: str, unit: Any) -> None:
        version = self.tables.version
        try:
            await writer.ask(unit, urgent=self.walk.rng.random() < 0.5)
        except Refused as refusal:
            self.walk.refused[f"{name}: {refusal.code}"] += 1
        except Faulty as fault:
            self._note(name, [f"faulty: {fault}"])
        before = await self._look(writer)
        if self.tables.version == version:
            return
        self.walk.done[name] += name != JUMP
        after = self.tables
        moved = [
            row.id for row in after.conversations.values() if row.epoch != self.epochs.get(row.id)
        ]
        lines = self.desk.eyes.assignments(self.epochs, moved)
        self.routed += sum(line.how == "routed" for line in lines)
        self._note(name, floor.given_wrongs(before, after, lines))
        self._judge_state(name, before)
        if self.walk.rng.random() < 0.2:
            answer = await writer.ask(look_in(self.desk, after))
            self._note(name, believed_wrongs(after, answer))

    async def _look(self, writer: Writer) -> Tables:
        """Look at the tables after a step; return those before it."""
        before, self.tables = self.tables, await self._settle(writer)
        self.steps += 1
        self.queued += bool(self.tables.waiting)
        self._watch_presence(self.tables)
        return before

    def _judge_state(self, name: str, before: Tables) -> None:
        after = self.tables
        self._note(name, floor.lasting_wrongs(after))
        self._note(name, floor.idle_wrongs(after))
        self._note(name, floor.epoch_wrongs(before, after, self.epochs))
        self.epochs |= {row.id: row.epoch for row in after.conversations.values()}

    async def _settle(self, writer: Writer) -> Tables:
        """Read the tables once nobody drains any more; only drains may still be under way."""
        after = self.desk.eyes.tables()
        while floor.idle_wrongs(after):
            await writer.ask(Look())
            before, after = after, self.desk.eyes.tables()
            if after.version == before.version:
                break
        return after

    def _watch_presence(self, after: Tables) -> None:
        now = self.desk.clock.now()
        for agent in after.agents.values():
            is_gone = agent.status == "online" and agent.desk == "console" and not agent.alive
            if is_gone:
                self.gone_at.setdefault(agent.id, now)
            else:
                self.gone_at.pop(agent.id, None)

    def _note(self, name: str, wrongs: Sequence[str]) -> None:
        self.wrongs += [f"step {self.steps} ({name}): {wrong}" for wrong in wrongs]


NAMES = (*ACTIONS, JUMP, BURST)


async def wander(url: str, seed: int, is_over: Callable[[Judge], bool]) -> Judge:
    """Walk until it is over, something is wrong, or the steps are used up."""
    rng = Random(seed)
    async with open_desk(url, register_policies(), rng) as desk:
        walk = Walk(desk, rng)
        judge = Judge(walk)
        while not judge.wrongs and judge.steps < MOST_STEPS and not is_over(judge):
            weights = [WEIGHTS.get(n, 1) * (10 if walk.done[n] < EACH else 1) for n in NAMES]
            await judge.step(rng.choices(NAMES, weights)[0])
        return judge


@pytest.mark.slow
async def test_a_desk_is_never_wrong(database_url: str) -> None:
    judge = await wander(
        database_url, SEED, lambda judge: all(judge.walk.done[n] >= EACH for n in NAMES)
    )
    assert judge.wrongs == []
    rare = {name: n for name in NAMES if (n := judge.walk.done[name]) < EACH}
    assert not rare, f"inconclusive: {rare} of {EACH} in {judge.steps}; {judge.walk.refused}"
    share = judge.queued / judge.steps
    assert share >= QUEUED_SHARE, f"inconclusive: somebody waited in {share:.0%} of the steps"
    assert judge.routed >= ROUTED, f"inconclusive: only {judge.routed} were routed"


# -- the same walk with the policies broken ------------------------------------------------------

Patch = pytest.MonkeyPatch


def _no_unanswered_max(patch: Patch) -> None:
    def room_of(agent: Agent, product: Product, load: Load) -> int:
        capacity = routing.capacity_of(agent, product) - load.open.get(product.name, 0)
        return max(0, min(capacity, agent.max_total - load.total))

    patch.setattr(routing, "room_of", room_of)
    patch.setattr(policy, "room_of", room_of)


def _one_too_many(patch: Patch) -> None:
    right = routing.capacity_of
    patch.setattr(routing, "capacity_of", lambda agent, product: right(agent, product) + 1)


def _no_max_total(patch: Patch) -> None:
    right = routing.room_of

    def room_of(agent: Agent, product: Product, load: Load) -> int:
        return right(replace(agent, max_total=1000), product, load)

    patch.setattr(routing, "room_of", room_of)
    patch.setattr(policy, "room_of", room_of)


def _newest_first(patch: Patch) -> None:
    patch.setattr(policy, "list", lambda items: list(items)[::-1], raising=False)


def _other_queues_last(patch: Patch) -> None:
    def least(*of: Any) -> Any:
        return max(of[0]) if len(of) == 1 else min(*of)

    patch.setattr(policy, "min", least, raising=False)


def _no_drain_on_reply(patch: Patch) -> None:
    right = policy._freed  # noqa: SLF001 - the fault is put where the rule stands

    def freed(before: Row | None, after: Conversation) -> set[str]:
        if isinstance(before, Conversation) and before.agent == after.agent:
            return set()
        return right(before, after)

    patch.setattr(policy, "_freed", freed)


def _no_drain_on_settings(patch: Patch) -> None:
    right = policy.Routing.react

    class Blind:
        def __init__(self, world: World) -> None:
            self.world = world

        def __getattr__(self, name: str) -> Any:
            return getattr(self.world, name)

        def changes(self) -> list[tuple[Row | None, Row]]:
            return [c for c in self.world.changes() if not isinstance(c[1], Product)]

    def react(routing_policy: policy.Routing, world: World, decision: Decision) -> Decision:
        return right(routing_policy, cast("World", Blind(world)), decision)

    patch.setattr(policy.Routing, "react", react)


def _any_team(patch: Patch) -> None:
    right = routing.is_eligible

    def is_eligible(agent: Agent, row: Conversation) -> bool:
        return right(agent, replace(row, team=None))

    patch.setattr(routing, "is_eligible", is_eligible)
    patch.setattr(policy, "is_eligible", is_eligible)


def _the_dead_too(patch: Patch) -> None:
    patch.setattr(routing, "is_alive", lambda _: True)
    patch.setattr(policy, "is_alive", lambda _: True)


def _park_instead_of_queue(patch: Patch) -> None:
    def park(row: Conversation, *, at: datetime, by: str, why: Any, **_: Any) -> list[Row]:
        return moves.park(row, at=at, by=by, how="left", why=why)

    patch.setattr(moves, "queue", park)


def _the_busiest(patch: Patch) -> None:
    patch.setattr(routing, "min", max, raising=False)


def _strangers_first(patch: Patch) -> None:
    right = routing.choose

    def choose(*given: Any) -> Any:
        conversation, agents, loads, product, _, rng = given
        return right(conversation, agents, loads, product, frozenset(), rng)

    patch.setattr(policy, "choose", choose)


def _same_epoch(patch: Patch) -> None:
    right = moves.park

    def park(row: Conversation, **given: Any) -> list[Row]:
        after, _ = right(row, **given)
        return [replace(after, epoch=row.epoch)]

    patch.setattr(moves, "park", park)


def _no_patience(patch: Patch) -> None:
    patch.setattr(unanswered, "patience", lambda *_: None)


def _wrong_count(patch: Patch) -> None:
    def weigh(row: Conversation | None, agent: str) -> tuple[str, bool] | None:
        return None if row is None or row.agent != agent else (row.product, not row.replied)

    patch.setattr(core.views, "weigh", weigh)


MUTANTS = (
    _no_unanswered_max,
    _one_too_many,
    _no_max_total,
    _newest_first,
    _other_queues_last,
    _no_drain_on_reply,
    _no_drain_on_settings,
    _any_team,
    _the_dead_too,
    _park_instead_of_queue,
    _the_busiest,
    _strangers_first,
    _same_epoch,
    _no_patience,
    _wrong_count,
)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__.strip("_"))
async def test_a_broken_policy_is_seen(
    mutant: Callable[[Patch], None], sqlite_url: str, monkeypatch: Patch
) -> None:
    mutant(monkeypatch)
    judge = await wander(sqlite_url, SEED, lambda judge: judge.steps >= MUTANT_STEPS)
    assert judge.wrongs, f"{judge.steps} steps and nothing seen; {judge.walk.done}"
