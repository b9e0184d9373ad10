"""Who is there: presence rows, renewed beside the message path, and the two moments that matter.

A renewal is lane 2 and decides nothing. Coming back to life and being gone are units of lane 1,
because they change who may be given a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import msgspec
from typing_extensions import override

from core.models.people import Agent, Presence, StatusChange
from core.models.row import Key
from core.units import NOTHING, Ask, Decision
from core.views import View
from core.world import World

replace = msgspec.structs.replace
RENEW = timedelta(seconds=10)
GONE_AFTER = timedelta(seconds=30)
BREAK_AFTER = timedelta(minutes=15)


class Seen(Ask, frozen=True, kw_only=True):
    """A console socket of this agent lives in this process. Lane 2."""

    agent: str
    process: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The row to renew."""
        return ((Presence, self.agent, self.process),)

    def decide(self, world: World) -> Decision:
        """Renew it."""
        world.get(Presence, self.agent, self.process)
        row = Presence(agent=self.agent, process=self.process, until=world.now + GONE_AFTER)
        return Decision(rows=(row,))


class Unseen(Ask, frozen=True, kw_only=True):
    """The last console socket of this agent in this process has closed. Lane 2.

    He is gone half a minute from now, unless another socket renews it.
    """

    agent: str
    process: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The row."""
        return ((Presence, self.agent, self.process),)

    def decide(self, world: World) -> Decision:
        """Let it run out."""
        row = world.get(Presence, self.agent, self.process)
        if row is None:
            return NOTHING
        return Decision(rows=(replace(row, until=world.now + GONE_AFTER),))


class Alive(Ask, frozen=True, kw_only=True):
    """A console socket has opened: he may be given conversations again."""

    agent: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The agent."""
        return ((Agent, self.agent),)

    def decide(self, world: World) -> Decision:
        """Change something only when he was gone."""
        agent = world.get(Agent, self.agent)
        if agent is None or agent.alive:
            return NOTHING
        return Decision(rows=(replace(agent, alive=True),))


class Gone(Ask, frozen=True, kw_only=True):
    """No console socket has lived for 30 s: he stays online but gets nothing new."""

    agent: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The agent."""
        return ((Agent, self.agent),)

    def decide(self, world: World) -> Decision:
        """Only a stint begun in the console depends on sockets."""
        agent = world.get(Agent, self.agent)
        if agent is None or not agent.alive or agent.desk != "console":
            return NOTHING
        return Decision(rows=(replace(agent, alive=False),))


class TakeBreak(Ask, frozen=True, kw_only=True):
    """He has been gone for 15 minutes: his status becomes break, with a reason he will read."""

    agent: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The agent."""
        return ((Agent, self.agent),)

    def decide(self, world: World) -> Decision:
        """Only if he is still online and still gone."""
        agent = world.get(Agent, self.agent)
        if agent is None or agent.alive or agent.status != "online" or agent.desk != "console":
            return NOTHING
        row = StatusChange(
            id=world.new_id(),
            agent=agent.id,
            was=agent.status,
            now="break",
            by="system",
            reason="No open console for 15 minutes.",
            at=world.now,
        )
        return Decision(rows=(replace(agent, status="break", status_since=world.now), row))
