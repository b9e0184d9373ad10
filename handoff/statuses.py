"""The unit that changes an agent's status. What follows from it is the policies' business."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.errors import Forbidden, Impossible, NotFound
from core.models.people import Agent, Status, StatusChange
from core.models.row import Key
from core.ports.workplace import Actor
from core.units import Ask, Decision
from core.views import View
from core.world import World
from handoff import rights

replace = msgspec.structs.replace


class SetStatus(Ask, frozen=True, kw_only=True):
    """Change one's own status, or as a supervisor that of somebody who is at work.

    The same status again changes nothing. A stint belongs to the desk it was begun at.
    """

    actor: Actor
    agent: str
    status: Status
    reason: str = ""

    @override
    def needs(self) -> Iterable[Key | View]:
        """Both agents."""
        return ((Agent, self.actor.agent), (Agent, self.agent))

    def decide(self, world: World) -> Decision:
        """Check the right, keep the change."""
        actor = rights.acting(world, self.actor)
        agent = world.get(Agent, self.agent)
        if agent is None:
            raise NotFound
        if actor.id != agent.id:
            self._check(world, actor, agent)
        if agent.status == self.status:
            return Decision(answer=agent.id)
        changed = replace(agent, status=self.status, status_since=world.now)
        if actor.id == agent.id and self.status != "offline":
            changed = replace(changed, desk=self.actor.desk, alive=True)
        line = StatusChange(
            id=world.new_id(),
            agent=agent.id,
            was=agent.status,
            now=self.status,
            by=actor.id,
            reason=self.reason,
            at=world.now,
        )
        return Decision(rows=(changed, line), answer=agent.id)

    @staticmethod
    def _check(world: World, actor: Agent, agent: Agent) -> None:
        if actor.role == "agent":
            raise Forbidden("Only a supervisor may change somebody else's status.")
        if actor.role == "supervisor" and not rights.shares_product(world, actor, agent):
            raise NotFound
        if agent.status == "offline":
            raise Impossible(f"{agent.name} is not at work.", code="offline")
