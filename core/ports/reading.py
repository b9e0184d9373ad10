"""The store's side of reading: one Protocol per room, implemented by plugins/sql.

Everything is read from the tables; `scope` are the inboxes the asker may read (None = all).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from core.models import people, rows
from core.ports.views import (
    ContactView,
    ConversationView,
    JobView,
    MessageView,
    StatusChangeView,
    WebhookView,
    WhyView,
)

Scope = frozenset[str] | None


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows. `active` = every open or ended one; archive dates are of resolving."""

    view: Literal["mine", "active", "waiting", "bot", "ended", "archive"] = "active"
    me: str = ""
    product: str | None = None
    channel: str | None = None
    inbox: str | None = None
    team: str | None = None
    agent: str | None = None
    topic: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    query: str | None = None
    cursor: str | None = None
    limit: int = 50


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of conversations; `cursor` is None at the end."""

    items: tuple[ConversationView, ...]
    cursor: str | None


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages in rising order; `more` in the direction asked."""

    items: tuple[MessageView, ...]
    more: bool


class Conversations(Protocol):
    """Reads conversations and messages."""

    async def page(self, wanted: ConversationFilter, scope: Scope) -> Page:
        """List; order by waiting_since (oldest first, answered ones after, newest first)."""

    async def get(self, conversation: str, scope: Scope) -> ConversationView | None:
        """Return one, None when it is not there or out of scope."""

    async def messages(
        self, conversation: str, *, after: str | None, before: str | None, limit: int
    ) -> MessagePage:
        """Return messages by rising id: after an id, before an id, or the newest."""

    async def message(self, message: str) -> MessageView | None:
        """Return one message."""

    async def why(self, conversation: str) -> Sequence[WhyView]:
        """Return its routing decisions, oldest first."""

    async def count_waiting(
        self, scope: Scope, *, product: str | None, channel: str | None, inbox: str | None
    ) -> int:
        """Count customers without an agent."""


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it was written."""

    seq: int
    at: datetime
    type: str
    audience: str
    conversation: str | None = None
    message: str | None = None
    address: str | None = None
    position: int | None = None
    inbox: str | None = None
    subject: str | None = None


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The objects that events name, by id, as they are now."""

    conversations: dict[str, ConversationView]
    messages: dict[str, MessageView]
    contacts: dict[str, ContactView]
    agents: dict[str, people.Agent]
    inboxes: dict[str, people.Inbox]


class Feed(Protocol):
    """Reads the feed."""

    async def bounds(self) -> tuple[int, int]:
        """Return (oldest, newest) seq; a cursor below oldest - 1 has missed something."""

    async def read(self, after: int, limit: int) -> Sequence[StoredEvent]:
        """Return events with seq > after, rising."""

    async def tail(self, after: int, limit: int) -> tuple[Sequence[StoredEvent], Rendered]:
        """Return events with seq > after and what they name, in one go."""

    async def render(self, events: Sequence[StoredEvent]) -> Rendered:
        """Load what the events name, set-based."""


class CalledJob(msgspec.Struct, frozen=True, kw_only=True):
    """An open job and the number of the last call written down for it, 0 for none."""

    job: people.Job
    called: int


class Jobs(Protocol):
    """Reads jobs and leases for those who hold them."""

    async def open(self, lease: str, *, after: str = "", limit: int = 1000) -> Sequence[CalledJob]:
        """Return open jobs, and unknown ones that still block, by rising id."""

    async def get(self, job: str) -> people.Job | None:
        """Return one job."""

    async def to_send(self, message: str) -> tuple[rows.Message, rows.Address, str | None] | None:
        """Return a message, its address, and the source_id of what it quotes."""

    async def present(self, agents: Sequence[str]) -> dict[str, datetime]:
        """Return until when each agent was last seen alive; missing = never."""

    async def dead(self, limit: int = 100) -> Sequence[JobView]:
        """Return jobs that ended badly, newest first."""

    async def webhooks(self, state: str, limit: int = 100) -> Sequence[WebhookView]:
        """Return raw bodies in a state, newest first."""

    async def webhook(self, webhook: str) -> tuple[rows.Webhook, Sequence[int]] | None:
        """Return a raw body and the indexes of its parked items."""


class People(Protocol):
    """Reads agents, products, inboxes, teams, topics, and who is signed in."""

    async def agents(self) -> Sequence[people.Agent]:
        """Return all agents by name."""

    async def agent(self, agent: str) -> people.Agent | None:
        """Return one agent."""

    async def agent_by_email(
        self, email: str
    ) -> tuple[people.Agent, people.Password | None] | None:
        """Return an agent and his password hash; the e-mail is compared in lower case."""

    async def loads(self, agents: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return open conversations by agent and product."""

    async def login(self, digest: str) -> people.Login | None:
        """Return a session or token by the digest of its secret."""

    async def logins(self, agent: str) -> Sequence[people.Login]:
        """Return an agent's sessions and tokens that still hold."""

    async def products(self) -> Sequence[people.Product]:
        """Return all products by name."""

    async def inboxes(self) -> Sequence[people.Inbox]:
        """Return all inboxes by name."""

    async def teams(self) -> Sequence[people.Team]:
        """Return all teams by name."""

    async def topics(self) -> Sequence[people.Topic]:
        """Return all topics by name."""

    async def status_changes(self, agent: str, limit: int = 100) -> Sequence[StatusChangeView]:
        """Return an agent's changes of status, newest first."""
