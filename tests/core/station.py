"""A real process with a channel whose provider does what a test says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import ClassVar

import msgspec

import handoff.plugin
import plugins.sql.plugin
from core.clock import SystemClock
from core.config import load
from core.hooks import Hooks
from core.hookspecs import hookimpl
from core.inbound import Accept
from core.leases import HoldLeases
from core.models.inbound import (
    Can,
    Inbound,
    Incoming,
    Outgoing,
    Receipt,
    ReceiptState,
    Sender,
    SendReceipt,
    WebhookAnswer,
    WebhookRequest,
)
from core.outbound import send_lease
from core.ports.channel import Channel
from core.ports.reading import CalledJob
from core.ports.views import DeliveryView, MessageView
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch, Reply
from core.process import Process
from core.receipts import TakeReceipt
from core.timers import LEASE as TIMERS
from core.units import NOTHING, Ask, Decision, Policy
from core.world import World
from handoff.admin import SYSTEM, AddAgent, ChangeAgent, SetProduct

Step = BaseException | asyncio.Event | str
WAIT_SECONDS = 20.0


class NoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """An inbox of paper needs nothing."""


class Paper:
    """A channel without a provider. `script` says what becomes of the sends of a text, in order:
    an error is raised, an event is waited for, a text is the id it is accepted under.
    """

    name: ClassVar[str] = "paper"
    title: ClassVar[str] = "Paper"
    icon: ClassVar[str] = "<svg/>"
    colour: ClassVar[str] = "#000000"
    can: ClassVar[Can] = Can(text_limit=1000)
    config: ClassVar[type[msgspec.Struct]] = NoOptions
    route: ClassVar[str] = ""
    body_limit: ClassVar[int] = 1000

    def __init__(self) -> None:
        """Accept everything."""
        self.script: dict[str, list[Step]] = {}
        self.always: Callable[[Outgoing], Step | None] = lambda _: None
        self.calls: list[Outgoing] = []
        self.times: list[datetime] = []
        self.clock = SystemClock()
        self.open: list[str] = []
        self._held: dict[str, tuple[asyncio.Event, str]] = {}
        self._numbers = count(1)

    @property
    def texts(self) -> list[str]:
        """What was called for, in order."""
        return [call.text for call in self.calls]

    def hold(self, text: str, source_id: str) -> asyncio.Event:
        """Accept a text under an id, but answer only when the event is set."""
        gate = asyncio.Event()
        self._held[text] = (gate, source_id)
        return gate

    def attach(self, inboxes: Mapping[str, msgspec.Struct]) -> None:
        """Nothing to keep."""

    def verify(self, request: WebhookRequest) -> WebhookAnswer | None:  # noqa: ARG002
        """Everybody may."""
        return None

    def parse(self, request: WebhookRequest) -> list[Inbound]:  # noqa: ARG002
        """Nothing comes this way."""
        return []

    async def send(self, outgoing: Outgoing) -> SendReceipt:
        """Do what the script says."""
        self.calls.append(outgoing)
        self.times.append(self.clock.now())
        steps = self.script.get(outgoing.text, [])
        step = steps.pop(0) if steps else self.always(outgoing)
        self.open.append(outgoing.text)
        try:
            if outgoing.text in self._held:
                gate, step = self._held[outgoing.text]
                await gate.wait()
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, BaseException):
                raise step
        finally:
            self.open.remove(outgoing.text)
        accepted = step if isinstance(step, str) else f"p{next(self._numbers)}"
        return SendReceipt(source_ids=(accepted,))

    async def close(self) -> None:
        """Nothing to close."""


class Registered(Paper):
    """Paper whose messages count as sent at their first receipt."""

    can: ClassVar[Can] = Can(text_limit=1000, receipts=True)


class PaperPlugin:
    """Registers a channel object, and policies behind those of handoff."""

    def __init__(self, channel: Channel, policies: Sequence[Policy] = ()) -> None:
        """Keep them."""
        self.channel = channel
        self.policies = policies

    @hookimpl
    def register_policies(self) -> Sequence[Policy]:
        """Hand them over."""
        return self.policies

    @hookimpl
    def register_channels(self) -> Sequence[Channel]:
        """Hand it over."""
        return [self.channel]


class Look(Ask, frozen=True):
    """Do nothing, behind what waits."""

    def decide(self, world: World) -> Decision:  # noqa: ARG002 - a unit decides a world
        """Nothing."""
        return NOTHING


class Station:
    """One process, one agent who owns every conversation, and customers by name."""

    def __init__(self, process: Process, paper: Paper, clock: SystemClock) -> None:
        """`process` is started."""
        self.process = process
        self.paper = paper
        self.clock = clock
        self.writer = process.writer
        self.lane2 = process.lane2
        self.rooms = process.rooms
        self.agent = Actor(agent="", desk="api")
        self._told = count(1)
        self._where: dict[tuple[str, str], str] = {}

    async def furnish(self) -> None:
        """Make an admin with room for everybody and put him online."""
        inboxes = tuple(self.process.config.inboxes)
        new = NewAgent(email="ann@example.com", role="admin", inboxes=inboxes)
        agent = str(await self.writer.ask(AddAgent(actor=SYSTEM, new=new)))
        room = AgentPatch(max_total=1000, capacities={"acme": 1000})
        await self.writer.ask(ChangeAgent(actor=SYSTEM, agent=agent, patch=room))
        patch = ProductPatch(capacity=1000, unanswered_max=1000)
        await self.writer.ask(SetProduct(actor=SYSTEM, product="acme", patch=patch))
        self.agent = Actor(agent=agent, desk="api")
        await self.process.services.workplace.set_status(self.agent, "online")

    async def writes(self, key: str, inbox: str = "one", text: str = "hello") -> str:
        """A customer writes; return the conversation."""
        incoming = Incoming(
            source_id=f"in{next(self._told)}", sender=Sender(keys=(key,), name=key), text=text
        )
        answer = await self.writer.ask(Accept(inbox=inbox, incoming=incoming))
        view = await self.rooms.conversations.message(answer.message)  # type: ignore[attr-defined]
        assert view is not None
        self._where[inbox, key] = view.conversation
        return view.conversation

    async def says(self, key: str, text: str, inbox: str = "one") -> str:
        """The agent answers a customer, who has written before or does now; return the message."""
        conversation = self._where.get((inbox, key)) or await self.writes(key, inbox)
        view = await self.process.services.workplace.reply(
            self.agent, conversation, Reply(text=text)
        )
        return view.id

    async def retry(self, message: str) -> None:
        """The agent tries again."""
        await self.process.services.workplace.retry(self.agent, message)

    async def receipt(
        self, state: ReceiptState, source_id: str, *, tag: str = "", inbox: str = "one"
    ) -> None:
        """The provider tells what became of a message."""
        told = Receipt(source_id=source_id, state=state, tag=tag)
        await self.writer.ask(TakeReceipt(inbox=inbox, receipt=told))

    async def message(self, message: str) -> MessageView:
        """Return a message as desks see it."""
        view = await self.rooms.conversations.message(message)
        assert view is not None
        return view

    async def delivery(self, message: str) -> DeliveryView:
        """Return what became of a message of ours."""
        found = (await self.message(message)).delivery
        assert found is not None
        return found

    async def reaches(self, message: str, state: str) -> DeliveryView:
        """Wait until a message is in a state."""

        async def is_there() -> bool:
            return (await self.delivery(message)).state == state

        await until(is_there)
        return await self.delivery(message)

    async def settles(self, message: str) -> None:
        """Wait until the call for a message is recorded."""

        async def is_recorded() -> bool:
            jobs = [one.job for inbox in self._inboxes for one in await self._open(inbox)]
            return all(job.subject != message for job in jobs)

        await until(is_recorded)

    @property
    def _inboxes(self) -> Sequence[str]:
        return tuple(self.process.config.inboxes)

    async def _open(self, inbox: str) -> Sequence[CalledJob]:
        return await self.rooms.jobs.open(send_lease(inbox))

    async def called(self, *texts: str) -> None:
        """Wait until all of these have been called for."""
        await until(lambda: set(texts) <= set(self.paper.texts))

    async def quiet(self) -> None:
        """Give everybody who could act the time for it: rounds through reader and writers."""
        for _ in range(5):
            await self.rooms.jobs.get("none")
            await self.writer.ask(Look())
            await self.lane2.ask(Look())
            await self.rooms.jobs.get("none")

    async def passes(self, time: timedelta) -> None:
        """Move the clock, in hops that no lease runs out in, and let everybody act."""
        names = (TIMERS, *map(send_lease, self.process.config.inboxes))
        while time > timedelta():
            hop = min(time, timedelta(seconds=4))
            time -= hop
            await self.lane2.ask(HoldLeases(names=names, holder=self.process.name))
            self.clock.advance(hop)
            await self.lane2.ask(HoldLeases(names=names, holder=self.process.name))
            await self.quiet()


async def until(
    happened: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS
) -> None:
    """Wait until a condition holds; TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            found = happened()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.005)


def configure(folder: Path, url: str, *, inboxes: Sequence[str] = ("one", "two")) -> Path:
    """Write a plugins.toml whose inboxes are of paper."""
    lines = ["[frontdesk]", f'database = "{url}"', 'plugins = ["plugins.sql", "handoff"]']
    lines += ["[products.acme]", 'name = "Acme"']
    for name in inboxes:
        lines += [f"[inboxes.{name}]", 'channel = "paper"', 'product = "acme"']
    path = folder / "plugins.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def make_process(
    path: Path, paper: Paper, clock: SystemClock, policies: Sequence[Policy] = ()
) -> Process:
    """Build a process around a channel object."""
    hooks = Hooks(
        {
            "plugins.sql": plugins.sql.plugin,
            "handoff": handoff.plugin,
            "tests.paper": PaperPlugin(paper, policies),
        }
    )
    return Process(load(path, create_key=True), hooks, clock=clock)


@asynccontextmanager
async def open_station(
    folder: Path, url: str, *, paper: Paper | None = None, policies: Sequence[Policy] = ()
) -> AsyncIterator[Station]:
    """Run a process on a migrated database, furnished."""
    clock = SystemClock()
    paper = paper or Paper()
    paper.clock = clock
    process = make_process(configure(folder, url), paper, clock, policies)
    await process.start()
    station = Station(process, paper, clock)
    try:
        await station.furnish()
        yield station
    finally:
        await process.stop()
