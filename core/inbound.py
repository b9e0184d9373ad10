"""Units that take in what customers send. Idempotent by the provider's ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from typing_extensions import override

from core.models.inbound import Incoming
from core.models.people import Inbox, Product
from core.models.row import Key, Row
from core.models.rows import (
    Address,
    AddressKey,
    Contact,
    Conversation,
    Delivery,
    Message,
    ParkedItem,
    Place,
    Webhook,
)
from core.units import Ask, Decision, Unit
from core.views import View, talking
from core.world import World

replace = msgspec.structs.replace
WINDOW_MARGIN = timedelta(seconds=60)


class Accepted(msgspec.Struct, frozen=True):
    """The answer to Accept; `message` is None when it was a repeat."""

    message: str | None


class KeepWebhook(Ask, frozen=True, kw_only=True):
    """Store one raw body beside what is made of it. Answers its id."""

    id: str
    inbox: str
    body: bytes
    received_at: datetime
    state: Literal["done", "unparsed"] = "done"
    problem: str | None = None

    def decide(self, world: World) -> Decision:
        """Put it."""
        row = Webhook(
            id=self.id,
            inbox=self.inbox,
            body=self.body,
            received_at=world.now,
            state=self.state,
            problem=self.problem,
        )
        return Decision(rows=(row,), answer=self.id)


class ParkItem(Ask, frozen=True, kw_only=True):
    """Record that one item of a body could not be stored, so that it can be replayed."""

    webhook: str
    item: int
    problem: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The body it stood in, and an earlier trace of the same item."""
        return ((Webhook, self.webhook), (ParkedItem, self.webhook, self.item))

    def decide(self, world: World) -> Decision:
        """Mark the body as failed and list the item."""
        rows: list[Row] = [
            ParkedItem(webhook=self.webhook, item=self.item, problem=self.problem, at=world.now)
        ]
        body = world.get(Webhook, self.webhook)
        if body is not None and body.state != "failed":
            rows.append(replace(body, state="failed", problem=self.problem))
        return Decision(rows=tuple(rows))


class Accept(Ask, frozen=True, kw_only=True):
    """Store one message of a customer: dedupe, contact, conversation, message, window."""

    inbox: str
    incoming: Incoming
    window: timedelta | None = None
    webhook: str = ""
    item: int = 0

    @override
    def needs(self) -> Iterable[Key | View]:
        """Its own id, the writer's keys, what it quotes, and the inbox."""
        keys: list[Key | View] = [
            (Delivery, self.inbox, self.incoming.source_id),
            (Inbox, self.inbox),
        ]
        keys += [(AddressKey, self.inbox, key) for key in self.incoming.sender.keys]
        if self.incoming.quote:
            keys.append((Delivery, self.inbox, self.incoming.quote))
        return keys

    @override
    def parked(self, problem: str) -> Unit | None:
        """Leave a trace beside the raw body."""
        return (
            ParkItem(webhook=self.webhook, item=self.item, problem=problem)
            if self.webhook
            else None
        )

    def decide(self, world: World) -> Decision:
        """Store it once; a repeat changes nothing and answers the same way."""
        if world.get(Delivery, self.inbox, self.incoming.source_id) is not None:
            return Decision(answer=Accepted(None))
        rows: list[Row] = []
        address, contact = self._writer(world, rows)
        conversation = self._conversation(world, rows, address, contact)
        message = self._message(world, address, conversation, contact)
        delivery = Delivery(inbox=self.inbox, source_id=self.incoming.source_id, message=message.id)
        address = replace(address, position=message.position)
        return Decision(
            rows=(*rows, address, conversation, message, delivery), answer=Accepted(message.id)
        )

    def _writer(self, world: World, rows: list[Row]) -> tuple[Address, Contact]:
        sender = self.incoming.sender
        found = [world.get(AddressKey, self.inbox, key) for key in sender.keys]
        known = next((key for key in found if key is not None), None)
        if known is None:
            contact = Contact(
                id=world.new_id(),
                name=sender.name,
                phone=sender.phone,
                email=sender.email,
                username=sender.username,
                inboxes=(self.inbox,),
                created_at=world.now,
            )
            rows.append(contact)
            address = Address(
                id=world.new_id(),
                inbox=self.inbox,
                contact=contact.id,
                keys=sender.keys,
                created_at=world.now,
            )
            world.assume_empty(talking(contact.id))
        else:
            address = world.need(Address, known.address)
            contact = world.need(Contact, address.contact)
            fresh = replace(
                contact,
                name=contact.name or sender.name,
                phone=contact.phone or sender.phone,
                email=contact.email or sender.email,
                username=sender.username or contact.username,
            )
            if fresh != contact:
                rows.append(fresh)
                contact = fresh
            added = tuple(k for k, row in zip(sender.keys, found, strict=True) if row is None)
            if added:
                address = replace(address, keys=tuple(dict.fromkeys((*sender.keys, *address.keys))))
        rows += [
            AddressKey(inbox=self.inbox, source_id=key, address=address.id)
            for key, row in zip(sender.keys, found, strict=True)
            if row is None
        ]
        return address, contact

    def _conversation(
        self, world: World, rows: list[Row], address: Address, contact: Contact
    ) -> Conversation:
        is_new = any(row is contact for row in rows) and contact.created_at == world.now
        place = None if is_new else world.get(Place, self.inbox, contact.id)
        latest = None if place is None else world.need(Conversation, place.conversation)
        inbox = world.need(Inbox, self.inbox)
        if latest is not None and contact.blocked:
            # Kept, so that nothing a customer wrote is lost, but nobody is disturbed by it.
            return replace(latest, last_message_at=world.now)
        if latest is not None:
            product = world.need(Product, inbox.product)
            latest = resume(latest, product, world.now)
        if latest is None:
            latest = Conversation(
                id=world.new_id(),
                inbox=self.inbox,
                product=inbox.product,
                channel=inbox.channel,
                contact=contact.id,
                address=address.id,
                state="waiting",
                queued_at=world.now,
                created_at=world.now,
                last_message_at=world.now,
            )
            rows.append(Place(inbox=self.inbox, contact=contact.id, conversation=latest.id))
        return replace(
            latest,
            contact=contact.id,
            address=address.id,
            unread=latest.unread + 1,
            last_message_at=world.now,
            waiting_since=latest.waiting_since or world.now,
            window_expires_at=self._window(world, latest),
        )

    def _window(self, world: World, conversation: Conversation) -> datetime | None:
        if self.window is None or not self.incoming.opens_window:
            return conversation.window_expires_at
        written = min(self.incoming.sent_at or world.now, world.now)
        ends = written + self.window - WINDOW_MARGIN
        return max(ends, conversation.window_expires_at or ends)

    def _message(
        self, world: World, address: Address, conversation: Conversation, contact: Contact
    ) -> Message:
        quoted = (
            world.get(Delivery, self.inbox, self.incoming.quote) if self.incoming.quote else None
        )
        return Message(
            id=world.new_id(),
            conversation=conversation.id,
            address=address.id,
            inbox=self.inbox,
            position=address.position + 1,
            kind="incoming",
            author_kind="contact",
            author=contact.id,
            author_name=contact.name,
            text=self.incoming.text,
            parts=self.incoming.parts,
            quote=None if quoted is None else quoted.message,
            source_id=self.incoming.source_id,
            created_at=world.now,
            sent_at=self.incoming.sent_at,
        )


def resume(latest: Conversation, product: Product, now: datetime) -> Conversation | None:
    """Return the newest conversation as a new customer message finds it; None = start another.

    Open ones go on; a parked one waits again; an ended one resumes; an archived one reopens
    within the product's time. Who gets it is the routing policy's business.
    """
    if latest.is_open:
        if latest.state == "active" and latest.agent is None:
            return replace(latest, state="waiting", queued_at=latest.waiting_since or now)
        return latest
    if latest.state == "ended":
        return _reopened(latest, now)
    if latest.state == "archived" and latest.closed_at is not None:
        if latest.closed_reason in {"merged", "spam"}:
            return None
        if now - latest.closed_at <= timedelta(hours=product.reopen_hours):
            return _reopened(latest, now)
    return None


def _reopened(latest: Conversation, now: datetime) -> Conversation:
    return replace(
        latest,
        state="waiting",
        agent=None,
        former=latest.agent or latest.former,
        epoch=latest.epoch + 1,
        replied=False,
        waiting_since=None,
        queued_at=now,
        ended_by=None,
        closed_as=None,
        closed_reason=None,
        closed_at=None,
        closed_by=None,
    )
