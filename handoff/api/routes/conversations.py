"""Conversations, their messages, and the people on the other side."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from core.ports.reading import ConversationFilter, MessagePage, Page
from core.ports.views import ConversationView, MessageView, WhyView
from core.ports.workplace import Reply
from handoff.api.operations import Call, Listed, Operation, listed

Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Tags = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], ...],
    msgspec.Meta(max_length=100),
]


class ListQuery(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"since": "from", "until": "to", "words": "q"},
):
    """What to list. `from` and `to` are of resolving; `cursor` is the page before's."""

    view: Literal["mine", "active", "waiting", "bot", "ended", "archive"] = "active"
    product: str | None = None
    channel: str | None = None
    inbox: str | None = None
    team: str | None = None
    agent: str | None = None
    topic: str | None = None
    tag: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    words: Annotated[str, msgspec.Meta(max_length=500)] | None = None
    cursor: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    limit: Limit = 50


class MessagesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages after an id, before an id, or the newest."""

    after: Id | None = None
    before: Id | None = None
    limit: Limit = 50


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to the customer, or a note. `quote` is the id of the message it answers."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
    note: bool = False
    quote: Id | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`epoch` as last seen: whoever came first has moved it."""

    epoch: int
    over_capacity: bool = False


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To an agent or to a team, by id."""

    agent: Id | None = None
    team: Id | None = None


class Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The topic is needed; tags, when given, replace those there are."""

    topic: Id | None = None
    tags: Tags | None = None


class NewTags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All the tags it shall have."""

    tags: Tags


class Merge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contact that goes on."""

    into: Id


async def conversations(call: Call, query: ListQuery) -> Page:
    """List conversations of the inboxes I may read."""
    wanted = ConversationFilter(
        me=call.actor.agent,
        view=query.view,
        product=query.product,
        channel=query.channel,
        inbox=query.inbox,
        team=query.team,
        agent=query.agent,
        topic=query.topic,
        tag=query.tag,
        since=query.since,
        until=query.until,
        query=query.words,
        cursor=query.cursor,
        limit=query.limit,
    )
    return await call.workplace.conversations(call.actor, wanted)


async def conversation(call: Call) -> ConversationView:
    """Return one conversation."""
    return await call.workplace.conversation(call.actor, call.subject)


async def messages(call: Call, query: MessagesQuery) -> MessagePage:
    """Return messages in rising order."""
    return await call.workplace.messages(
        call.actor, call.subject, after=query.after, before=query.before, limit=query.limit
    )


async def why(call: Call) -> Listed[WhyView]:
    """Say why it went to whom, oldest decision first."""
    return listed(await call.workplace.why(call.actor, call.subject))


async def reply(call: Call, body: NewMessage) -> MessageView:
    """Write to the customer, or a note. The same Idempotency-Key gets the same answer."""
    said = Reply(text=body.text, note=body.note, quote=body.quote, key=call.key)
    return await call.workplace.reply(call.actor, call.subject, said)


async def claim(call: Call, body: Claim) -> ConversationView:
    """Take it, also from its owner; 409 when somebody was faster."""
    return await call.workplace.claim(
        call.actor, call.subject, epoch=body.epoch, over_capacity=body.over_capacity
    )


async def transfer(call: Call, body: Transfer) -> ConversationView:
    """Give it to an agent or a team."""
    return await call.workplace.transfer(call.actor, call.subject, agent=body.agent, team=body.team)


async def resolve(call: Call, body: Resolve) -> ConversationView:
    """Put it into the archive under a topic."""
    return await call.workplace.resolve(call.actor, call.subject, topic=body.topic, tags=body.tags)


async def reopen(call: Call) -> ConversationView:
    """Bring it back from the archive."""
    return await call.workplace.reopen(call.actor, call.subject)


async def read(call: Call) -> ConversationView:
    """Mark everything in it as read."""
    return await call.workplace.read(call.actor, call.subject)


async def typing(call: Call) -> None:
    """Say that I am typing."""
    await call.workplace.typing(call.actor, call.subject)


async def block(call: Call) -> ConversationView:
    """Close it as spam and block its contact."""
    return await call.workplace.block(call.actor, call.subject)


async def set_tags(call: Call, body: NewTags) -> ConversationView:
    """Replace its tags."""
    return await call.workplace.set_tags(call.actor, call.subject, body.tags)


async def retry(call: Call) -> MessageView:
    """Try once more to send a message that failed or whose fate is unknown."""
    return await call.workplace.retry(call.actor, call.subject)


async def merge(call: Call, body: Merge) -> None:
    """Make two contacts one; `into` goes on."""
    await call.workplace.merge_contacts(call.actor, call.subject, body.into)


_ONE = "/conversations/{id}"
_ACTS = (404, 409, 422)

OPERATIONS = (
    Operation(method="GET", path="/conversations", handle=conversations),
    Operation(method="GET", path=_ONE, handle=conversation, errors=(404,)),
    Operation(method="GET", path=f"{_ONE}/messages", handle=messages, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/messages", handle=reply, errors=_ACTS, takes_key=True),
    Operation(method="GET", path=f"{_ONE}/why", handle=why, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/claim", handle=claim, errors=_ACTS),
    Operation(method="POST", path=f"{_ONE}/transfer", handle=transfer, errors=_ACTS),
    Operation(method="POST", path=f"{_ONE}/resolve", handle=resolve, errors=_ACTS),
    Operation(method="POST", path=f"{_ONE}/reopen", handle=reopen, errors=_ACTS),
    Operation(method="POST", path=f"{_ONE}/read", handle=read, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/typing", handle=typing, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/block", handle=block, errors=_ACTS),
    Operation(method="PUT", path=f"{_ONE}/tags", handle=set_tags, errors=_ACTS),
    Operation(method="POST", path="/messages/{id}/retry", handle=retry, errors=_ACTS),
    Operation(
        method="POST", path="/contacts/{id}/merge", handle=merge, who="supervisor", errors=_ACTS
    ),
)
