"""Which conversations a list shows, as statements: every value is bound, every list is in scope.

A list is one or two stretches, each ordered by one time. Open conversations come first by
`waiting_since`, oldest first; those that are answered follow by `last_message_at`, newest first.
The archive is one stretch, newest first.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from core.errors import Malformed
from core.ports.reading import ConversationFilter, Scope
from plugins.sql.codec import to_micros
from plugins.sql.cursors import Mark
from plugins.sql.schema import contact, resolution
from plugins.sql.schema import conversation as table

_c = table.c
_LONGEST_QUERY = 100
_WAITING, _ANSWERED, _ARCHIVED = range(3)
_ESCAPED_NUL = r"(^|[^\\])(\\\\)*\\u0000"
Clause = sa.ColumnElement[bool]

_STATES: dict[str, tuple[str, ...]] = {
    "mine": ("active", "ended"),
    "active": ("bot", "waiting", "active", "ended"),
    "waiting": ("waiting",),
    "bot": ("bot",),
    "ended": ("ended",),
    "archive": ("archived",),
}


def stretches(wanted: ConversationFilter, mark: Mark | None) -> tuple[int, ...]:
    """Name the stretches behind the mark; Malformed when it is the mark of another list."""
    whole = (_ARCHIVED,) if wanted.view == "archive" else (_WAITING, _ANSWERED)
    if mark is None:
        return whole
    if mark.stretch not in whole:
        raise Malformed("The cursor belongs to another list.", field="cursor")
    return whole[whole.index(mark.stretch) :]


def statement(
    wanted: ConversationFilter,
    scope: Scope,
    stretch: int,
    *,
    after: Mark | None,
    limit: int,
    sqlite: bool,
) -> sa.Select[Any]:
    """Select (id, time) of one stretch in its order, behind a mark of the same stretch."""
    time = {_WAITING: _c.waiting_since, _ANSWERED: _c.last_message_at, _ARCHIVED: _c.closed_at}
    at = time[stretch]
    rises = stretch == _WAITING
    clauses = [*_clauses(wanted, sqlite=sqlite), *_in_scope(scope)]
    if stretch == _WAITING:
        clauses.append(_c.waiting_since.is_not(None))
    elif stretch == _ANSWERED:
        clauses.append(_c.waiting_since.is_(None))
    if after is not None:
        here, there = sa.tuple_(at, _c.id), sa.tuple_(sa.literal(after.at), sa.literal(after.id))
        clauses.append(here > there if rises else here < there)
    order = (at.asc(), _c.id.asc()) if rises else (at.desc(), _c.id.desc())
    # By id: the sort then carries two columns, not the forty that a page shows.
    return sa.select(_c.id, at).where(*clauses).order_by(*order).limit(limit)


def count_statement(
    scope: Scope, *, product: str | None, channel: str | None, inbox: str | None
) -> sa.Select[Any]:
    """Count the customers who wait for an agent."""
    wanted = ConversationFilter(view="waiting", product=product, channel=channel, inbox=inbox)
    return (
        sa.select(sa.func.count())
        .select_from(table)
        .where(*_clauses(wanted, sqlite=True), *_in_scope(scope))
    )


def _in_scope(scope: Scope) -> list[Clause]:
    return [] if scope is None else [_c.inbox.in_(sorted(scope))]


def _clauses(wanted: ConversationFilter, *, sqlite: bool) -> list[Clause]:
    clauses = [_in_state(*_STATES[wanted.view])]
    if wanted.view != "archive":
        # Said again as the index says it: SQLite does not conclude it from one state.
        clauses.append(_in_state(*_STATES["active"]))
    for name in ("product", "channel", "inbox", "topic"):
        value = getattr(wanted, name)
        if value is not None:
            clauses.append(_c[name] == value)
    if wanted.view == "mine":
        clauses.append(_c.agent == wanted.me)
    if wanted.tag is not None:
        clauses.append(_json_has(_c.tags, wanted.tag, sqlite=sqlite))
    if wanted.query and wanted.query.strip():
        clauses.append(_matches(wanted.query.strip()[:_LONGEST_QUERY]))
    in_archive = wanted.view == "archive"
    return clauses + (_archived(wanted, sqlite=sqlite) if in_archive else _open(wanted))


def _in_state(*states: str) -> Clause:
    """Name states in the text: a partial index is not used for a parameter, nor for IN of one."""
    named = [sa.literal_column(f"'{state}'", sa.Text()) for state in states]
    return _c.state == named[0] if len(named) == 1 else _c.state.in_(named)


def _open(wanted: ConversationFilter) -> list[Clause]:
    """Ask for the owner, his conversation's team, and when it began."""
    clauses: list[Clause] = []
    if wanted.agent is not None:
        clauses.append(_c.agent == wanted.agent)
    if wanted.team is not None:
        clauses.append(_c.team == wanted.team)
    return clauses + _between(_c.created_at, wanted)


def _archived(wanted: ConversationFilter, *, sqlite: bool) -> list[Clause]:
    """Ask for the resolver, his teams at that time, and when he resolved it."""
    clauses: list[Clause] = []
    if wanted.agent is not None:
        clauses.append(_c.resolved_by == wanted.agent)
    if wanted.team is not None:
        last = resolution.alias("last")
        newest = sa.select(sa.func.max(last.c.id)).where(last.c.conversation == _c.id)
        clauses.append(
            sa.exists().where(
                resolution.c.id == newest.correlate(table).scalar_subquery(),
                _json_has(resolution.c.teams, wanted.team, sqlite=sqlite),
            )
        )
    return clauses + _between(_c.resolved_at, wanted)


def _between(column: sa.Column[Any], wanted: ConversationFilter) -> list[Clause]:
    clauses: list[Clause] = []
    if wanted.since is not None:
        clauses.append(column >= to_micros(wanted.since))
    if wanted.until is not None:
        clauses.append(column < to_micros(wanted.until))
    return clauses


def _json_has(column: sa.Column[Any], value: str, *, sqlite: bool) -> Clause:
    """Ask whether a JSON list of texts holds this one."""
    if sqlite:
        each = sa.func.json_each(column).table_valued("value")
        return sa.exists().where(each.c.value == value)
    # jsonb refuses an escaped NUL, and one odd tag must not cost everybody the list.
    one = sa.literal(msgspec.json.encode([value]).decode())
    return sa.case(
        (column.op("~", is_comparison=True)(_ESCAPED_NUL), sa.false()),
        else_=sa.cast(column, JSONB).contains(sa.cast(one, JSONB)),
    )


def _matches(query: str) -> Clause:
    """Look into names, phones and e-mails; whole search comes with its own table."""
    columns = (contact.c.name, contact.c.phone, contact.c.email)
    return sa.exists().where(
        contact.c.id == _c.contact,
        sa.or_(*(column.icontains(query, autoescape=True) for column in columns)),
    )
