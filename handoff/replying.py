"""Units of writing to a customer: reply, note, retry, read mark."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import msgspec
from typing_extensions import override

from core.errors import Conflict, Impossible, NotFound
from core.models.inbound import Can
from core.models.people import Agent, Inbox
from core.models.row import Key, Row
from core.models.rows import Address, Answer, Attempt, Conversation, Message
from core.outbound import Author, attempt_rows, note, say
from core.ports.workplace import Actor, Reply
from core.units import NOTHING, Ask, Decision
from core.views import View
from core.world import World
from handoff import rights

replace = msgspec.structs.replace
NOTE_LIMIT = 20_000
_LENGTH: dict[str, Callable[[str], int]] = {
    "chars": len,
    "bytes": lambda text: len(text.encode()),
    "utf16": lambda text: len(text.encode("utf-16-le")) // 2,
}


class Say(Ask, frozen=True, kw_only=True):
    """Answer the customer, or write a note. Answers the message's id.

    The same Idempotency-Key gives the same answer; with another body it is refused.
    """

    actor: Actor
    conversation: str
    reply: Reply
    can: dict[str, Can]

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, the conversation, and what the key was answered before."""
        keys: list[Key | View] = [(Agent, self.actor.agent), (Conversation, self.conversation)]
        if self.reply.key:
            keys.append((Answer, self.actor.agent, self.reply.key))
        if self.reply.quote:
            keys.append((Message, self.reply.quote))
        return keys

    def decide(self, world: World) -> Decision:
        """Check rights and window, store the message and the job that sends it."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        digest = _digest(self.conversation, self.reply)
        if self.reply.key:
            before = world.get(Answer, agent.id, self.reply.key)
            if before is not None:
                if before.request != digest:
                    raise Impossible(
                        "This Idempotency-Key was used for another message.", code="key_reused"
                    )
                return Decision(answer=before.message)
        self._check_text()
        world.want([(Inbox, conversation.inbox), (Address, conversation.address)])
        rights.need_at_work(agent)
        if self.reply.note:
            message, rows = self._note(world, conversation, agent)
        else:
            message, rows = self._reply(world, conversation, agent)
        if self.reply.key:
            rows.append(
                Answer(
                    actor=agent.id,
                    name=self.reply.key,
                    request=digest,
                    message=message.id,
                    at=world.now,
                )
            )
        return Decision(rows=tuple(rows), answer=message.id)

    def _check_text(self) -> None:
        if not self.reply.text.strip():
            raise Impossible("A message needs a text.", code="empty", field="text")
        if self.reply.note and len(self.reply.text) > NOTE_LIMIT:
            raise Impossible(
                f"A note holds {NOTE_LIMIT} characters.", code="too_long", field="text"
            )

    def _note(
        self, world: World, conversation: Conversation, agent: Agent
    ) -> tuple[Message, list[Row]]:
        address = world.need(Address, conversation.address)
        message = note(world, conversation, address, _author(agent), self.reply.text)
        return message, [message, replace(conversation, last_message_at=world.now)]

    def _reply(
        self, world: World, conversation: Conversation, agent: Agent
    ) -> tuple[Message, list[Row]]:
        rights.need_owner(agent, conversation)
        if conversation.state != "active":
            raise Impossible("The customer has ended this conversation.", code="ended")
        inbox = world.need(Inbox, conversation.inbox)
        can = self.can.get(inbox.channel)
        if can is None or inbox.state == "detached":
            raise Impossible("This inbox is not connected any more.", code="detached")
        check_sendable(world, conversation, can, self.reply.text)
        quoted = world.get(Message, self.reply.quote) if self.reply.quote else None
        if self.reply.quote and (quoted is None or quoted.address != conversation.address):
            raise NotFound
        message, rows = say(
            world,
            conversation,
            world.need(Address, conversation.address),
            _author(agent),
            text=self.reply.text,
            quote=self.reply.quote,
            pulls=can.pull,
        )
        answered = replace(
            conversation,
            replied=True,
            unread=0,
            waiting_since=None,
            last_message_at=world.now,
            first_reply_at=conversation.first_reply_at or world.now,
        )
        return message, [*rows, answered]


def check_sendable(world: World, conversation: Conversation, can: Can, text: str) -> None:
    """Refuse what the provider would refuse anyway: a shut window, a text too long."""
    ends = conversation.window_expires_at
    if can.reply_window is not None and (ends is None or ends <= world.now):
        raise Impossible(
            "The customer wrote too long ago for a free reply on this channel.",
            code="window_closed",
        )
    if _LENGTH[can.text_unit](text) > can.text_limit:
        raise Impossible(
            f"This channel takes at most {can.text_limit} {can.text_unit} in one message.",
            code="too_long",
            field="text",
        )


def _author(agent: Agent) -> Author:
    return Author(kind="agent", id=agent.id, name=agent.name)


def _digest(conversation: str, reply: Reply) -> str:
    body = msgspec.json.encode([conversation, reply.text, reply.note, reply.quote])
    return hashlib.sha256(body).hexdigest()


class RetrySend(Ask, frozen=True, kw_only=True):
    """Make one more real attempt at a message that failed or whose fate is unknown."""

    actor: Actor
    message: str
    can: dict[str, Can]

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor and the message."""
        return ((Agent, self.actor.agent), (Message, self.message))

    def decide(self, world: World) -> Decision:
        """Add attempt n+1 and its job; the message shows the newest."""
        agent = rights.acting(world, self.actor)
        message = world.get(Message, self.message)
        if message is None:
            raise NotFound
        conversation = rights.visible(world, agent, message.conversation)
        rights.need_at_work(agent)
        if not rights.supervises(agent, conversation.inbox):
            rights.need_owner(agent, conversation)
        if message.delivery_state not in {"failed", "unknown"}:
            raise Conflict("Only a failed or unknown message can be sent again.", code="not_failed")
        inbox = world.get(Inbox, conversation.inbox)
        can = self.can.get(conversation.channel)
        if inbox is None or inbox.state == "detached" or can is None:
            raise Impossible("This inbox is not connected any more.", code="detached")
        check_sendable(world, conversation, can, message.text)
        number = message.attempt + 1
        world.get(Attempt, message.id, number)
        after = replace(
            message,
            attempt=number,
            delivery_state="pending",
            delivery_reason=None,
            delivery_hint=None,
        )
        rows = attempt_rows(world, message, conversation, number)
        return Decision(rows=(after, *rows), answer=message.id)


class MarkRead(Ask, frozen=True, kw_only=True):
    """The owner has seen it: unread falls to 0. Anybody else's look changes nothing."""

    actor: Actor
    conversation: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor and the conversation."""
        return ((Agent, self.actor.agent), (Conversation, self.conversation))

    def decide(self, world: World) -> Decision:
        """Move the owner's mark."""
        agent = rights.acting(world, self.actor)
        conversation = rights.visible(world, agent, self.conversation)
        if conversation.agent != agent.id or conversation.unread == 0:
            return NOTHING
        return Decision(rows=(replace(conversation, unread=0),))
