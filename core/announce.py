"""Which events a change of rows means, and who may ever see them: the feed's one allow-list.

Events are derived from the rows a unit and its policies changed, so no unit can forget one:
whoever folds the feed has the tables.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.models.people import Agent, Inbox
from core.models.row import Row
from core.models.rows import Contact, Conversation, Message
from core.units import Event

CONTACT = "contact"
AGENTS = "agents"
INTERNAL = "internal"
BOTH = "contact|agents"

AUDIENCE: dict[str, str] = {
    "message.created": BOTH,
    "message.updated": BOTH,
    "message.deleted": BOTH,
    "receipt.changed": AGENTS,
    "conversation.waiting": BOTH,
    "conversation.assigned": BOTH,
    "conversation.released": BOTH,
    "conversation.ended": BOTH,
    "conversation.resolved": BOTH,
    "conversation.reopened": BOTH,
    "conversation.updated": AGENTS,
    "contact.updated": AGENTS,
    "agent.status": AGENTS,
    "agent.access": INTERNAL,
    "inbox.health": AGENTS,
}


def audience_of(kind: str, *, note: bool = False) -> str:
    """Return who may see an event; anything unlisted is internal, a note never leaves the desk."""
    if note:
        return AGENTS
    return AUDIENCE.get(kind, INTERNAL)


def events_of(changes: Iterable[tuple[Row | None, Row]]) -> list[Event]:
    """Return the events of one unit's changes: conversations, then messages, then people."""
    conversations: list[Event] = []
    messages: list[Event] = []
    people: list[Event] = []
    for before, after in changes:
        if isinstance(after, Message):
            messages += _of_message(before, after)
        elif isinstance(after, Conversation):
            conversations += _of_conversation(before, after)
        elif isinstance(after, Contact):
            people += _of_contact(before, after)
        elif isinstance(after, Agent):
            people += _of_agent(before, after)
        elif (
            isinstance(after, Inbox) and isinstance(before, Inbox) and before.health != after.health
        ):
            people.append(
                Event(
                    type="inbox.health",
                    audience=AUDIENCE["inbox.health"],
                    inbox=after.name,
                    subject=after.name,
                )
            )
    return conversations + messages + people


def _of_message(before: Row | None, after: Message) -> list[Event]:
    if not isinstance(before, Message):
        kind = "message.created"
    elif before.deleted_at is None and after.deleted_at is not None:
        kind = "message.deleted"
    elif (before.text, before.parts, before.edited_at) != (
        after.text,
        after.parts,
        after.edited_at,
    ):
        kind = "message.updated"
    elif before != after:
        kind = "receipt.changed"
    else:
        return []
    logged = kind != "receipt.changed" and not after.note
    return [
        Event(
            type=kind,
            audience=audience_of(kind, note=after.note),
            conversation=after.conversation,
            message=after.id,
            address=after.address,
            position=after.position if logged else None,
            inbox=after.inbox,
        )
    ]


_CLOSED = {"archived": "conversation.resolved", "ended": "conversation.ended"}


def _conversation_kinds(before: Conversation | None, after: Conversation) -> list[str]:
    if before is None:
        # A stretch that is assigned in the commit that made it never waited.
        return ["conversation.waiting"] if after.agent is None else ["conversation.assigned"]
    if before == after:
        return []
    if after.state != before.state and after.state in _CLOSED:
        return [_CLOSED[after.state]]
    if before.state in _CLOSED and after.is_open:
        return ["conversation.reopened", *(["conversation.assigned"] if after.agent else [])]
    if after.agent != before.agent:
        return ["conversation.released" if after.agent is None else "conversation.assigned"]
    if after.state == "waiting" and before.state != "waiting":
        return ["conversation.waiting"]
    return ["conversation.updated"]


def _of_conversation(before: Row | None, after: Conversation) -> list[Event]:
    old = before if isinstance(before, Conversation) else None
    return [
        Event(
            type=kind,
            audience=AUDIENCE[kind],
            conversation=after.id,
            address=after.address,
            inbox=after.inbox,
        )
        for kind in _conversation_kinds(old, after)
    ]


def _of_contact(before: Row | None, after: Contact) -> list[Event]:
    """Every conversation shows its contact: tell each inbox that has one."""
    if before is None or before == after:
        return []
    audience = AUDIENCE["contact.updated"]
    return [
        Event(type="contact.updated", audience=audience, inbox=inbox, subject=after.id)
        for inbox in after.inboxes
    ]


def _of_agent(before: Row | None, after: Agent) -> list[Event]:
    events: list[Event] = []
    old = before if isinstance(before, Agent) else None
    if old is None or _shown(old) != _shown(after):
        events.append(
            Event(type="agent.status", audience=AUDIENCE["agent.status"], subject=after.id)
        )
    if old is not None and (old.inboxes, old.role, old.disabled) != (
        after.inboxes,
        after.role,
        after.disabled,
    ):
        events.append(Event(type="agent.access", audience=INTERNAL, subject=after.id))
    return events


def _shown(agent: Agent) -> tuple[object, ...]:
    """Return what the frame of an agent shows, and whether he is there."""
    return (agent.status, agent.disabled, agent.alive, agent.name, agent.inboxes)
