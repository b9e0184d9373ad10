"""The rows of the message path: who wrote, where, what, and what became of it.

Times are aware UTC. Ids are opaque strings that sort in the order of commit (core.ids).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec
from typing_extensions import override

from core.models.parts import Part
from core.models.row import Key, Row

ConversationState = Literal["bot", "waiting", "active", "ended", "archived", "ticket"]
OPEN: frozenset[str] = frozenset({"bot", "waiting", "active"})
DeliveryState = Literal["pending", "unknown", "sent", "delivered", "read", "failed"]


class Contact(Row, frozen=True, kw_only=True):
    """The person. `inboxes` are those he has written in: whoever reads one of them may know him.

    `merged_into` names the contact that goes on in its place.
    """

    table: ClassVar[str] = "contact"
    id: str
    name: str = ""
    phone: str = ""
    email: str = ""
    username: str = ""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    inboxes: tuple[str, ...] = ()
    blocked: bool = False
    merged_into: str | None = None
    created_at: datetime

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load who goes on in his place."""
        return () if self.merged_into is None else ((Contact, self.merged_into),)


class AddressKey(Row, frozen=True, kw_only=True):
    """One provider id of one address; an address may have several."""

    table: ClassVar[str] = "address_key"
    pk: ClassVar[tuple[str, ...]] = ("inbox", "source_id")
    inbox: str
    source_id: str
    address: str

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load the address too."""
        return ((Address, self.address),)


class Address(Row, frozen=True, kw_only=True):
    """A contact's place in one inbox. `position` is the last number its log gave out."""

    table: ClassVar[str] = "address"
    id: str
    inbox: str
    contact: str
    keys: tuple[str, ...] = ()
    position: int = 0
    created_at: datetime

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load the person and the newest conversation there."""
        return ((Contact, self.contact), (Place, self.inbox, self.contact))


class Place(Row, frozen=True, kw_only=True):
    """Points from one contact in one inbox to the newest conversation there."""

    table: ClassVar[str] = "place"
    pk: ClassVar[tuple[str, ...]] = ("inbox", "contact")
    inbox: str
    contact: str
    conversation: str

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load that conversation."""
        return ((Conversation, self.conversation),)


class Conversation(Row, frozen=True, kw_only=True):
    """One contact, one inbox. Active without agent = parked.

    `waiting_since` is the oldest customer message without a human answer; `queued_at` is its
    place in the queue while it waits. `replied` says whether the present owner has answered at
    all. `epoch` rises whenever the owner changes.
    """

    table: ClassVar[str] = "conversation"
    id: str
    inbox: str
    product: str
    channel: str
    contact: str
    address: str
    state: ConversationState
    agent: str | None = None
    former: str | None = None
    team: str | None = None
    topic: str | None = None
    tags: tuple[str, ...] = ()
    epoch: int = 0
    replied: bool = False
    unread: int = 0
    created_at: datetime
    last_message_at: datetime
    waiting_since: datetime | None = None
    queued_at: datetime | None = None
    assigned_at: datetime | None = None
    first_reply_at: datetime | None = None
    window_expires_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    ended_by: str | None = None
    closed_as: Literal["resolved", "auto", "ticket"] | None = None
    closed_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    ticket: str | None = None

    @property
    def is_open(self) -> bool:
        """Say whether it counts as the one open conversation of its contact and inbox."""
        return self.state in OPEN


class Message(Row, frozen=True, kw_only=True):
    """One message. A note is private: it never reaches the contact.

    `position` counts what the contact may see at this address; a note carries the position of
    what stands before it. The delivery fields show the newest attempt (core.delivery).
    """

    table: ClassVar[str] = "message"
    id: str
    conversation: str
    address: str
    inbox: str
    position: int
    kind: Literal["incoming", "outgoing", "activity"]
    note: bool = False
    author_kind: Literal["contact", "agent", "bot", "system"]
    author: str | None = None
    author_name: str = ""
    text: str = ""
    parts: tuple[Part, ...] = ()
    quote: str | None = None
    source_id: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    attempt: int = 0
    delivery_state: DeliveryState | None = None
    delivery_reason: str | None = None
    delivery_hint: str | None = None

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load where it belongs: whoever touches a message checks its conversation."""
        return ((Conversation, self.conversation),)


class Delivery(Row, frozen=True, kw_only=True):
    """What the provider counts as one message, both ways. Its key makes repeats harmless."""

    table: ClassVar[str] = "delivery"
    pk: ClassVar[tuple[str, ...]] = ("inbox", "source_id")
    inbox: str
    source_id: str
    message: str
    attempt: int = 0


class Attempt(Row, frozen=True, kw_only=True):
    """One try to send one message. States only move up (core.delivery)."""

    table: ClassVar[str] = "attempt"
    pk: ClassVar[tuple[str, ...]] = ("message", "number")
    message: str
    number: int
    state: DeliveryState
    reason: str | None = None
    hint: str | None = None
    job: str | None = None
    changed_at: datetime

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load the message it belongs to."""
        return ((Message, self.message),)


class HeldReceipt(Row, frozen=True, kw_only=True):
    """A receipt that came before the send's answer; taken up when the answer names its id."""

    table: ClassVar[str] = "held_receipt"
    pk: ClassVar[tuple[str, ...]] = ("inbox", "source_id")
    inbox: str
    source_id: str
    state: DeliveryState
    reason: str | None = None
    hint: str | None = None
    at: datetime


class Webhook(Row, frozen=True, kw_only=True):
    """One raw webhook body. `failed` items are listed by index with their problem."""

    table: ClassVar[str] = "webhook"
    id: str
    inbox: str
    body: bytes
    received_at: datetime
    state: Literal["done", "unparsed", "failed"]
    problem: str | None = None


class ParkedItem(Row, frozen=True, kw_only=True):
    """One item of a body that could not be stored; its neighbours were."""

    table: ClassVar[str] = "parked_item"
    pk: ClassVar[tuple[str, ...]] = ("webhook", "item")
    webhook: str
    item: int
    problem: str
    at: datetime
    done: bool = False


class Assignment(Row, frozen=True, kw_only=True):
    """Who got a conversation at which epoch, and why (inputs, rule, tie-break)."""

    table: ClassVar[str] = "assignment"
    pk: ClassVar[tuple[str, ...]] = ("conversation", "epoch")
    insert_only: ClassVar[bool] = True
    conversation: str
    epoch: int
    agent: str | None
    previous: str | None
    team: str | None = None
    at: datetime
    by: str
    how: str
    why: dict[str, Any] = msgspec.field(default_factory=dict)


class Resolution(Row, frozen=True, kw_only=True):
    """Who resolved what, when, with which topic: kept for each resolve, never changed."""

    table: ClassVar[str] = "resolution"
    insert_only: ClassVar[bool] = True
    id: str
    conversation: str
    agent: str
    teams: tuple[str, ...] = ()
    topic: str
    at: datetime


class Answer(Row, frozen=True, kw_only=True):
    """What an Idempotency-Key was answered, kept 48 h."""

    table: ClassVar[str] = "answer"
    pk: ClassVar[tuple[str, ...]] = ("actor", "name")
    insert_only: ClassVar[bool] = True
    actor: str
    name: str
    request: str
    message: str
    at: datetime
