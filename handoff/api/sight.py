"""What an agent may see of the feed. Readable = role and inboxes; ownership does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from core.announce import AGENTS
from core.models.people import Role
from core.ports.reading import StoredEvent
from core.ports.views import AgentView
from core.ports.workplace import Actor, Workplace

Verdict = Literal["show", "hide", "resync"]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's rights as they stand. None = all of them."""

    agent: str
    role: Role
    inboxes: frozenset[str] | None
    colleagues: frozenset[str] | None

    def reads(self, inbox: str | None) -> bool:
        """Say whether what happens in this inbox is for him."""
        return inbox is None or self.inboxes is None or inbox in self.inboxes

    def shows(self, event: StoredEvent) -> bool:
        """Say whether an event is for him."""
        if AGENTS not in event.audience.split("|"):
            return False
        if event.type == "agent.status":
            return event.subject == self.agent or self.leads(event.subject)
        if event.type == "inbox.health":
            return self.role == "admin"
        return self.reads(event.inbox)

    def leads(self, agent: str | None) -> bool:
        """Say whether this agent's status is his business."""
        return self.colleagues is None or agent in self.colleagues


def sight_of(me: AgentView, others: Iterable[AgentView]) -> Sight:
    """Return what an agent may see; a supervisor has a share in those of his own products."""
    products = set(me.products)
    shared = frozenset(one.id for one in others if products & set(one.products))
    is_admin = me.role == "admin"
    return Sight(
        agent=me.id,
        role=me.role,
        inboxes=None if is_admin else frozenset(me.inboxes),
        colleagues=None if is_admin else shared if me.role == "supervisor" else frozenset(),
    )


class Watcher:
    """One agent's sight, kept true while the feed goes on: it judges events in their order."""

    def __init__(self, workplace: Workplace, actor: Actor, sight: Sight) -> None:
        """Start with a sight that was just read."""
        self._workplace = workplace
        self._actor = actor
        self.sight = sight
        self._strangers: set[str | None] = set()

    @classmethod
    async def of(cls, workplace: Workplace, actor: Actor) -> Watcher:
        """Read an agent's rights. Raises SignedOut for one who is disabled."""
        return cls(workplace, actor, await _read(workplace, actor))

    async def judge(self, event: StoredEvent) -> Verdict:
        """Say what to do with an event; `resync` when what he may read has changed."""
        if event.type == "agent.access":
            return await self._access_changed(event)
        if event.type == "agent.status" and self._is_unknown(event.subject):
            await self._look_again()
            self._strangers.add(event.subject)
        return "show" if self.sight.shows(event) else "hide"

    async def _access_changed(self, event: StoredEvent) -> Verdict:
        if event.subject == self.sight.agent:
            await self._look_again()
            return "resync"
        if self.sight.role == "supervisor":
            await self._look_again()
        return "hide"

    def _is_unknown(self, agent: str | None) -> bool:
        """Say whether a supervisor's list may be older than this agent."""
        if self.sight.role != "supervisor" or agent == self.sight.agent:
            return False
        return not self.sight.leads(agent) and agent not in self._strangers

    async def _look_again(self) -> None:
        self.sight = await _read(self._workplace, self._actor)


async def _read(workplace: Workplace, actor: Actor) -> Sight:
    me = await workplace.me(actor)
    others = await workplace.agents(actor) if me.role == "supervisor" else ()
    return sight_of(me, others)
