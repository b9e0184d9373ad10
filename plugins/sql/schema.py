"""The tables, made from the row classes, and the indexes that make the promises true.

SQLite keeps tables without rowid: the key is the table, so a row is written once.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.models import people, rows
from core.models.row import Row
from plugins.sql.codec import Codec, ColumnKind

ROWS: tuple[type[Row], ...] = (
    rows.Contact,
    rows.AddressKey,
    rows.Address,
    rows.Place,
    rows.Conversation,
    rows.Message,
    rows.Delivery,
    rows.Attempt,
    rows.HeldReceipt,
    rows.Webhook,
    rows.ParkedItem,
    rows.Assignment,
    rows.Resolution,
    rows.Answer,
    people.Product,
    people.Inbox,
    people.Agent,
    people.AgentEmail,
    people.Password,
    people.Login,
    people.StatusChange,
    people.Team,
    people.Topic,
    people.Job,
    people.Timer,
    people.Lease,
    people.Call,
    people.Presence,
    people.Cursor,
    people.Record,
    people.Audit,
)

CODECS: dict[type[Row], Codec] = {kind: Codec(kind) for kind in ROWS}

# Byte order on both stores, whatever the locale of the database: ids sort in the order of commit,
# and a view that was read must look like one that was kept.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_TYPES: dict[ColumnKind, sa.types.TypeEngine[Any]] = {
    "text": TEXT,
    "int": sa.BigInteger(),
    "bool": sa.Boolean(),
    "bytes": sa.LargeBinary(),
    "time": sa.BigInteger(),
    "json": TEXT,
}

metadata = sa.MetaData()


def _table(kind: type[Row]) -> sa.Table:
    columns = [
        sa.Column(
            column.name,
            _TYPES[column.kind],
            primary_key=column.name in kind.pk,
            nullable=column.nullable,
            autoincrement=False,
        )
        for column in CODECS[kind].columns
    ]
    return sa.Table(kind.table, metadata, *columns, sqlite_with_rowid=kind is rows.Webhook)


TABLES: dict[type[Row], sa.Table] = {kind: _table(kind) for kind in ROWS}

event = sa.Table(
    "event",
    metadata,
    sa.Column(
        "seq",
        # The rowid of SQLite must be called INTEGER.
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("at", sa.BigInteger(), nullable=False),
    sa.Column("type", TEXT, nullable=False),
    sa.Column("audience", TEXT, nullable=False),
    sa.Column("conversation", TEXT),
    sa.Column("message", TEXT),
    sa.Column("address", TEXT),
    sa.Column("position", sa.BigInteger()),
    sa.Column("inbox", TEXT),
    sa.Column("subject", TEXT),
)

counter = sa.Table(
    "counter",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger(), nullable=False),
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("stamp", sa.BigInteger(), nullable=False),
    sa.Column("oldest", sa.BigInteger(), nullable=False),
)

conversation = TABLES[rows.Conversation]
message = TABLES[rows.Message]
address = TABLES[rows.Address]
contact = TABLES[rows.Contact]
attempt = TABLES[rows.Attempt]
delivery = TABLES[rows.Delivery]
webhook = TABLES[rows.Webhook]
parked_item = TABLES[rows.ParkedItem]
assignment = TABLES[rows.Assignment]
resolution = TABLES[rows.Resolution]
answer = TABLES[rows.Answer]
product = TABLES[people.Product]
inbox = TABLES[people.Inbox]
agent = TABLES[people.Agent]
login = TABLES[people.Login]
status_change = TABLES[people.StatusChange]
job = TABLES[people.Job]
call = TABLES[people.Call]
lease = TABLES[people.Lease]
presence = TABLES[people.Presence]


def _where(text: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(text), "postgresql_where": sa.text(text)}


_OPEN = "state IN ('bot', 'waiting', 'active')"
_LISTED = "state IN ('bot', 'waiting', 'active', 'ended')"
team_or_none = sa.func.coalesce(conversation.c.team, sa.literal_column("''"))
queue_time = sa.func.coalesce(conversation.c.queued_at, conversation.c.created_at)

sa.Index(
    "one_open_conversation",
    conversation.c.inbox,
    conversation.c.contact,
    unique=True,
    **_where(_OPEN),
)
sa.Index(
    "conversation_queue",
    conversation.c.inbox,
    team_or_none,
    queue_time,
    conversation.c.id,
    **_where("state = 'waiting'"),
)
sa.Index(
    "conversation_load",
    conversation.c.agent,
    conversation.c.product,
    conversation.c.replied,
    **_where("state = 'active'"),
)
sa.Index("conversation_talking", conversation.c.contact, **_where(_OPEN))
sa.Index("conversation_of_contact", conversation.c.contact, conversation.c.id)
# Without the archived ones, or a list of the archive would be sorted instead of walked.
sa.Index(
    "conversation_state",
    conversation.c.state,
    conversation.c.inbox,
    conversation.c.id,
    **_where(_LISTED),
)
sa.Index(
    "conversation_closed",
    conversation.c.inbox,
    conversation.c.closed_at,
    conversation.c.id,
    **_where("state = 'archived'"),
)
sa.Index(
    "conversation_archive",
    conversation.c.closed_at,
    conversation.c.id,
    **_where("state = 'archived'"),
)
sa.Index("resolution_of_conversation", resolution.c.conversation, resolution.c.id)
sa.Index("address_of_contact", address.c.contact)
sa.Index("answer_at", answer.c.at)
sa.Index("message_of_conversation", message.c.conversation, message.c.id)
# A quoted message of a customer is found by the message itself; ours may have several ids.
sa.Index("delivery_of_message", delivery.c.message, **_where("attempt > 0"))
sa.Index("event_of_address", event.c.address, event.c.position, **_where("position IS NOT NULL"))
sa.Index("job_open", job.c.lease, job.c.id, **_where("state IN ('open', 'unknown')"))
sa.Index("job_dead", job.c.id, **_where("state = 'dead'"))
sa.Index("agent_status", agent.c.status, agent.c.id)
sa.Index("login_of_agent", login.c.agent)
sa.Index("status_change_of_agent", status_change.c.agent, status_change.c.at)
# Nearly all bodies are done: only the others are ever looked for.
sa.Index("webhook_state", webhook.c.state, webhook.c.received_at, **_where("state <> 'done'"))
