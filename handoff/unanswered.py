"""A customer whose owner is away does not wait for ever: timers, and the unit they fire."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from typing_extensions import override

from core.models.people import Agent, Product, Timer
from core.models.row import Key, Row
from core.models.rows import Conversation
from core.presence import BREAK_AFTER, GONE_AFTER
from core.timers import clear_timer, set_timer
from core.units import NOTHING, Ask, Decision
from core.views import View, owned
from core.world import World
from handoff import moves
from handoff.routing import is_alive

UNANSWERED = "unanswered"
AWAY = "away"


def patience(owner: Agent, product: Product) -> timedelta | None:
    """Return how long a customer of this owner waits; None = the owner is there."""
    if owner.status in {"break", "invisible"}:
        return timedelta(minutes=product.unanswered_break_minutes)
    if owner.status == "online" and not is_alive(owner):
        return timedelta(minutes=product.unanswered_away_minutes)
    return None


class Unanswered:
    """Sets timers where an owner who is away has an unanswered message."""

    watches: frozenset[type[Row]] = frozenset({Conversation, Agent})

    def react(self, world: World, decision: Decision) -> Decision:  # noqa: ARG002
        """Look at conversations that got a message and at agents who went away or came back."""
        rows: list[Row] = []
        for before, after in world.changes():
            if isinstance(after, Conversation):
                if (
                    after.state == "active"
                    and after.agent is not None
                    and after.waiting_since is not None
                ):
                    rows += _watch(world, after)
            elif isinstance(after, Agent) and _moved(before, after):
                rows += _watch_agent(world, after)
        return Decision(rows=tuple(rows)) if rows else NOTHING


def _moved(before: Row | None, after: Agent) -> bool:
    return isinstance(before, Agent) and (before.status, before.alive) != (
        after.status,
        after.alive,
    )


def _watch(world: World, conversation: Conversation) -> list[Row]:
    owner = world.need(Agent, conversation.agent or "")
    wait = patience(owner, world.need(Product, conversation.product))
    if wait is None or conversation.waiting_since is None:
        return []
    world.want([(Timer, UNANSWERED, conversation.id)])
    due = max(world.now, conversation.waiting_since + wait)
    return set_timer(world, UNANSWERED, conversation.id, due)


def _watch_agent(world: World, agent: Agent) -> list[Row]:
    world.want([owned(agent.id), (Timer, AWAY, agent.id)])
    rows: list[Row] = []
    if agent.status == "online" and not is_alive(agent):
        rows += set_timer(world, AWAY, agent.id, world.now + BREAK_AFTER - GONE_AFTER)
    else:
        rows += clear_timer(world, AWAY, agent.id)
    mine = [world.need(Conversation, one) for one in world.members(owned(agent.id))]
    waiting = [c for c in mine if c.waiting_since is not None]
    world.want([(Timer, UNANSWERED, c.id) for c in waiting])
    for conversation in waiting:
        rows += _watch(world, conversation)
    return rows


class Requeue(Ask, frozen=True, kw_only=True):
    """The timer of an unanswered conversation has fired: look whether it still is."""

    conversation: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The conversation and its timer."""
        return ((Conversation, self.conversation), (Timer, UNANSWERED, self.conversation))

    def decide(self, world: World) -> Decision:
        """Back to the queue, or look again later, or nothing."""
        conversation = world.get(Conversation, self.conversation)
        if conversation is None or conversation.state != "active" or conversation.agent is None:
            return NOTHING
        since = conversation.waiting_since
        owner = world.need(Agent, conversation.agent)
        wait = patience(owner, world.need(Product, conversation.product))
        if since is None or wait is None:
            return NOTHING
        if since + wait > world.now:
            rows = set_timer(world, UNANSWERED, conversation.id, since + wait)
            return Decision(rows=tuple(rows))
        minutes = int((world.now - since).total_seconds() // 60)
        rows = moves.queue(
            conversation,
            at=world.now,
            by="system",
            how="unanswered",
            team=conversation.team,
            keep_former=False,
            why={"sentence": f"{owner.name} is away and did not answer for {minutes} minutes."},
        )
        return Decision(rows=tuple(rows))
