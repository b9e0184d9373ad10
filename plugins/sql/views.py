"""Loads the views of core.views from the store, each kind with one statement (a few on SQLite)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec

from core.models.people import Agent
from core.models.row import Row
from core.models.rows import Address, Conversation
from core.views import EMPTY, QUEUE_BOUND, Load, Members, Queue, View, ViewValue
from plugins.sql.schema import CODECS

Run = Callable[[str, Any], Sequence[Sequence[Any]]]
_conversation = CODECS[Conversation]
_agent = CODECS[Agent]
_NAMES = ", ".join(f'"{name}"' for name in _conversation.names)
_AGENT_NAMES = ", ".join(f'"{name}"' for name in _agent.names)
_address = CODECS[Address]
_ADDRESS_NAMES = ", ".join(f'"{name}"' for name in _address.names)
_CODEC = {"owned": _conversation, "talking": _conversation, "status": _agent, "addresses": _address}
_COLUMN = {"owned": "agent", "talking": "contact", "status": "status", "addresses": "contact"}
_json = msgspec.json.Encoder().encode

_QUEUE = (
    f"SELECT {_NAMES} FROM conversation WHERE inbox = {{inbox}} AND coalesce(team, '') = {{team}} "
    f"AND state = 'waiting' ORDER BY coalesce(queued_at, created_at), id LIMIT {QUEUE_BOUND}"
)
_SQLITE_QUEUE = _QUEUE.format(inbox="?", team="?")
_POSTGRES_QUEUES = (
    f"SELECT {_NAMES} FROM unnest(%s::text[], %s::text[]) AS k(inbox_key, team_key) "
    "CROSS JOIN LATERAL (" + _QUEUE.format(inbox="k.inbox_key", team="k.team_key") + ") AS c"
)
_SETS = {
    "owned": f"SELECT {_NAMES} FROM conversation{{by}} WHERE agent {{among}} "
    "AND state = 'active' ORDER BY id",
    "talking": f"SELECT {_NAMES} FROM conversation{{by}} WHERE contact {{among}} "
    "AND state IN ('bot', 'waiting', 'active') ORDER BY id",
    "status": f"SELECT {_AGENT_NAMES} FROM agent WHERE status {{among}} "
    "AND NOT disabled ORDER BY id",
    "addresses": f"SELECT {_ADDRESS_NAMES} FROM address WHERE contact {{among}} ORDER BY id",
    "load": "SELECT agent, product, count(*), sum(CASE WHEN replied THEN 0 ELSE 1 END) "
    "FROM conversation{by} WHERE agent {among} AND state = 'active' GROUP BY agent, product",
}
# SQLite keeps no statistics and would take the index on `state`: every open conversation is read.
_BY = {
    "owned": " INDEXED BY conversation_load",
    "talking": " INDEXED BY conversation_talking",
    "load": " INDEXED BY conversation_load",
}
_AMONG = {"sqlite": "IN (SELECT value FROM json_each(?))", "postgresql": "= ANY(%s::text[])"}


def load_views(
    dialect: str, run: Run, views: Iterable[View]
) -> tuple[list[Row], dict[View, ViewValue]]:
    """Return the rows the views brought along and the value of every view asked."""
    rows: list[Row] = []
    values: dict[View, ViewValue] = {}
    by_name: dict[str, list[View]] = {}
    for view in views:
        by_name.setdefault(view.name, []).append(view)
    for name, asked in by_name.items():
        values.update(dict.fromkeys(asked, EMPTY[name]))
        if name == "waiting":
            rows += _load_queues(dialect, run, asked, values)
            continue
        args = [view.arg[0] for view in asked]
        found = run(
            _SETS[name].format(
                among=_AMONG[dialect], by=_BY.get(name, "") if dialect == "sqlite" else ""
            ),
            (_json(args).decode() if dialect == "sqlite" else args,),
        )
        if name == "load":
            values.update(_loads(found))
        else:
            rows += _members(name, found, values)
    return rows, values


def _load_queues(
    dialect: str, run: Run, asked: Sequence[View], values: dict[View, ViewValue]
) -> Iterable[Row]:
    if dialect == "sqlite":
        found = [row for view in asked for row in run(_SQLITE_QUEUE, view.arg)]
    else:
        found = list(run(_POSTGRES_QUEUES, ([v.arg[0] for v in asked], [v.arg[1] for v in asked])))
    rows = [cast("Conversation", _conversation.decode(row)) for row in found]
    lines: dict[View, list[tuple[Any, str]]] = {}
    for row in rows:
        view = View("waiting", (row.inbox, row.team or ""))
        lines.setdefault(view, []).append((row.queued_at or row.created_at, row.id))
    for view, items in lines.items():
        values[view] = Queue(tuple(items), complete=len(items) < QUEUE_BOUND)
    return rows


def _members(
    name: str, found: Iterable[Sequence[Any]], values: dict[View, ViewValue]
) -> Iterable[Row]:
    codec = _CODEC[name]
    column = _COLUMN[name]
    rows = [codec.decode(row) for row in found]
    ids: dict[View, list[str]] = {}
    for row in rows:
        ids.setdefault(View(name, (getattr(row, column),)), []).append(row.id)  # type: ignore[attr-defined]
    for view, members in ids.items():
        values[view] = Members(tuple(members))
    return rows


def _loads(found: Iterable[Sequence[Any]]) -> dict[View, Load]:
    loads: dict[View, Load] = {}
    for agent, product, count, unanswered in found:
        view = View("load", (agent,))
        was = loads.get(view, Load())
        loads[view] = Load(
            {**was.open, product: int(count)},
            was.unanswered + int(unanswered),
            was.total + int(count),
        )
    return loads
