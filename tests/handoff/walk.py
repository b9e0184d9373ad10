"""A walk over a desk: one random thing after the other, done by real units through real writers.

Two writers share the database, as two processes do, so that what one of them remembers of the
tables is tested against what the other wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import Random
from typing import Any

from typing_extensions import override

from core.boot import Align, Declared
from core.clock import SystemClock
from core.inbound import Accept
from core.models.inbound import Can, Incoming, Sender
from core.models.people import Agent, Job
from core.models.row import Key
from core.models.rows import Contact, Conversation
from core.ports.rooms import Rooms
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch, Reply
from core.presence import Alive, Gone, TakeBreak
from core.timers import LEASE, Fire
from core.units import Ask, Decision, Policy, Unit
from core.views import View, load_of, on_status, owned, waiting
from core.world import World
from core.writer import Writer
from handoff.admin import SYSTEM, AddAgent, AddTeam, ChangeAgent, SetProduct
from handoff.closing import Block, EndByContact, MergeContacts, Resolve
from handoff.owning import Claim, Reopen, Transfer
from handoff.replying import Say
from handoff.statuses import SetStatus
from handoff.unanswered import AWAY, UNANSWERED, Requeue
from plugins.sql.engine import make_engine
from plugins.sql.plugin import register_stores
from tests.handoff.floor import Eyes, Tables, fill_of, room

PRODUCTS = ("acme", "globex")
INBOXES = {"shop": "acme", "care": "acme", "lab": "globex"}
AGENTS = 8
CAN = {"paper": Can(pull=True, text_limit=1000)}


class LookIn(Ask, frozen=True, kw_only=True):
    """Ask the writer's world what it believes, as a policy would."""

    agents: tuple[str, ...]
    queues: tuple[tuple[str, str | None], ...]

    @override
    def needs(self) -> Iterable[Key | View]:
        """Every view."""
        keys: list[Key | View] = [view(one) for one in self.agents for view in (owned, load_of)]
        return [*keys, *(waiting(*queue) for queue in self.queues), on_status("online")]

    def decide(self, world: World) -> Decision:
        """Answer them."""
        return Decision(
            answer=(
                {one: world.load(load_of(one)) for one in self.agents},
                {one: world.members(owned(one)) for one in self.agents},
                {queue: world.queue(waiting(*queue)) for queue in self.queues},
                world.members(on_status("online")),
            )
        )


class Desk:
    """Two writers on one database, a clock, and eyes on the tables."""

    def __init__(
        self, rooms: Sequence[Rooms], writers: Sequence[Writer], clock: SystemClock, eyes: Eyes
    ) -> None:
        """Everything is started."""
        self.rooms = rooms
        self.writers = writers
        self.clock = clock
        self.eyes = eyes
        self.teams: tuple[str, ...] = ()
        self.topic = ""

    async def furnish(self) -> None:
        """Make products, inboxes, teams and agents; two of them lead."""
        first = self.writers[0]
        align = Align(
            products=tuple(Declared(name=name, title=name) for name in PRODUCTS),
            inboxes=tuple(
                Declared(name=name, product=product, channel="paper")
                for name, product in INBOXES.items()
            ),
            known_inboxes=(),
            has_topics=False,
        )
        await first.ask(align)
        self.topic = str(self.eyes.one("SELECT id FROM topic"))
        teams = [await first.ask(AddTeam(actor=SYSTEM, name=name)) for name in ("red", "blue")]
        self.teams = tuple(map(str, teams))
        for number in range(AGENTS):
            new = NewAgent(
                email=f"a{number}@example.com",
                role="admin" if number == 0 else "supervisor" if number == 1 else "agent",
                inboxes=tuple(INBOXES)[number % 3 :],
                teams=self.teams[: number % 3],
            )
            await first.ask(AddAgent(actor=SYSTEM, new=new))
        for name in PRODUCTS:
            patch = ProductPatch(capacity=3, unanswered_max=2, claim="agents")
            await first.ask(SetProduct(actor=SYSTEM, product=name, patch=patch))


@asynccontextmanager
async def open_desk(
    url: str, policies: Sequence[Policy], rng: Random, *, batch_units: int = 128
) -> AsyncIterator[Desk]:
    """Open a furnished desk on a migrated, empty database."""
    scheme = url.partition(":")[0]
    kind = next(kind for kind in register_stores() if scheme in kind.schemes)
    clock = SystemClock()
    rooms = [kind.open(url, clock=clock, relaxed=True) for _ in range(2)]
    writers = [
        Writer(
            one.store(lane=1),
            policies=policies,
            world=World(Random(rng.random())),
            batch_units=batch_units,
        )
        for one in rooms
    ]
    engine = make_engine(url, reads=True, relaxed=True, pool=1)
    eyes = Eyes(engine)
    for writer in writers:
        writer.start()
    try:
        desk = Desk(rooms, writers, clock, eyes)
        await desk.furnish()
        yield desk
    finally:
        for writer in writers:
            await writer.stop()
        eyes.close()
        engine.dispose()
        for one in rooms:
            await one.close()


class Impasse(Exception):
    """There is nothing on the desk this could be done to."""


Make = Callable[["Walk", Tables], Awaitable[Unit]]


class Walk:
    """Picks what happens next and makes the unit of it."""

    def __init__(self, desk: Desk, rng: Random, can: dict[str, Can] | None = None) -> None:
        """Start at an empty desk; without sends unless `can` says that somebody sends."""
        self.desk = desk
        self.can = can or CAN
        self.rng = rng
        self.customers: list[tuple[str, str]] = []
        self.told = 0
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def pick(self, things: Iterable[Any]) -> Any:
        """Choose one; Impasse when there is none."""
        found = list(things)
        if not found:
            raise Impasse
        return self.rng.choice(found)

    def actor(self, agent: Agent | str) -> Actor:
        """Act from some desk."""
        name = agent if isinstance(agent, str) else agent.id
        return Actor(agent=name, desk=self.rng.choice(("console", "console", "slack")))

    def says(self, inbox: str, key: str) -> Accept:
        """Make a message of a customer."""
        self.told += 1
        return Accept(
            inbox=inbox,
            incoming=Incoming(
                source_id=f"m{self.told}", sender=Sender(keys=(key,), name=key), text="hello"
            ),
        )

    async def next(self, name: str, tables: Tables) -> Unit:
        """Make the unit of an action; Impasse when there is nothing to do it to."""
        return await ACTIONS[name](self, tables)


async def _arrive_new(walk: Walk, _: Tables) -> Unit:
    inbox = walk.pick(INBOXES)
    key = f"k{len(walk.customers)}"
    walk.customers.append((inbox, key))
    return walk.says(inbox, key)


async def _arrive_known(walk: Walk, _: Tables) -> Unit:
    return walk.says(*walk.pick(walk.customers[-40:]))


async def _arrive_friend(walk: Walk, tables: Tables) -> Unit:
    """He writes where nothing is open, while an agent talks with him elsewhere."""
    found = walk.desk.eyes.friends()
    fills = {one: fill_of(tables, one) for one in tables.agents}
    with_room = [
        (inbox, key, one)
        for inbox, key, one in found
        if tables.agents[one].status == "online"
        and inbox in tables.agents[one].inboxes
        and room(tables.agents[one], tables.products[INBOXES[inbox]], fills[one]) > 0
    ]
    inbox, key, _ = walk.pick(with_room or found)
    return walk.says(inbox, key)


async def _reply(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(
        c
        for c in tables.conversations.values()
        if c.state == "active" and c.agent and tables.agents[c.agent].status != "offline"
    )
    reply = Reply(text=f"hi {walk.told}")
    return Say(actor=walk.actor(row.agent), conversation=row.id, reply=reply, can=walk.can)


async def _claim(walk: Walk, tables: Tables) -> Unit:
    owned_too = walk.rng.random() < 0.2
    row = walk.pick(
        c
        for c in tables.conversations.values()
        if c.state != "ended" and (owned_too or not c.agent)
    )
    agent = walk.pick(
        a
        for a in tables.agents.values()
        if a.status == "online" and row.inbox in a.inboxes and a.id != row.agent
    )
    stale = walk.rng.random() < 0.1
    return Claim(
        actor=walk.actor(agent),
        conversation=row.id,
        epoch=row.epoch - stale,
        over_capacity=walk.rng.random() < 0.3,
    )


async def _to_agent(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(c for c in tables.conversations.values() if c.agent and c.state == "active")
    target = walk.pick(
        a
        for a in tables.agents.values()
        if a.status == "online" and row.inbox in a.inboxes and a.id != row.agent
    )
    return Transfer(actor=walk.actor(_lead(tables)), conversation=row.id, agent=target.id)


async def _to_team(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(c for c in tables.conversations.values() if c.state in {"active", "waiting"})
    team = walk.pick(walk.desk.teams)
    return Transfer(actor=walk.actor(_lead(tables)), conversation=row.id, team=team)


def _lead(tables: Tables) -> Agent:
    leads = (a for a in tables.agents.values() if a.role == "admin")
    lead = next((a for a in leads if a.status != "offline" and not a.disabled), None)
    if lead is None:
        raise Impasse
    return lead


async def _resolve(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(c for c in tables.conversations.values() if c.agent)
    return Resolve(actor=walk.actor(row.agent), conversation=row.id, topic=walk.desk.topic)


async def _end(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(c for c in tables.conversations.values() if c.state != "ended")
    return EndByContact(address=row.address)


async def _reopen(walk: Walk, tables: Tables) -> Unit:
    newest = "state = 'archived' ORDER BY id DESC LIMIT 60"
    row = walk.pick(walk.desk.eyes.rows(Conversation, newest))
    agent = walk.pick(
        a for a in tables.agents.values() if a.status == "online" and row.inbox in a.inboxes
    )
    return Reopen(actor=walk.actor(agent), conversation=row.id)


async def _status(walk: Walk, tables: Tables) -> Unit:
    agent = walk.pick(a for a in tables.agents.values() if not a.disabled)
    status = walk.pick(("online", "online", "online", "online", "offline", "break", "invisible"))
    return SetStatus(actor=walk.actor(agent), agent=agent.id, status=status)


def _patch(walk: Walk, tables: Tables, **given: Any) -> Unit:
    agent = walk.pick(tables.agents.values())
    return ChangeAgent(actor=SYSTEM, agent=agent.id, patch=AgentPatch(**given))


async def _authorise(walk: Walk, tables: Tables) -> Unit:
    count = walk.rng.choice((1, 2, 2, 3, 3))
    return _patch(walk, tables, inboxes=tuple(walk.rng.sample(sorted(INBOXES), count)))


async def _teams(walk: Walk, tables: Tables) -> Unit:
    count = walk.rng.choice((0, 1, 2))
    return _patch(walk, tables, teams=tuple(walk.rng.sample(walk.desk.teams, count)))


async def _capacity(walk: Walk, tables: Tables) -> Unit:
    counts = {name: walk.rng.randint(1, 4) for name in PRODUCTS if walk.rng.random() < 0.7}
    return _patch(walk, tables, capacities=counts)


async def _max_total(walk: Walk, tables: Tables) -> Unit:
    return _patch(walk, tables, max_total=walk.rng.randint(2, 7))


async def _product(walk: Walk, _: Tables) -> Unit:
    patch = ProductPatch(
        capacity=walk.rng.randint(1, 4),
        unanswered_max=walk.rng.randint(1, 3),
        claim=walk.rng.choice(("agents", "supervisors")),
    )
    return SetProduct(actor=SYSTEM, product=walk.pick(PRODUCTS), patch=patch)


async def _disable(walk: Walk, tables: Tables) -> Unit:
    is_disabled = any(a.disabled for a in tables.agents.values())
    agent = walk.pick(
        a for a in tables.agents.values() if a.disabled == is_disabled and a.role == "agent"
    )
    patch = AgentPatch(disabled=not is_disabled)
    return ChangeAgent(actor=SYSTEM, agent=agent.id, patch=patch)


async def _gone(walk: Walk, tables: Tables) -> Unit:
    agent = walk.pick(
        a
        for a in tables.agents.values()
        if a.alive and a.desk == "console" and a.status != "offline"
    )
    return Gone(agent=agent.id)


async def _alive(walk: Walk, tables: Tables) -> Unit:
    agent = walk.pick(a for a in tables.agents.values() if not a.alive and a.status != "offline")
    return Alive(agent=agent.id)


async def _block(walk: Walk, tables: Tables) -> Unit:
    row = walk.pick(tables.conversations.values())
    return Block(actor=walk.actor(_lead(tables)), conversation=row.id)


async def _merge(walk: Walk, tables: Tables) -> Unit:
    newest = "merged_into IS NULL AND NOT blocked ORDER BY id DESC LIMIT 40"
    contacts = [row.id for row in walk.desk.eyes.rows(Contact, newest)]
    busy = [c.contact for c in tables.conversations.values() if c.contact in contacts]
    one, other = walk.pick(busy), walk.pick(contacts)
    return MergeContacts(actor=walk.actor(_lead(tables)), contact=one, into=other)


ACTIONS: dict[str, Make] = {
    "arrive_new": _arrive_new,
    "arrive_known": _arrive_known,
    "arrive_friend": _arrive_friend,
    "reply": _reply,
    "claim": _claim,
    "to_agent": _to_agent,
    "to_team": _to_team,
    "resolve": _resolve,
    "end": _end,
    "reopen": _reopen,
    "status": _status,
    "authorise": _authorise,
    "teams": _teams,
    "capacity": _capacity,
    "max_total": _max_total,
    "product": _product,
    "disable": _disable,
    "gone": _gone,
    "alive": _alive,
    "block": _block,
    "merge": _merge,
}
JUMP = "jump"
BURST = "burst"
WEIGHTS = {
    "arrive_new": 2,
    "arrive_known": 2,
    "status": 2,
    "claim": 3,
    "to_agent": 2,
    "reopen": 2,
    "reply": 4,
    "resolve": 4,
    "alive": 3,
}


async def jump(walk: Walk, *, within: timedelta | None = None) -> list[Unit]:
    """Move the clock on and return the units of the timers that are due then."""
    long = walk.rng.random() < 0.05
    minutes = walk.rng.randint(1, 60 * 30) if long else walk.rng.randint(1, 12)
    walk.desk.clock.advance(within or timedelta(minutes=minutes))
    return await due(walk.desk)


async def burst(walk: Walk, tables: Tables) -> list[Unit]:
    """Return several units for one batch."""
    names = walk.rng.choices(("arrive_new", "arrive_known", "reply", "resolve"), k=6)
    units: list[Unit] = []
    for name in names:
        with suppress(Impasse):
            units.append(await walk.next(name, tables))
    return units


async def due(desk: Desk) -> list[Unit]:
    """Return the units of the timers that are due."""
    makers: dict[str, Callable[[str], Unit]] = {
        UNANSWERED: lambda subject: Requeue(conversation=subject),
        AWAY: lambda subject: TakeBreak(agent=subject),
    }
    now = desk.clock.now()
    units: list[Unit] = []
    after = ""
    while found := await desk.rooms[0].jobs.open(LEASE, after=after):
        after = found[-1].job.id
        jobs: list[Job] = [one.job for one in found if one.job.due_at <= now]
        units += [Fire(job=job.id, unit=makers[job.kind](job.subject)) for job in jobs]
    return units


def believed_wrongs(tables: Tables, answer: Any) -> list[str]:
    """Compare what the writer's world believes with the tables."""
    loads, mine, queues, online = answer
    wrongs: list[str] = []
    for one in tables.agents:
        fill = fill_of(tables, one)
        believed = {name: count for name, count in loads[one].open.items() if count}
        counted = {name: count for name, count in fill.products.items() if count}
        if (believed, loads[one].unanswered) != (counted, fill.unanswered):
            wrongs.append(f"{one[:12]}: believed {loads[one]}, counted {fill}")
        rows = tables.conversations.values()
        if mine[one] != tuple(sorted(c.id for c in rows if c.agent == one and c.state == "active")):
            wrongs.append(f"{one[:12]}: owns something else than believed")
    for (inbox, team), queue in queues.items():
        line = [c.id for c in tables.waiting if (c.inbox, c.team) == (inbox, team)]
        seen = [one for _, one in queue.items]
        if seen != line[: len(seen)] or (queue.complete and len(seen) != len(line)):
            wrongs.append(f"{inbox}/{team}: another queue than believed")
    at_work = (a.id for a in tables.agents.values() if a.status == "online" and not a.disabled)
    if online != tuple(sorted(at_work)):
        wrongs.append("others are online than believed")
    return wrongs


def look_in(desk: Desk, tables: Tables) -> LookIn:
    """Make the question."""
    queues = tuple((inbox, team) for inbox in INBOXES for team in (None, *desk.teams))
    return LookIn(agents=tuple(tables.agents), queues=queues)
