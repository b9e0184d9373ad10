"""Units that close a conversation: resolve, end by the customer, block; and tags beside them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.errors import Conflict, Forbidden, Impossible, NotFound
from core.models.people import Agent, Topic
from core.models.row import Key, Row
from core.models.rows import Address, Contact, Conversation, Place, Resolution
from core.ports.workplace import Actor
from core.units import NOTHING, Ask, Decision
from core.views import View, addresses, talking
from core.world import World
from handoff import moves, rights

replace = msgspec.structs.replace


class Resolve(Ask, frozen=True, kw_only=True):
    """Archive a conversation with its topic. Who, when and which topic is kept for ever."""

    actor: Actor
    conversation: str
    topic: str | None
    tags: tuple[str, ...] | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, the conversation, the topic."""
        keys: list[Key | View] = [(Agent, self.actor.agent), (Conversation, self.conversation)]
        return [*keys, (Topic, self.topic)] if self.topic else keys

    def decide(self, world: World) -> Decision:
        """Refuse without a topic; owners in any status, supervisors for their inboxes."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        if not rights.supervises(agent, conversation.inbox):
            rights.need_owner(agent, conversation)
            if conversation.state == "active":
                rights.need_at_work(agent)
        if conversation.state == "archived":
            raise Conflict("It is archived already.", code="closed")
        topic = world.get(Topic, self.topic) if self.topic else None
        if topic is None or not topic.active:
            raise Impossible("Select a topic first.", code="topic_missing", field="topic")
        if topic.products and conversation.product not in topic.products:
            raise Impossible(
                "This topic belongs to another product.", code="topic_foreign", field="topic"
            )
        resolution = Resolution(
            id=world.new_id(),
            conversation=conversation.id,
            agent=agent.id,
            teams=agent.teams,
            topic=topic.id,
            at=world.now,
        )
        archived = moves.archive(
            conversation,
            at=world.now,
            by=agent.id,
            reason="resolved",
            closed_as="resolved",
            topic=topic.id,
            resolved_at=world.now,
            resolved_by=agent.id,
            tags=conversation.tags if self.tags is None else self.tags,
        )
        return Decision(rows=(archived, resolution), answer=conversation.id)


class EndByContact(Ask, frozen=True, kw_only=True):
    """The customer ends the chat: owned = `ended` until a topic is chosen, else archived."""

    address: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The address and what follows it."""
        return ((Address, self.address),)

    def decide(self, world: World) -> Decision:
        """Free the room at once; the owner keeps it in his list."""
        address = world.get(Address, self.address)
        if address is None:
            raise NotFound
        place = world.get(Place, address.inbox, address.contact)
        conversation = None if place is None else world.get(Conversation, place.conversation)
        if conversation is None or not conversation.is_open:
            return NOTHING
        if conversation.agent is None:
            row = moves.archive(
                conversation, at=world.now, by=None, reason="left", ended_by="contact"
            )
        else:
            row = replace(
                conversation,
                state="ended",
                ended_by="contact",
                waiting_since=None,
                queued_at=None,
                epoch=conversation.epoch + 1,
            )
        return Decision(rows=(row,), answer=conversation.id)


class Block(Ask, frozen=True, kw_only=True):
    """Block a contact: what is open is archived as spam, and nothing of his routes again."""

    actor: Actor
    conversation: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor and the conversation."""
        return ((Agent, self.actor.agent), (Conversation, self.conversation))

    def decide(self, world: World) -> Decision:
        """Supervisors of the inbox only."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        if not rights.supervises(agent, conversation.inbox):
            raise Forbidden("Only a supervisor may block.")
        contact = rights.person_of(world, conversation)
        world.want([talking(contact.id)])
        rows: list[Row] = [replace(contact, blocked=True)]
        for one in world.members(talking(contact.id)):
            row = world.need(Conversation, one)
            rows.append(moves.archive(row, at=world.now, by=agent.id, reason="spam"))
        return Decision(rows=tuple(rows), answer=conversation.id)


class SetTags(Ask, frozen=True, kw_only=True):
    """Replace the tags of a conversation, also of an archived one."""

    actor: Actor
    conversation: str
    tags: tuple[str, ...]

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor and the conversation."""
        return ((Agent, self.actor.agent), (Conversation, self.conversation))

    def decide(self, world: World) -> Decision:
        """Anybody authorised there may."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        if not rights.is_authorised(agent, conversation.inbox):
            raise Forbidden("You are not authorised for this inbox.")
        tags = tuple(dict.fromkeys(tag.strip() for tag in self.tags if tag.strip()))
        return Decision(rows=(replace(conversation, tags=tags),), answer=conversation.id)


class MergeContacts(Ask, frozen=True, kw_only=True):
    """Two contacts are one person: `contact` goes on as `into`, in one unit.

    In an inbox where both have an open conversation the older one goes on, with the owner of
    whichever has one, and the younger is archived `auto: merged`.
    """

    actor: Actor
    contact: str
    into: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """Both, their addresses and what is open."""
        return (
            (Agent, self.actor.agent),
            (Contact, self.contact),
            (Contact, self.into),
            *(view(one) for one in (self.contact, self.into) for view in (addresses, talking)),
        )

    def decide(self, world: World) -> Decision:
        """Move addresses and open conversations, fold doubles."""
        agent = rights.acting(world, self.actor)
        rights.need_lead(agent)
        gone, stays = world.get(Contact, self.contact), world.get(Contact, self.into)
        if gone is None or stays is None or gone.merged_into or stays.merged_into or gone == stays:
            raise NotFound
        moved = [world.need(Address, one) for one in world.members(addresses(gone.id))]
        kept = [world.need(Address, one) for one in world.members(addresses(stays.id))]
        if not all(rights.may_read(agent, a.inbox) for a in (*moved, *kept)):
            raise NotFound
        inboxes = {a.inbox for a in moved}
        world.want([(Place, i, c) for i in inboxes for c in (gone.id, stays.id)])
        rows: list[Row] = [replace(a, contact=stays.id) for a in moved]
        rows += [replace(gone, merged_into=stays.id), _joined(stays, gone)]
        for inbox in sorted(inboxes):
            rows += _fold(world, inbox, gone.id, stays.id, agent.id)
        return Decision(rows=tuple(rows), answer=stays.id)


def _joined(stays: Contact, gone: Contact) -> Contact:
    return replace(
        stays,
        name=stays.name or gone.name,
        phone=stays.phone or gone.phone,
        email=stays.email or gone.email,
        username=stays.username or gone.username,
        attributes={**gone.attributes, **stays.attributes},
        inboxes=tuple(sorted({*stays.inboxes, *gone.inboxes})),
        blocked=stays.blocked or gone.blocked,
    )


def _fold(world: World, inbox: str, gone: str, stays: str, by: str) -> list[Row]:
    places = [world.get(Place, inbox, one) for one in (gone, stays)]
    world.want([(Conversation, p.conversation) for p in places if p is not None])
    found = [world.need(Conversation, p.conversation) for p in places if p is not None]
    opened = sorted((row for row in found if row.is_open), key=lambda row: row.id)
    newest = max(found, key=lambda row: row.id)
    if not opened:
        goes_on = newest
        rows: list[Row] = [replace(newest, contact=stays)]
    elif len(opened) == 1:
        goes_on = opened[0]
        rows = [replace(goes_on, contact=stays)]
    else:
        older, younger = opened
        goes_on = older
        rows = [
            moves.archive(younger, at=world.now, by=by, reason="merged", contact=stays),
            *_continued(older, younger, stays, world, by),
        ]
    return [*rows, Place(inbox=inbox, contact=stays, conversation=goes_on.id)]


def _continued(
    older: Conversation, younger: Conversation, contact: str, world: World, by: str
) -> list[Row]:
    waits = [t for t in (older.waiting_since, younger.waiting_since) if t is not None]
    windows = [t for t in (older.window_expires_at, younger.window_expires_at) if t is not None]
    newer = younger.last_message_at > older.last_message_at
    joined = replace(
        older,
        contact=contact,
        address=younger.address if newer else older.address,
        last_message_at=max(older.last_message_at, younger.last_message_at),
        unread=older.unread + younger.unread,
        waiting_since=min(waits, default=None),
        window_expires_at=max(windows, default=None),
        replied=older.replied and younger.waiting_since is None,
    )
    if older.agent is not None:
        return [joined]
    if younger.agent is None:
        return _without_owner(joined, older, younger, world, by)
    return moves.give(
        joined,
        younger.agent,
        at=world.now,
        by=by,
        how="merged",
        why={
            "sentence": "Two contacts were merged; the owner of the younger conversation goes on."
        },
    )


def _without_owner(
    joined: Conversation, older: Conversation, younger: Conversation, world: World, by: str
) -> list[Row]:
    """Keep the better place in the queue; a parked one waits when the other one did."""
    if older.state == "waiting":
        places = [at for at in (older.queued_at, younger.queued_at) if at is not None]
        return [replace(joined, queued_at=min(places, default=None))]
    if younger.state != "waiting":
        return [joined]
    return moves.queue(
        joined,
        at=world.now,
        by=by,
        how="merged",
        team=younger.team,
        why={"sentence": "Two contacts were merged; the younger conversation was waiting."},
    )
