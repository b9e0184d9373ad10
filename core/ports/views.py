"""What desks and the API see: the structs of design §4, encoded as they stand.

Ids are opaque strings, times RFC 3339 UTC. A field without a value is null, never left out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from core.models.inbound import Can
from core.models.parts import Part
from core.models.people import Role, Status


class ContactView(msgspec.Struct, frozen=True, kw_only=True):
    """The person as agents see him."""

    id: str
    name: str
    phone: str
    email: str
    username: str
    attributes: dict[str, str]
    blocked: bool = False


class Closed(msgspec.Struct, frozen=True, kw_only=True, rename={"as_": "as"}):
    """How a conversation came into the archive."""

    as_: Literal["resolved", "auto", "ticket"]
    reason: str | None
    at: datetime
    by: str | None


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation. `agent` and `team` are ids; `unread` counts after the owner's mark."""

    id: str
    inbox: str
    channel: str
    product: str
    state: str
    contact: ContactView
    agent: str | None
    team: str | None
    topic: str | None
    tags: tuple[str, ...]
    epoch: int
    created_at: datetime
    last_message_at: datetime
    waiting_since: datetime | None
    assigned_at: datetime | None
    first_reply_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    ended_by: str | None
    window_expires_at: datetime | None
    unread: int
    ticket: str | None
    closed: Closed | None


class AuthorView(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote a message."""

    kind: Literal["contact", "agent", "bot", "system"]
    id: str | None
    name: str


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message of ours; `hint` says what to do."""

    state: str
    reason: str | None
    hint: str | None
    attempt: int


class AttachmentView(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a message. `url` is short-lived; size in bytes."""

    id: str
    kind: str
    name: str
    type: str
    size: int | None
    state: Literal["pending", "ready", "failed", "refused"]
    url: str | None = None
    thumb: str | None = None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Order by `id`; `position` counts what the contact may see."""

    id: str
    conversation: str
    position: int
    kind: Literal["incoming", "outgoing", "activity"]
    note: bool
    author: AuthorView
    text: str
    parts: tuple[Part, ...]
    attachments: tuple[AttachmentView, ...] = ()
    quote: str | None
    reactions: tuple[dict[str, Any], ...] = ()
    source_id: str | None
    created_at: datetime
    delivery: DeliveryView | None
    edited_at: datetime | None
    deleted_at: datetime | None


class CapacityView(msgspec.Struct, frozen=True, kw_only=True):
    """How full an agent is in one product."""

    load: int
    capacity: int


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent. `products` follow from the inboxes he is authorised for."""

    id: str
    name: str
    email: str
    role: Role
    products: tuple[str, ...]
    inboxes: tuple[str, ...]
    teams: tuple[str, ...]
    languages: tuple[str, ...]
    status: Status
    status_since: datetime
    capacities: dict[str, CapacityView]
    max_total: int
    disabled: bool
    slack_user: str | None


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """The three labels: customers without an agent, agents online and authorised, own status."""

    waiting: int
    online: int
    status: Status
    status_since: datetime


class ProductView(msgspec.Struct, frozen=True, kw_only=True):
    """A brand and its settings."""

    name: str
    title: str
    timezone: str
    capacity: int
    unanswered_max: int
    claim: Literal["supervisors", "agents"]
    reopen_hours: int
    unanswered_away_minutes: int
    unanswered_break_minutes: int


class InboxView(msgspec.Struct, frozen=True, kw_only=True):
    """An inbox and what its channel can."""

    name: str
    product: str
    channel: str
    title: str
    icon: str
    colour: str
    can: Can
    state: Literal["attached", "detached"]
    health: Literal["new", "ok", "auth_dead"]
    problem: str | None


class TeamView(msgspec.Struct, frozen=True, kw_only=True):
    """A group of agents."""

    id: str
    name: str


class TopicView(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation was about."""

    id: str
    name: str
    products: tuple[str, ...]
    active: bool


class WhyView(msgspec.Struct, frozen=True, kw_only=True):
    """One routing decision: who, when, how, its inputs, and one sentence."""

    epoch: int
    at: datetime
    agent: str | None
    previous: str | None
    by: str
    how: str
    inputs: dict[str, Any]
    sentence: str


class StatusChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One change of status."""

    agent: str
    was: Status
    now: Status
    by: str
    reason: str
    at: datetime


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ended badly."""

    id: str
    kind: str
    subject: str
    state: str
    tries: int
    note: str | None
    created_at: datetime


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """A raw body that was not wholly taken in."""

    id: str
    inbox: str
    state: str
    problem: str | None
    received_at: datetime
    size: int


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame of the agents' stream. `conversation` is an id; `data` the whole object."""

    seq: int | None = None
    type: str
    at: datetime | None = None
    conversation: str | None = None
    data: Any = None
