"""Rows of the people who answer, of the brands they answer for, and of the jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec
from typing_extensions import override

from core.models.row import Key, Row

Status = Literal["online", "invisible", "break", "offline"]
Role = Literal["agent", "supervisor", "admin"]


class Product(Row, frozen=True, kw_only=True):
    """A brand and its settings."""

    table: ClassVar[str] = "product"
    pk: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    title: str
    timezone: str = "UTC"
    capacity: int = 20
    unanswered_max: int = 3
    claim: Literal["supervisors", "agents"] = "supervisors"
    reopen_hours: int = 24
    unanswered_away_minutes: int = 5
    unanswered_break_minutes: int = 15


class Inbox(Row, frozen=True, kw_only=True):
    """One configured channel of one product. `detached` = gone from plugins.toml."""

    table: ClassVar[str] = "inbox"
    pk: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    product: str
    channel: str
    state: Literal["attached", "detached"] = "attached"
    health: Literal["new", "ok", "auth_dead"] = "new"
    problem: str | None = None
    changed_at: datetime


class Agent(Row, frozen=True, kw_only=True):
    """Somebody who answers. `inboxes` are those he is authorised for.

    `desk` is where the present stint began; only a console stint depends on `alive`.
    """

    table: ClassVar[str] = "agent"
    id: str
    name: str
    email: str
    role: Role = "agent"
    inboxes: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    capacities: dict[str, int] = msgspec.field(default_factory=dict)
    max_total: int = 20
    status: Status = "offline"
    status_since: datetime
    alive: bool = False
    desk: str = ""
    disabled: bool = False
    slack_user: str | None = None
    created_at: datetime


class AgentEmail(Row, frozen=True, kw_only=True):
    """Finds an agent by lower-case e-mail; its key makes e-mails unique."""

    table: ClassVar[str] = "agent_email"
    pk: ClassVar[tuple[str, ...]] = ("email",)
    email: str
    agent: str

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load the agent."""
        return ((Agent, self.agent),)


class Password(Row, frozen=True, kw_only=True):
    """An argon2id hash."""

    table: ClassVar[str] = "password"
    pk: ClassVar[tuple[str, ...]] = ("agent",)
    agent: str
    digest: str
    changed_at: datetime


class Login(Row, frozen=True, kw_only=True):
    """A session or an API token, by the SHA-256 of its secret."""

    table: ClassVar[str] = "login"
    pk: ClassVar[tuple[str, ...]] = ("digest",)
    second_lane: ClassVar[bool] = True
    digest: str
    id: str
    agent: str
    kind: Literal["session", "token"]
    name: str = ""
    csrf: str = ""
    created_at: datetime
    seen_at: datetime
    until: datetime
    revoked: bool = False


class StatusChange(Row, frozen=True, kw_only=True):
    """One change of one agent's status."""

    table: ClassVar[str] = "status_change"
    insert_only: ClassVar[bool] = True
    id: str
    agent: str
    was: Status
    now: Status
    by: str
    reason: str = ""
    at: datetime


class Team(Row, frozen=True, kw_only=True):
    """A group of agents; membership stands with the agent."""

    table: ClassVar[str] = "team"
    id: str
    name: str


class Topic(Row, frozen=True, kw_only=True):
    """What a conversation was about; no products = all of them."""

    table: ClassVar[str] = "topic"
    id: str
    name: str
    products: tuple[str, ...] = ()
    active: bool = True


class Job(Row, frozen=True, kw_only=True):
    """Something to do outside the batch. `lane` orders, `lease` names who may do it.

    `tries` counts the calls that were answered. A timer's (kind, subject) is unique while open.
    """

    table: ClassVar[str] = "job"
    id: str
    kind: str
    lane: str
    lease: str
    subject: str
    due_at: datetime
    until: datetime | None = None
    state: Literal["open", "done", "unknown", "dead"] = "open"
    tries: int = 0
    note: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    created_at: datetime


class Timer(Row, frozen=True, kw_only=True):
    """The open timer of a (kind, subject): points to its job, None when there is none."""

    table: ClassVar[str] = "timer"
    pk: ClassVar[tuple[str, ...]] = ("kind", "subject")
    kind: str
    subject: str
    job: str | None

    @override
    def follows(self) -> tuple[Key, ...]:
        """Load the job."""
        return () if self.job is None else ((Job, self.job),)


class Lease(Row, frozen=True, kw_only=True):
    """Who may act under a name until when; the epoch rises with each new holder."""

    table: ClassVar[str] = "lease"
    pk: ClassVar[tuple[str, ...]] = ("name",)
    second_lane: ClassVar[bool] = True
    name: str
    holder: str = ""
    until: datetime
    epoch: int = 0


class Call(Row, frozen=True, kw_only=True):
    """A provider call about to be made: written before it, so that a crash leaves a trace."""

    table: ClassVar[str] = "call"
    pk: ClassVar[tuple[str, ...]] = ("job",)
    second_lane: ClassVar[bool] = True
    job: str
    number: int
    epoch: int
    called_at: datetime


class Presence(Row, frozen=True, kw_only=True):
    """One process saw one agent's socket alive until then."""

    table: ClassVar[str] = "presence"
    pk: ClassVar[tuple[str, ...]] = ("agent", "process")
    second_lane: ClassVar[bool] = True
    agent: str
    process: str
    until: datetime


class Cursor(Row, frozen=True, kw_only=True):
    """How far a named reader of the feed has come."""

    table: ClassVar[str] = "cursor"
    pk: ClassVar[tuple[str, ...]] = ("name",)
    name: str
    seq: int


class Record(Row, frozen=True, kw_only=True):
    """What a plugin keeps; changed by compare-and-set on `version`."""

    table: ClassVar[str] = "record"
    pk: ClassVar[tuple[str, ...]] = ("plugin", "kind", "name")
    plugin: str
    kind: str
    name: str
    version: int
    value: dict[str, Any]


class Audit(Row, frozen=True, kw_only=True):
    """Who did what to whom."""

    table: ClassVar[str] = "audit"
    insert_only: ClassVar[bool] = True
    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] = msgspec.field(default_factory=dict)
