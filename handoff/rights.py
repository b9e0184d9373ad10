"""Who may do what. Pure; every check of the desk side is here, once."""

from __future__ import annotations

from core.errors import Conflict, Forbidden, Impossible, NotFound, SignedOut
from core.models.people import Agent, Inbox, Product
from core.models.rows import Contact, Conversation
from core.ports.reading import Scope
from core.ports.workplace import Actor
from core.world import World


def acting(world: World, actor: Actor) -> Agent:
    """Return the actor's row; a disabled agent is nobody."""
    agent = world.get(Agent, actor.agent)
    if agent is None or agent.disabled:
        raise SignedOut("This account is disabled.")
    return agent


def is_authorised(agent: Agent, inbox: str) -> bool:
    """Say whether he answers in this inbox."""
    return inbox in agent.inboxes


def may_read(agent: Agent, inbox: str) -> bool:
    """Say whether he may know of what happens in this inbox; ownership does not matter."""
    return agent.role == "admin" or inbox in agent.inboxes


def scope_of(agent: Agent) -> Scope:
    """Return the inboxes he may read, None for all."""
    return None if agent.role == "admin" else frozenset(agent.inboxes)


def supervises(agent: Agent, inbox: str) -> bool:
    """Say whether he leads the people of this inbox."""
    return agent.role == "admin" or (agent.role == "supervisor" and inbox in agent.inboxes)


def need_admin(agent: Agent) -> None:
    """Refuse everybody else."""
    if agent.role != "admin":
        raise Forbidden("Only an admin may do this.")


def need_lead(agent: Agent) -> None:
    """Refuse those who are neither supervisor nor admin."""
    if agent.role == "agent":
        raise Forbidden("Only a supervisor or an admin may do this.")


def visible(world: World, agent: Agent, conversation: str) -> Conversation:
    """Return a conversation he may know of; what he may not looks like what is not there."""
    row = world.get(Conversation, conversation)
    if row is None or not may_read(agent, row.inbox):
        raise NotFound
    return row


def person_of(world: World, conversation: Conversation) -> Contact:
    """Return the contact of a conversation as he is today: what was archived names who he was."""
    contact = world.need(Contact, conversation.contact)
    while contact.merged_into is not None:
        contact = world.need(Contact, contact.merged_into)
    return contact


def need_at_work(agent: Agent) -> None:
    """Refuse somebody whose work is over: he reads, but does not act."""
    if agent.status == "offline":
        raise Impossible("You are offline. Change your status first.", code="offline")


def need_online(agent: Agent) -> None:
    """Refuse everybody who does not take new conversations."""
    if agent.status != "online":
        raise Impossible("You need to be online for this.", code="not_online")


def need_owner(agent: Agent, conversation: Conversation) -> None:
    """Refuse everybody but the owner."""
    if conversation.agent != agent.id:
        raise Conflict("This conversation is not yours.", code="not_yours")


def need_claimable(agent: Agent, conversation: Conversation, product: Product) -> None:
    """Refuse a claim where the product does not allow it; taking over is for supervisors."""
    if not is_authorised(agent, conversation.inbox):
        raise Forbidden("You are not authorised for this inbox.")
    if supervises(agent, conversation.inbox):
        return
    if conversation.agent is not None or product.claim != "agents":
        raise Forbidden("Only a supervisor may take this conversation.")


def shares_product(world: World, one: Agent, other: Agent) -> bool:
    """Say whether two agents are authorised in one product at least."""
    names = {*one.inboxes, *other.inboxes}
    world.want([(Inbox, name) for name in names])
    products = [
        {row.product for name in who.inboxes if (row := world.get(Inbox, name)) is not None}
        for who in (one, other)
    ]
    return bool(products[0] & products[1])
