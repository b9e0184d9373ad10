"""What the command line asks of a store: each question is a struct that knows how to answer itself.

The same structs run in a server, which gets them over its socket (core.ops_socket), and in the
command's own process when no server runs. Whoever only asks imports no server for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.config import Config
from core.errors import NotFound, Refused
from core.models.people import Agent
from core.ports.workplace import Actor, AgentPatch, NewAgent

if TYPE_CHECKING:
    from core.process import Process
    from core.replay import Replayed

COMMAND_LINE = Actor(agent="", desk="cli")
"""Whoever may start commands owns the machine, and with it the database."""

Tell = Callable[[dict[str, Any]], None]


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask"):
    """One question. `answer` returns what msgspec can encode, or raises a Refused.

    It takes the process, and `tell` for what is worth showing before the answer.
    """


class Agents(Ask, frozen=True, kw_only=True, tag="agents"):
    """Lists all agents, by name."""

    async def answer(self, process: Process, _: Tell) -> object:
        """Return AgentLines."""
        return [agent_line(agent) for agent in await process.rooms.people.agents()]


class AgentLine(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as the command line shows him."""

    id: str
    name: str
    email: str
    role: str
    status: str
    disabled: bool
    inboxes: tuple[str, ...]


def agent_line(agent: Agent) -> AgentLine:
    """Return what is shown of an agent."""
    return AgentLine(**{name: getattr(agent, name) for name in AgentLine.__struct_fields__})


class AddAgent(Ask, frozen=True, kw_only=True, tag="agent.add"):
    """Adds an agent; `everywhere` = authorised for every inbox of plugins.toml and its past."""

    new: NewAgent
    everywhere: bool = False

    async def answer(self, process: Process, _: Tell) -> object:
        """Return his AgentLine."""
        await process.align()
        new = self.new
        if self.everywhere:
            new = msgspec.structs.replace(new, inboxes=await inboxes_of(process))
        view = await process.services.workplace.add_agent(COMMAND_LINE, new)
        return await _line(process, view.email)


class ChangeAgent(Ask, frozen=True, kw_only=True, tag="agent.change"):
    """Changes an agent. `add` and `remove` name inboxes; `everywhere` adds them all."""

    email: str
    patch: AgentPatch = AgentPatch()
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    everywhere: bool = False

    async def answer(self, process: Process, _: Tell) -> object:
        """Return his AgentLine."""
        patch = self.patch
        agent = await by_email(process, self.email)
        if self.add or self.remove or self.everywhere:
            await process.align()
            every = await inboxes_of(process) if self.everywhere else ()
            wanted = dict.fromkeys((*agent.inboxes, *self.add, *every))
            kept = tuple(name for name in wanted if name not in self.remove)
            patch = msgspec.structs.replace(patch, inboxes=kept)
        await process.services.workplace.change_agent(COMMAND_LINE, agent.id, patch)
        return await _line(process, self.email)


class MakeToken(Ask, frozen=True, kw_only=True, tag="token"):
    """Makes an API token of an agent."""

    email: str
    name: str = ""

    async def answer(self, process: Process, _: Tell) -> object:
        """Return the token: the store keeps its digest only."""
        agent = await by_email(process, self.email)
        return await process.services.logins.make_token(agent.id, self.name)


class Backup(Ask, frozen=True, kw_only=True, tag="backup"):
    """Makes a hot copy of the database at `to`, an absolute path."""

    to: str

    async def answer(self, process: Process, _: Tell) -> object:
        """Return the file."""
        from core.stores import store_kind

        url = process.config.frontdesk.database.first
        kind = store_kind(process.hooks, url)
        return str(await asyncio.to_thread(kind.backup, url, Path(self.to)))


class Why(Ask, frozen=True, kw_only=True, tag="why"):
    """Tells who got a conversation, and why."""

    conversation: str

    async def answer(self, process: Process, _: Tell) -> object:
        """Return WhyViews, oldest first."""
        rooms = process.rooms
        if await rooms.conversations.get(self.conversation, None) is None:
            raise NotFound(f"There is no conversation {self.conversation}.")
        return await rooms.conversations.why(self.conversation)


class Replay(Ask, frozen=True, kw_only=True, tag="replay"):
    """Takes kept bodies in again: one, or (empty id) all that were not wholly taken in."""

    id: str = ""

    async def answer(self, process: Process, tell: Tell) -> object:
        """Return a Replayed for each body; one that is refused does not stop the others."""
        names = [self.id] if self.id else await _unfinished(process)
        done: list[Replayed] = []
        for count, name in enumerate(names, start=1):
            try:
                done.append(await _replay(process, name))
            except Refused as refused:
                if self.id:
                    raise
                tell({"id": name, "refused": refused.message})
            tell({"done": count, "of": len(names)})
        return done


class Standing(Ask, frozen=True, kw_only=True, tag="standing"):
    """Tells what the store holds of what plugins.toml declares, and which inboxes lack agents."""

    async def answer(self, process: Process, _: Tell) -> object:
        """Return a Stands."""
        return await stands(process)


class Stands(msgspec.Struct, frozen=True, kw_only=True):
    """`products` and `inboxes` as the store has them; inbox -> (product, channel, state)."""

    products: tuple[str, ...]
    inboxes: dict[str, tuple[str, str, str]]
    without_agent: tuple[str, ...]


async def stands(process: Process) -> Stands:
    """Read it."""
    people = process.rooms.people
    inboxes = await people.inboxes()
    answered = {name for a in await people.agents() if not a.disabled for name in a.inboxes}
    return Stands(
        products=tuple(row.name for row in await people.products()),
        inboxes={row.name: (row.product, row.channel, row.state) for row in inboxes},
        without_agent=tuple(row.name for row in inboxes if row.name not in answered),
    )


Asked = Agents | AddAgent | ChangeAgent | MakeToken | Backup | Why | Replay | Standing


async def inboxes_of(process: Process) -> tuple[str, ...]:
    """Return the names of all inboxes the store knows."""
    return tuple(row.name for row in await process.rooms.people.inboxes())


async def by_email(process: Process, email: str) -> Agent:
    """Return an agent; NotFound names the e-mail, for this is the owner's own terminal."""
    found = await process.rooms.people.agent_by_email(email.strip().lower())
    if found is None:
        raise NotFound(f"There is no agent {email}. See: .venv/bin/frontdesk agent list")
    return found[0]


async def _line(process: Process, email: str) -> AgentLine:
    return agent_line(await by_email(process, email))


async def _unfinished(process: Process) -> Sequence[str]:
    found = [
        view.id
        for state in ("unparsed", "failed")
        for view in await process.rooms.jobs.webhooks(state, limit=100_000)
    ]
    return sorted(found)  # ids sort by time: the customers' messages keep their order


async def _replay(process: Process, webhook: str) -> Replayed:
    from core.replay import replay

    return await replay(
        webhook,
        jobs=process.rooms.jobs,
        intake=process.intake,
        writer=process.writer,
        channels=channels_of(process.config, process),
    )


def channels_of(config: Config, process: Process) -> dict[str, Any]:
    """Return each inbox's channel."""
    return {name: process.channels[inbox.channel] for name, inbox in config.inboxes.items()}
