"""Everything an agent can do or ask, each taking an actor. Rights are checked inside, once.

Implemented by handoff; used by the API, Slack and any other desk. Every method raises a Refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.models.people import Role, Status
from core.ports.reading import ConversationFilter, MessagePage, Page
from core.ports.views import (
    AgentView,
    ConversationView,
    Counters,
    InboxView,
    JobView,
    MessageView,
    ProductView,
    StatusChangeView,
    TeamView,
    TopicView,
    WebhookView,
    WhyView,
)


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and from which desk ("console", "api", "slack", "cli")."""

    agent: str
    desk: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What POST /conversations/{id}/messages takes. `key` is the Idempotency-Key."""

    text: str
    note: bool = False
    quote: str | None = None
    key: str | None = None


class NewAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent to add; authorised for nothing unless named."""

    email: str
    name: str = ""
    role: Role = "agent"
    inboxes: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    password: str | None = None


class AgentPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed of an agent; None = leave."""

    name: str | None = None
    role: Role | None = None
    inboxes: tuple[str, ...] | None = None
    teams: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    capacities: dict[str, int] | None = None
    max_total: int | None = None
    disabled: bool | None = None
    slack_user: str | None = None
    password: str | None = None


class ProductPatch(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed of a product; None = leave."""

    capacity: int | None = None
    unanswered_max: int | None = None
    claim: str | None = None
    reopen_hours: int | None = None
    unanswered_away_minutes: int | None = None
    unanswered_break_minutes: int | None = None


class StatusPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What going offline would do: conversations back to the queue, and parked."""

    requeued: int
    parked: int


class Workplace(Protocol):
    """What agents do."""

    # the actor and colleagues
    async def me(self, actor: Actor) -> AgentView: ...
    async def agents(self, actor: Actor) -> Sequence[AgentView]: ...
    async def set_status(
        self, actor: Actor, status: Status, *, agent: str | None = None, reason: str = ""
    ) -> AgentView: ...
    async def preview_offline(self, actor: Actor) -> StatusPreview: ...
    async def status_changes(self, actor: Actor, agent: str) -> Sequence[StatusChangeView]: ...
    async def counters(
        self, actor: Actor, *, product: str | None, channel: str | None, inbox: str | None
    ) -> Counters: ...

    # conversations
    async def conversations(self, actor: Actor, wanted: ConversationFilter) -> Page: ...
    async def conversation(self, actor: Actor, conversation: str) -> ConversationView: ...
    async def messages(
        self, actor: Actor, conversation: str, *, after: str | None, before: str | None, limit: int
    ) -> MessagePage: ...
    async def why(self, actor: Actor, conversation: str) -> Sequence[WhyView]: ...
    async def reply(self, actor: Actor, conversation: str, reply: Reply) -> MessageView: ...
    async def claim(
        self, actor: Actor, conversation: str, *, epoch: int, over_capacity: bool = False
    ) -> ConversationView: ...
    async def transfer(
        self, actor: Actor, conversation: str, *, agent: str | None = None, team: str | None = None
    ) -> ConversationView: ...
    async def resolve(
        self,
        actor: Actor,
        conversation: str,
        *,
        topic: str | None,
        tags: tuple[str, ...] | None = None,
    ) -> ConversationView: ...
    async def reopen(self, actor: Actor, conversation: str) -> ConversationView: ...
    async def read(self, actor: Actor, conversation: str) -> ConversationView: ...
    async def typing(self, actor: Actor, conversation: str) -> None: ...
    async def block(self, actor: Actor, conversation: str) -> ConversationView: ...
    async def set_tags(
        self, actor: Actor, conversation: str, tags: tuple[str, ...]
    ) -> ConversationView: ...
    async def retry(self, actor: Actor, message: str) -> MessageView: ...
    async def merge_contacts(self, actor: Actor, contact: str, into: str) -> None: ...

    # what exists
    async def products(self, actor: Actor) -> Sequence[ProductView]: ...
    async def inboxes(self, actor: Actor) -> Sequence[InboxView]: ...
    async def teams(self, actor: Actor) -> Sequence[TeamView]: ...
    async def topics(self, actor: Actor) -> Sequence[TopicView]: ...
    async def set_product(self, actor: Actor, product: str, patch: ProductPatch) -> ProductView: ...
    async def add_team(self, actor: Actor, name: str) -> TeamView: ...
    async def add_topic(
        self, actor: Actor, name: str, products: tuple[str, ...] = ()
    ) -> TopicView: ...
    async def change_topic(
        self, actor: Actor, topic: str, *, name: str | None, active: bool | None
    ) -> TopicView: ...
    async def add_agent(self, actor: Actor, new: NewAgent) -> AgentView: ...
    async def change_agent(self, actor: Actor, agent: str, patch: AgentPatch) -> AgentView: ...

    # health
    async def dead_jobs(self, actor: Actor) -> Sequence[JobView]: ...
    async def webhooks(self, actor: Actor, state: str) -> Sequence[WebhookView]: ...


class Logins(Protocol):
    """Who is signed in. Secrets are shown once; the store keeps their digests."""

    async def sign_in(
        self, email: str, password: str, *, address: str
    ) -> tuple[str, str, AgentView]:
        """Return (session secret, CSRF token, agent); SignedOut, TooMany after too many."""

    async def who(self, secret: str) -> tuple[Actor, str, str]:
        """Return (actor, CSRF token, login id) of a session or token; SignedOut otherwise."""

    async def sign_out(self, secret: str) -> None:
        """End a session."""

    async def sessions(self, actor: Actor) -> Sequence[SessionView]:
        """Return the actor's sessions and tokens."""

    async def revoke(self, actor: Actor, login: str) -> None:
        """End one of the actor's sessions or tokens."""

    async def make_token(self, agent: str, name: str) -> str:
        """Return a new API token, shown this once."""


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session or token of one's own."""

    id: str
    kind: str
    name: str
    created_at: str
    seen_at: str
    until: str


class Reception(Protocol):
    """What a channel may ask about its side of the desk. Without handoff: `unknown`."""

    async def availability(self, inbox: str) -> str:
        """Return "online", "offline" or "unknown"."""

    async def place(self, conversation: str) -> int | None:
        """Return the number in the queue, 1 = next; None when it does not wait."""

    async def end(self, address: str) -> None:
        """The customer ends the chat."""
