"""Whoever folds his frames has what he would read: after anything, in any order, however often cut.

Agents with different rights follow a desk through the real application. In between their rights
change, their connections are lost, and the feed is cut off behind them. Now and then each one's
folded picture must be what a new snapshot shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

import handoff.api.plugin
import handoff.plugin
import plugins.sql.plugin
from core import leases
from core.clock import SystemClock
from core.config import load
from core.errors import Refused, Rejected
from core.hooks import Hooks
from core.models.inbound import Outgoing, Receipt, ReceiptState, Sender
from core.models.people import Agent
from core.models.rows import Message
from core.ports.workplace import Reply
from core.process import Process
from core.receipts import TakeReceipt
from core.units import Unit
from handoff.closing import SetTags
from handoff.replying import MarkRead, RetrySend, Say
from plugins.sql.engine import make_engine
from tests.core.station import Paper, PaperPlugin, Registered, Step, until
from tests.handoff.floor import Eyes, Tables
from tests.handoff.follower import Follower, Picture, Shelf
from tests.handoff.walk import (
    ACTIONS,
    INBOXES,
    PRODUCTS,
    WEIGHTS,
    Desk,
    Impasse,
    Walk,
    jump,
)

SEED = 11
EVERY = 25
CUSTOMERS = 60


class Moody(Registered):
    """A provider that sometimes refuses."""

    def __init__(self, rng: Random) -> None:
        """Refuse one of six."""
        super().__init__()
        self._rng = rng
        self.always = self._mood

    def _mood(self, _: Outgoing) -> Step | None:
        return Rejected("No.") if self._rng.random() < 0.15 else None


class Floor:
    """A furnished process with its followers."""

    def __init__(self, process: Process, desk: Desk, walk: Walk, paper: Paper) -> None:
        """Nobody follows yet."""
        self.process = process
        self.desk = desk
        self.walk = walk
        self.paper = paper
        self.followers: list[Follower] = []
        self.done: Counter[str] = Counter()


def _configure(folder: Path, url: str) -> Path:
    lines = ["[frontdesk]", f'database = "{url}"', 'plugins = ["plugins.sql", "handoff"]']
    for name in PRODUCTS:
        lines += [f"[products.{name}]", f'name = "{name}"']
    for name, product in INBOXES.items():
        lines += [f"[inboxes.{name}]", 'channel = "paper"', f'product = "{product}"']
    path = folder / "plugins.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def open_floor(folder: Path, url: str, seed: int) -> AsyncIterator[Floor]:
    """Run a process with the API and four agents at their sockets."""
    rng = Random(seed)
    clock, paper = SystemClock(), Moody(rng)
    hooks = Hooks(
        {
            "plugins.sql": plugins.sql.plugin,
            "handoff": handoff.plugin,
            "handoff.api": handoff.api.plugin,
            "tests.paper": PaperPlugin(paper),
        }
    )
    process = Process(load(_configure(folder, url), create_key=True), hooks, clock=clock)
    await process.start()
    engine = make_engine(url, reads=True, pool=1)
    eyes = Eyes(engine)
    try:
        desk = Desk([process.rooms], [process.writer], clock, eyes)
        await desk.furnish()
        floor = Floor(process, desk, Walk(desk, rng, {"paper": paper.can}), paper)
        agents = sorted(eyes.rows(Agent), key=lambda agent: agent.id)
        for agent in agents[:4]:
            token = await process.services.logins.make_token(agent.id, "test")
            leads = agent.role == "admin"
            floor.followers.append(Follower(process, agent.id, token, leads=leads))
        for follower in floor.followers:
            await follower.begin()
        try:
            yield floor
        finally:
            for follower in floor.followers:
                await follower.end()
    finally:
        await process.stop()
        eyes.close()
        engine.dispose()


# -- what happens beside routing -------------------------------------------------------------------


async def _note(floor: Floor, tables: Tables) -> Unit:
    row = floor.walk.pick(tables.conversations.values())
    lead = floor.walk.pick(a for a in tables.agents.values() if a.status != "offline")
    reply = Reply(text="between us", note=True)
    return Say(actor=floor.walk.actor(lead), conversation=row.id, reply=reply, can=floor.walk.can)


async def _tags(floor: Floor, tables: Tables) -> Unit:
    row = floor.walk.pick(tables.conversations.values())
    tags = tuple(floor.walk.rng.sample(("vip", "late", "angry"), 2))
    agent = floor.walk.pick(a for a in tables.agents.values() if row.inbox in a.inboxes)
    return SetTags(actor=floor.walk.actor(agent), conversation=row.id, tags=tags)


async def _read(floor: Floor, tables: Tables) -> Unit:
    row = floor.walk.pick(c for c in tables.conversations.values() if c.agent and c.unread)
    return MarkRead(actor=floor.walk.actor(row.agent), conversation=row.id)


async def _receipt(floor: Floor, _: Tables) -> Unit:
    newest = "kind = 'outgoing' AND NOT note ORDER BY id DESC LIMIT 30"
    message = floor.walk.pick(floor.desk.eyes.rows(Message, newest))
    states: tuple[ReceiptState, ...] = ("sent", "delivered", "read", "failed")
    state = floor.walk.rng.choice(states)
    receipt = Receipt(source_id="", tag=f"{message.id}.{message.attempt}", state=state)
    return TakeReceipt(inbox=message.inbox, receipt=receipt)


async def _retry(floor: Floor, tables: Tables) -> Unit:
    failed = "delivery_state = 'failed' ORDER BY id DESC LIMIT 30"
    message = floor.walk.pick(floor.desk.eyes.rows(Message, failed))
    admin = floor.walk.pick(a for a in tables.agents.values() if a.role == "admin")
    return RetrySend(actor=floor.walk.actor(admin), message=message.id, can=floor.walk.can)


async def _renamed(floor: Floor, _: Tables) -> Unit:
    inbox, key = floor.walk.pick(floor.walk.customers[-CUSTOMERS:])
    unit = floor.walk.says(inbox, key)
    name = f"user{floor.walk.told}"
    sender = Sender(keys=(key,), name=key, username=name, phone=f"+49{len(key)}")
    incoming = msgspec.structs.replace(unit.incoming, sender=sender)
    return msgspec.structs.replace(unit, incoming=incoming)


BESIDE = {
    "note": _note,
    "tags": _tags,
    "read": _read,
    "receipt": _receipt,
    "retry": _retry,
    "renamed": _renamed,
}


async def step(floor: Floor, name: str) -> None:
    """Do one thing."""
    if name == "cut":
        floor.walk.pick(floor.followers).hang_up()
    elif name == "jump":
        minutes = floor.walk.rng.randint(1, 12)
        for unit in await jump(floor.walk, within=timedelta(minutes=minutes)):
            await _ask(floor, unit)
    else:
        try:
            tables = floor.desk.eyes.tables()
            make = BESIDE.get(name)
            unit = await make(floor, tables) if make else await floor.walk.next(name, tables)
        except Impasse:
            return
        if not await _ask(floor, unit):
            return
    floor.done[name] += 1


async def _ask(floor: Floor, unit: Unit) -> bool:
    try:
        await floor.process.writer.ask(unit, urgent=True)
    except Refused:
        return False
    return True


async def compare(floor: Floor) -> None:
    """Wait until nothing is under way; then each picture must become what a new one shows."""

    async def is_idle() -> bool:
        open_jobs = [
            one for inbox in INBOXES for one in await floor.process.rooms.jobs.open(f"send:{inbox}")
        ]
        return not open_jobs and floor.process.live.tail == await floor.process.live.newest()

    await until(is_idle)
    disabled = {row.id for row in floor.desk.eyes.rows(Agent, "disabled")}
    shelves = Shelves(floor)
    for follower in floor.followers:
        if follower.actor.agent not in disabled:
            await _becomes_true(shelves, follower)


class Shelves:
    """What was read at a point of the feed; the process's own timers and sweeps may move it on."""

    def __init__(self, floor: Floor) -> None:
        """Nothing read yet."""
        self._floor = floor
        self._shelf: Shelf = {}
        self._read_at = -1

    async def fresh(self, follower: Follower, known: Picture | None) -> Picture:
        """Read a new snapshot, or return the known one while nothing has moved."""
        newest = await self._floor.process.live.newest()
        if newest != self._read_at:
            self._read_at, self._shelf, known = newest, {}, None
        return known or await follower.read(self._shelf)


async def _becomes_true(shelves: Shelves, follower: Follower) -> None:
    fresh: Picture | None = None

    async def is_alike() -> bool:
        nonlocal fresh
        follower.raise_if_failed()
        fresh = await shelves.fresh(follower, fresh)
        return not follower.picture.differences(fresh)

    try:
        await until(is_alike, 90)
    except TimeoutError:
        wrong = follower.picture.differences(fresh or Picture())
        pytest.fail(f"{len(wrong)} differences: " + "\n".join(wrong[:8]))


async def follow(folder: Path, url: str, steps: int, seed: int) -> Floor:
    """Let things happen, and compare every now and then."""
    async with open_floor(folder, url, seed) as floor:
        names = [*ACTIONS, *BESIDE, "jump", "cut"]
        weights = [WEIGHTS.get(name, 1) for name in names]
        for number in range(steps):
            name = floor.walk.rng.choices(names, weights)[0]
            if name == "arrive_new" and len(floor.walk.customers) >= CUSTOMERS:
                name = "arrive_known"
            await step(floor, name)
            if number % EVERY == EVERY - 1:
                await compare(floor)
        _judge_audience(floor)
        return floor


def _judge_audience(floor: Floor) -> None:
    """No event a contact may see ever names a note."""
    found = floor.desk.eyes.ask(
        "SELECT e.audience, e.position FROM event AS e JOIN message AS m ON m.id = e.message "
        "WHERE m.note"
    )
    assert {tuple(row) for row in found} <= {("agents", None)}
    assert len(found) >= floor.done["note"]


def _judge_floors(floor: Floor, steps: int) -> None:
    """Say whether enough has happened to prove anything."""
    least = max(1, steps // 400)
    names = {*ACTIONS, *BESIDE, "cut"} - {"arrive_friend"}
    rare = {name: floor.done[name] for name in names if floor.done[name] < least}
    assert not rare, f"inconclusive: {rare}"
    assert sum(one.resyncs for one in floor.followers) >= least, "inconclusive: rights"
    assert min(one.connects for one in floor.followers) >= 2, "inconclusive: cuts"


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1_000, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_folding_the_frames_is_reading_the_tables(
    database_url: str, tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A jump of the clock ends every lease; without them nobody sends.
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    floor = await follow(tmp_path, database_url, steps, SEED)
    _judge_floors(floor, steps)
