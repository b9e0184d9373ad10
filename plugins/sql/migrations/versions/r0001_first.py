"""The first tables.

A column is written `name`, `name*` for a part of the key, `name?` when it may be NULL; `:int`,
`:bool` and `:bytes` where it is no text. Texts compare byte by byte on both stores.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KINDS: dict[str, Any] = {
    "": _TEXT,
    "int": sa.BigInteger(),
    "bool": sa.Boolean(),
    "bytes": sa.LargeBinary(),
}
_EVENT = "at:int type audience conversation? message? address? position:int? inbox? subject?"
_OPEN = "state IN ('bot', 'waiting', 'active')"
_LISTED = "state IN ('bot', 'waiting', 'active', 'ended')"


def upgrade() -> None:
    """Create everything, and the counter row at zero."""
    _tables()
    _feed()
    _indexes()


def _table(name: str, columns: str, *, rowid: bool = False) -> None:
    """Create a table; without rowid the key is the table, so a row is written once."""
    op.create_table(name, *map(_column, columns.split()), sqlite_with_rowid=rowid)


def _column(word: str) -> sa.Column[Any]:
    name, _, kind = word.removesuffix("?").partition(":")
    return sa.Column(
        name.removesuffix("*"),
        _KINDS[kind],
        primary_key=name.endswith("*"),
        nullable=word.endswith("?"),
        autoincrement=False,
    )


def _tables() -> None:
    _table(
        "contact",
        "id* name phone email username attributes inboxes blocked:bool merged_into? created_at:int",
    )
    _table("address_key", "inbox* source_id* address")
    _table("address", "id* inbox contact keys position:int created_at:int")
    _table("place", "inbox* contact* conversation")
    _table(
        "conversation",
        "id* inbox product channel contact address state agent? former? team? topic? "
        "tags epoch:int replied:bool unread:int created_at:int last_message_at:int "
        "waiting_since:int? queued_at:int? assigned_at:int? first_reply_at:int? "
        "window_expires_at:int? resolved_at:int? resolved_by? ended_by? closed_as? "
        "closed_reason? closed_at:int? closed_by? ticket?",
    )
    _table(
        "message",
        "id* conversation address inbox position:int kind note:bool author_kind author? "
        "author_name text parts quote? source_id? created_at:int sent_at:int? "
        "edited_at:int? deleted_at:int? attempt:int delivery_state? delivery_reason? "
        "delivery_hint?",
    )
    _table("delivery", "inbox* source_id* message attempt:int")
    _table("attempt", "message* number*:int state reason? hint? job? changed_at:int")
    _table("held_receipt", "inbox* source_id* state reason? hint? at:int")
    _table("webhook", "id* inbox body:bytes received_at:int state problem?", rowid=True)
    _table("parked_item", "webhook* item*:int problem at:int done:bool")
    _table(
        "assignment",
        "conversation* epoch*:int agent? previous? team? at:int by how why",
    )
    _table("resolution", "id* conversation agent teams topic at:int")
    _table("answer", "actor* name* request message at:int")
    _table(
        "product",
        "name* title timezone capacity:int unanswered_max:int claim reopen_hours:int "
        "unanswered_away_minutes:int unanswered_break_minutes:int",
    )
    _table("inbox", "name* product channel state health problem? changed_at:int")
    _table(
        "agent",
        "id* name email role inboxes teams languages capacities max_total:int status "
        "status_since:int alive:bool desk disabled:bool slack_user? created_at:int",
    )
    _table("agent_email", "email* agent")
    _table("password", "agent* digest changed_at:int")
    _table(
        "login",
        "digest* id agent kind name csrf created_at:int seen_at:int until:int revoked:bool",
    )
    _table("status_change", "id* agent was now by reason at:int")
    _table("team", "id* name")
    _table("topic", "id* name products active:bool")
    _table(
        "job",
        "id* kind lane lease subject due_at:int until:int? state tries:int note? data "
        "created_at:int",
    )
    _table("timer", "kind* subject* job?")
    _table("lease", "name* holder until:int epoch:int")
    _table("call", "job* number:int epoch:int called_at:int")
    _table("presence", "agent* process* until:int")
    _table("cursor", "name* seq:int")
    _table("record", "plugin* kind* name* version:int value")
    _table("audit", "id* at:int actor action subject detail")


def _feed() -> None:
    op.create_table(
        "event",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        *map(_column, _EVENT.split()),
    )
    counter = op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        *map(_column, ("seq:int", "version:int", "stamp:int", "oldest:int")),
    )
    op.bulk_insert(counter, [{"id": 1, "seq": 0, "version": 0, "stamp": 0, "oldest": 1}])


def _index(
    name: str, table: str, *columns: str | sa.TextClause, where: str = "", unique: bool = False
) -> None:
    only: dict[str, Any] = {}
    if where:
        only = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, list(columns), unique=unique, **only)


def _indexes() -> None:
    _index("one_open_conversation", "conversation", "inbox", "contact", where=_OPEN, unique=True)
    _index(
        "conversation_queue",
        "conversation",
        "inbox",
        sa.text("coalesce(team, '')"),
        sa.text("coalesce(queued_at, created_at)"),
        "id",
        where="state = 'waiting'",
    )
    _index(
        "conversation_load",
        "conversation",
        "agent",
        "product",
        "replied",
        where="state = 'active'",
    )
    _index("conversation_talking", "conversation", "contact", where=_OPEN)
    _index("conversation_of_contact", "conversation", "contact", "id")
    _index("conversation_state", "conversation", "state", "inbox", "id", where=_LISTED)
    _index(
        "conversation_closed",
        "conversation",
        "inbox",
        "closed_at",
        "id",
        where="state = 'archived'",
    )
    _index("conversation_archive", "conversation", "closed_at", "id", where="state = 'archived'")
    _index("resolution_of_conversation", "resolution", "conversation", "id")
    _index("address_of_contact", "address", "contact")
    _index("answer_at", "answer", "at")
    _index("message_of_conversation", "message", "conversation", "id")
    _index("delivery_of_message", "delivery", "message", where="attempt > 0")
    _index("event_of_address", "event", "address", "position", where="position IS NOT NULL")
    _index("job_open", "job", "lease", "id", where="state IN ('open', 'unknown')")
    _index("job_dead", "job", "id", where="state = 'dead'")
    _index("agent_status", "agent", "status", "id")
    _index("login_of_agent", "login", "agent")
    _index("status_change_of_agent", "status_change", "agent", "at")
    _index("webhook_state", "webhook", "state", "received_at", where="state <> 'done'")
