"""Units of who owns a conversation: claim, take over, transfer, reopen by hand."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.errors import Conflict, Impossible, Malformed, NotFound
from core.models.people import Agent, Product, Team
from core.models.row import Key
from core.models.rows import Conversation, Place
from core.ports.workplace import Actor
from core.units import Ask, Decision
from core.views import View, load_of, talking
from core.world import World
from handoff import moves, rights
from handoff.routing import is_alive, is_full

replace = msgspec.structs.replace


class Claim(Ask, frozen=True, kw_only=True):
    """Take a conversation; on an owned one this is the take-over. Compare-and-set on the epoch."""

    actor: Actor
    conversation: str
    epoch: int
    over_capacity: bool = False

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, how full he is, and the conversation."""
        return (
            (Agent, self.actor.agent),
            (Conversation, self.conversation),
            load_of(self.actor.agent),
        )

    def decide(self, world: World) -> Decision:
        """Give it to the actor when nobody was faster."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        product = world.need(Product, conversation.product)
        rights.need_claimable(agent, conversation, product)
        if conversation.epoch != self.epoch:
            raise Conflict("Somebody was faster. Look again.", code="epoch_moved")
        if not conversation.is_open:
            raise Impossible("This conversation is closed.", code="closed")
        rights.need_online(agent)
        if conversation.agent == agent.id:
            raise Conflict("It is yours already.", code="already_yours")
        if is_full(agent, product, world.load(load_of(agent.id))) and not self.over_capacity:
            raise Conflict("You have no room. Confirm to take it all the same.", code="full")
        how = "claimed" if conversation.agent is None else "taken over"
        sentence = f"{agent.name} took it by hand."
        rows = moves.give(
            conversation,
            agent.id,
            at=world.now,
            by=agent.id,
            how=how,
            why={"sentence": sentence, "over_capacity": self.over_capacity},
        )
        return Decision(rows=tuple(rows), answer=conversation.id)


class Transfer(Ask, frozen=True, kw_only=True):
    """Hand a conversation to an agent, or put it into a team's queue."""

    actor: Actor
    conversation: str
    agent: str | None = None
    team: str | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, the conversation and the target."""
        keys: list[Key | View] = [(Agent, self.actor.agent), (Conversation, self.conversation)]
        if self.agent is not None:
            keys += [(Agent, self.agent), load_of(self.agent)]
        if self.team is not None:
            keys.append((Team, self.team))
        return keys

    def decide(self, world: World) -> Decision:
        """Check rights and the target; the routing policy serves a team's queue."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        if (self.agent is None) == (self.team is None):
            raise Malformed("Name an agent or a team.", field="agent")
        rights.need_at_work(agent)
        if not rights.supervises(agent, conversation.inbox):
            rights.need_owner(agent, conversation)
        if conversation.state not in {"active", "waiting", "bot"}:
            raise Impossible("This conversation is closed.", code="closed")
        if self.agent is not None:
            return self._to_agent(world, agent, conversation, self.agent)
        team = world.get(Team, self.team or "")
        if team is None:
            raise Impossible("There is no such team.", code="no_team", field="team")
        rows = moves.queue(
            conversation,
            at=world.now,
            by=agent.id,
            how="transferred",
            team=team.id,
            keep_former=False,
            why={"sentence": f"{agent.name} transferred it to {team.name}."},
        )
        return Decision(rows=tuple(rows), answer=conversation.id)

    @staticmethod
    def _to_agent(world: World, agent: Agent, conversation: Conversation, one: str) -> Decision:
        target = world.get(Agent, one)
        if target is None or not rights.is_authorised(target, conversation.inbox):
            raise Impossible("He is not authorised for this inbox.", code="no_agent", field="agent")
        if target.disabled or target.status != "online" or not is_alive(target):
            raise Impossible(f"{target.name} is not online.", code="not_online", field="agent")
        if conversation.agent == target.id:
            raise Conflict(f"{target.name} has it already.", code="already_theirs")
        product = world.need(Product, conversation.product)
        if is_full(target, product, world.load(load_of(target.id))):
            raise Impossible(f"{target.name} has no room.", code="full", field="agent")
        rows = moves.give(
            conversation,
            target.id,
            at=world.now,
            by=agent.id,
            how="transferred",
            why={"sentence": f"{agent.name} transferred it to {target.name}."},
        )
        return Decision(rows=tuple(rows), answer=conversation.id)


class Reopen(Ask, frozen=True, kw_only=True):
    """Open an archived conversation again by hand, while the reply window allows an answer."""

    actor: Actor
    conversation: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, how full he is, and the conversation."""
        return (
            (Agent, self.actor.agent),
            (Conversation, self.conversation),
            load_of(self.actor.agent),
        )

    def decide(self, world: World) -> Decision:
        """Give it to the actor; only one conversation of a contact and inbox may be open."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        rights.need_online(agent)
        if not rights.is_authorised(agent, conversation.inbox):
            raise NotFound
        if conversation.state not in {"archived", "ended"}:
            raise Conflict("It is open.", code="open")
        contact = rights.person_of(world, conversation).id
        world.want([talking(contact), (Place, conversation.inbox, contact)])
        for one in world.members(talking(contact)):
            if world.need(Conversation, one).inbox == conversation.inbox:
                raise Conflict(
                    "A newer conversation with this customer is open.", code="newer_open"
                )
        ends = conversation.window_expires_at
        if ends is not None and ends <= world.now:
            raise Impossible("The customer wrote too long ago.", code="window_closed")
        product = world.need(Product, conversation.product)
        if is_full(agent, product, world.load(load_of(agent.id))):
            raise Conflict("You have no room.", code="full")
        opened = replace(
            conversation,
            contact=contact,
            closed_as=None,
            closed_reason=None,
            closed_at=None,
            closed_by=None,
            ended_by=None,
        )
        rows = moves.give(
            opened,
            agent.id,
            at=world.now,
            by=agent.id,
            how="reopened",
            why={"sentence": f"{agent.name} reopened it."},
        )
        place = Place(inbox=conversation.inbox, contact=contact, conversation=conversation.id)
        return Decision(rows=(*rows, place), answer=conversation.id)
