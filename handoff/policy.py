"""The two policies of handoff, run inside every batch: who leaves, and who gets what waits.

They look only at what a unit changed, so any unit that frees room or adds a waiting conversation
drains the queue in its own commit, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.models.people import Agent, Product
from core.models.row import Row
from core.models.rows import Conversation
from core.units import NOTHING, Ask, Decision
from core.views import Load, View, load_of, on_status, owned, talking
from core.world import World
from handoff import moves
from handoff.routing import choose, is_alive, is_eligible, room_of

DRAIN_BOUND = 50
Queue = tuple[str, str]


class Leaving:
    """Somebody goes offline, is disabled or loses an inbox: his conversations find their place."""

    watches: frozenset[type[Row]] = frozenset({Agent})

    def react(self, world: World, decision: Decision) -> Decision:  # noqa: ARG002
        """Queue what has an unanswered message, park the rest, in the same commit."""
        rows: list[Row] = []
        for before, after in world.changes():
            if isinstance(after, Agent) and isinstance(before, Agent):
                lost = lost_inboxes(before, after)
                if lost is not None:
                    rows += _hand_back(world, after, lost)
        return Decision(rows=tuple(rows)) if rows else NOTHING


def lost_inboxes(before: Agent, after: Agent) -> frozenset[str] | None:
    """Return the inboxes he no longer serves, None when nothing was lost."""
    gone = after.status == "offline" or after.disabled
    was_gone = before.status == "offline" or before.disabled
    if gone and not was_gone:
        return frozenset(before.inboxes)
    lost = frozenset(before.inboxes) - frozenset(after.inboxes)
    return lost or None


def _hand_back(world: World, agent: Agent, inboxes: frozenset[str]) -> Iterable[Row]:
    ids = world.members(owned(agent.id))
    world.want([(Conversation, one) for one in ids])
    for one in ids:
        conversation = world.need(Conversation, one)
        if conversation.inbox not in inboxes:
            continue
        sentence = f"{agent.name} left and the customer waits for an answer."
        if conversation.waiting_since is None:
            sentence = f"{agent.name} left; the customer had his answer."
            yield from moves.park(
                conversation, at=world.now, by="system", how="left", why={"sentence": sentence}
            )
        else:
            yield from moves.queue(
                conversation,
                at=world.now,
                by="system",
                how="left",
                team=conversation.team,
                why={"sentence": sentence},
            )


class Drain(Ask, frozen=True):
    """Go on with a long drain: the queues named, in a batch of its own."""

    queues: tuple[Queue, ...]

    def decide(self, world: World) -> Decision:
        """Give what waits to those who have room."""
        return drain(world, set(self.queues))


class Routing:
    """Gives waiting conversations to agents with room, oldest first."""

    watches: frozenset[type[Row]] = frozenset({Conversation, Agent, Product})

    def react(self, world: World, decision: Decision) -> Decision:  # noqa: ARG002
        """Drain every queue that a unit's changes may have moved."""
        queues: set[Queue] = set()
        freed: set[str] = set()
        everybody = False
        for before, after in world.changes():
            if isinstance(after, Conversation):
                queues |= _filled(before, after)
                freed |= _freed(before, after)
            elif isinstance(after, Agent) and _gained(before, after):
                freed.add(after.id)
            elif isinstance(after, Product) and before is not None:
                everybody = True
        if everybody:
            freed |= set(world.members(on_status("online")))
        world.want([(Agent, one) for one in freed])
        for one in freed:
            agent = world.need(Agent, one)
            if agent.status == "online" and not agent.disabled and is_alive(agent):
                queues |= {(inbox, team) for inbox in agent.inboxes for team in ("", *agent.teams)}
        return drain(world, queues) if queues else NOTHING


def _filled(before: Row | None, after: Conversation) -> set[Queue]:
    if after.state != "waiting":
        return set()
    if isinstance(before, Conversation) and before.state == "waiting" and before.team == after.team:
        return set()
    return {(after.inbox, after.team or "")}


def _freed(before: Row | None, after: Conversation) -> set[str]:
    if not isinstance(before, Conversation) or before.state != "active" or before.agent is None:
        return set()
    left = after.agent != before.agent or after.state != "active"
    answered = after.replied and not before.replied
    return {before.agent} if left or answered else set()


def _gained(before: Row | None, after: Agent) -> bool:
    if not isinstance(before, Agent):
        return True
    old, new = (
        (a.status, a.alive, a.inboxes, a.teams, a.capacities, a.max_total, a.disabled)
        for a in (before, after)
    )
    return old != new


def drain(world: World, queues: set[Queue]) -> Decision:
    """Assign the oldest of these queues until nobody has room; go on in the next batch if long."""
    views = {queue: View("waiting", queue) for queue in queues}
    world.want([*views.values(), on_status("online")])
    lines = {queue: list(world.queue(view).items) for queue, view in views.items()}
    short = {queue for queue, view in views.items() if not world.queue(view).complete}
    if not any(lines.values()) and not short:
        return NOTHING
    floor = _Floor(world)
    floor.prepare(world, lines.values())
    rows: list[Row] = []
    again: set[Queue] = set()
    while True:
        heads = [(line[0], queue) for queue, line in lines.items() if line]
        if not heads or len(rows) >= 2 * DRAIN_BOUND:
            break
        (_, oldest), queue = min(heads)
        given = floor.give(world, oldest)
        if given:
            rows += given
            lines[queue].pop(0)
            if not lines[queue] and queue in short:
                again.add(queue)
        else:
            # Nobody has room for this one, so nobody has for those behind it in the same queue.
            lines[queue] = []
            short.discard(queue)
    if len(rows) >= 2 * DRAIN_BOUND:
        again |= {queue for queue, line in lines.items() if line}
    again |= {queue for queue in short if not world.queue(views[queue]).items}
    then = (Drain(tuple(sorted(again))),) if again else ()
    return Decision(rows=tuple(rows), then=then)


class _Floor:
    """Who is online and how full, with what this drain has given already."""

    def __init__(self, world: World) -> None:
        self.agents = [
            agent
            for one in world.members(on_status("online"))
            if is_alive(agent := world.need(Agent, one))
        ]
        world.want([load_of(agent.id) for agent in self.agents])
        self.loads: dict[str, Load] = {a.id: world.load(load_of(a.id)) for a in self.agents}

    def prepare(self, world: World, lines: Iterable[list[tuple[Any, str]]]) -> None:
        """Ask together for what the conversations that may be given now will need."""
        heads = {line[0][1]: line for line in lines if line}
        if sum(map(len, heads.values())) == 1:
            return  # `give` asks for one by itself, and most drains are of one
        rows = {one: world.need(Conversation, one) for one in heads}
        world.want([(Product, row.product) for row in rows.values()])
        contacts: set[View] = set()
        for one, line in heads.items():
            room = self._room_for(rows[one], world.need(Product, rows[one].product))
            for _, other in line[: min(room, DRAIN_BOUND)]:
                contacts.add(talking(world.need(Conversation, other).contact))
        world.want(contacts)

    def _room_for(self, conversation: Conversation, product: Product) -> int:
        return sum(
            room_of(a, product, self.loads[a.id])
            for a in self.agents
            if is_eligible(a, conversation)
        )

    def give(self, world: World, one: str) -> list[Row]:
        """Return the rows of giving it to the best of those with room; none when nobody has any."""
        conversation = world.need(Conversation, one)
        product = world.get(Product, conversation.product)
        if product is None:
            return []
        view = talking(conversation.contact)
        if not world.is_known(view) and self._room_for(conversation, product) == 0:
            return []  # to ask for every queue nobody has room for would be a round each
        world.want([view])
        choice = choose(
            conversation,
            self.agents,
            self.loads,
            product,
            self._talking(world, conversation),
            world.rng,
        )
        if choice is None:
            return []
        agent = choice.agent.id
        rows = moves.give(
            conversation, agent, at=world.now, by="system", how="routed", why=choice.why
        )
        self.loads[agent] = self.loads[agent].shift(load_of(agent), None, rows[0])
        return rows

    @staticmethod
    def _talking(world: World, conversation: Conversation) -> frozenset[str]:
        ids = world.members(talking(conversation.contact))
        others = [world.need(Conversation, one) for one in ids if one != conversation.id]
        return frozenset(row.agent for row in others if row.agent is not None)


def online_now(agents: Iterable[Agent], inbox: str) -> bool:
    """Say whether anyone who is online is authorised for an inbox."""
    return any(
        a.status == "online" and not a.disabled and inbox in a.inboxes and is_alive(a)
        for a in agents
    )
