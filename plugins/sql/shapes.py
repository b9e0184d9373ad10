"""Turns rows into what desks see. Pure; `decode` functions read the columns named beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from core.models.parts import FilePart, Part, StickerPart
from core.models.people import Job, StatusChange
from core.models.rows import Assignment, Contact, Conversation, Message
from core.ports.reading import StoredEvent
from core.ports.views import (
    AttachmentView,
    AuthorView,
    Closed,
    ContactView,
    ConversationView,
    DeliveryView,
    JobView,
    MessageView,
    StatusChangeView,
    WhyView,
)
from plugins.sql.codec import Reading, from_micros
from plugins.sql.schema import CODECS

_message = CODECS[Message]
_CLOSED = ("closed_as", "closed_reason", "closed_at", "closed_by")
_shared = [
    name for name in ConversationView.__struct_fields__ if name in CODECS[Conversation].names
]
_shared.remove("contact")  # an id in the row, a person in the view
_conversation = Reading(Conversation, [*_CLOSED, *_shared])
_contact = Reading(Contact, ContactView.__struct_fields__)
_WIDTH = len(_conversation.names)

# The feed renders a conversation for every message: only what is shown is read, and no row made.
CONVERSATION_COLUMNS = ", ".join(
    [f'c."{name}"' for name in _conversation.names] + [f'p."{name}"' for name in _contact.names]
)
CONTACT_COLUMNS = ", ".join(f'p."{name}"' for name in _contact.names)
MESSAGE_COLUMNS = ", ".join(f'm."{name}"' for name in _message.names)
EVENT_COLUMNS = "seq, at, type, audience, conversation, message, address, position, inbox, subject"


def decode_conversation(found: Sequence[Any]) -> ConversationView:
    """Read a row of CONVERSATION_COLUMNS."""
    fields = _conversation.fields(found[:_WIDTH])
    how, reason, at, by = (fields.pop(name) for name in _CLOSED)
    return ConversationView(
        contact=ContactView(**_contact.fields(found[_WIDTH:])),
        closed=None if how is None else Closed(as_=how, reason=reason, at=at, by=by),
        **fields,
    )


def decode_contact(found: Sequence[Any]) -> ContactView:
    """Read a row of CONTACT_COLUMNS."""
    return ContactView(**_contact.fields(found))


def decode_message(found: Sequence[Any]) -> MessageView:
    """Read a row of MESSAGE_COLUMNS."""
    return message_view(cast("Message", _message.decode(found)))


def message_view(row: Message) -> MessageView:
    """Show a message. Its files are pending until the room that fetches them exists."""
    return MessageView(
        id=row.id,
        conversation=row.conversation,
        position=row.position,
        kind=row.kind,
        note=row.note,
        author=AuthorView(kind=row.author_kind, id=row.author, name=row.author_name),
        text=row.text,
        parts=row.parts,
        attachments=attachments(row.id, row.parts) if row.parts else (),
        quote=row.quote,
        source_id=row.source_id,
        created_at=row.created_at,
        delivery=_delivery(row),
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
    )


def attachments(message: str, parts: Sequence[Part]) -> tuple[AttachmentView, ...]:
    """Show the parts that are files; the id is the message's with the part's index."""
    return tuple(
        AttachmentView(
            id=f"{message}.{index}",
            kind=part.media if isinstance(part, FilePart) else "sticker",
            name=part.name if isinstance(part, FilePart) else "",
            type=part.type,
            size=part.size if isinstance(part, FilePart) else None,
            state="pending",
        )
        for index, part in enumerate(parts)
        if isinstance(part, FilePart | StickerPart)
    )


def _delivery(row: Message) -> DeliveryView | None:
    if row.delivery_state is None:
        return None
    return DeliveryView(
        state=row.delivery_state,
        reason=row.delivery_reason,
        hint=row.delivery_hint,
        attempt=row.attempt,
    )


def decode_event(found: Sequence[Any]) -> StoredEvent:
    """Read a row of EVENT_COLUMNS."""
    seq, at, kind, audience, conversation, message, address, position, inbox, subject = found
    return StoredEvent(
        seq=seq,
        at=from_micros(at),
        type=kind,
        audience=audience,
        conversation=conversation,
        message=message,
        address=address,
        position=position,
        inbox=inbox,
        subject=subject,
    )


def why_view(row: Assignment) -> WhyView:
    """Show a routing decision; whoever decided wrote its sentence beside the inputs."""
    inputs = {name: value for name, value in row.why.items() if name != "sentence"}
    return WhyView(
        epoch=row.epoch,
        at=row.at,
        agent=row.agent,
        previous=row.previous,
        by=row.by,
        how=row.how,
        inputs=inputs,
        sentence=str(row.why.get("sentence", "")),
    )


def job_view(row: Job) -> JobView:
    """Show a job that ended badly."""
    return JobView(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        state=row.state,
        tries=row.tries,
        note=row.note,
        created_at=row.created_at,
    )


def status_change_view(row: StatusChange) -> StatusChangeView:
    """Show a change of status."""
    return StatusChangeView(
        agent=row.agent, was=row.was, now=row.now, by=row.by, reason=row.reason, at=row.at
    )
