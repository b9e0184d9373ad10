"""Desks at random: conversations, agents and addresses that a store may hold together, and the
views computed from them one row at a time, for hypothesis.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from core.models.people import Agent
from core.models.row import Key, Row
from core.models.rows import Address, Conversation
from core.views import (
    EMPTY,
    ROW_OF,
    Load,
    View,
    ViewValue,
    addresses,
    load_of,
    on_status,
    owned,
    talking,
    waiting,
)

BORN = datetime(2026, 1, 1, tzinfo=UTC)


def conversation(number: int, **fields: Any) -> Conversation:
    """Make a conversation; its contact is its own unless given."""
    given_fields = {
        "id": f"c{number:03}",
        "inbox": "shop",
        "product": "acme",
        "channel": "web",
        "contact": f"p{number:03}",
        "address": f"a{number:03}",
        "state": "waiting",
        "created_at": BORN,
        "last_message_at": BORN,
    }
    return Conversation(**{**given_fields, **fields})


_SOME = st.sampled_from
_minutes = st.integers(0, 5).map(lambda m: BORN + timedelta(minutes=m))
_conversations = st.lists(
    st.builds(
        conversation,
        number=st.integers(0, 30),
        inbox=_SOME(["shop", "desk"]),
        product=_SOME(["acme", "globex"]),
        contact=_SOME(["p1", "p2", "p3"]) | st.uuids().map(str),
        state=_SOME(["bot", "waiting", "active", "ended", "archived"]),
        agent=_SOME([None, "ann", "bob"]),
        team=_SOME([None, "blue"]),
        replied=st.booleans(),
        queued_at=st.none() | _minutes,
        created_at=_minutes,
    ),
    max_size=25,
)
_agents = st.lists(
    st.builds(
        Agent,
        id=_SOME(["ann", "bob", "Zoë"]),
        name=st.just("A"),
        email=st.just("a@example.com"),
        status=_SOME(["online", "offline", "break"]),
        disabled=st.booleans(),
        status_since=st.just(BORN),
        created_at=st.just(BORN),
    ),
    max_size=4,
)
_addresses = st.lists(
    st.builds(
        Address,
        id=_SOME(["a1", "A2", "a10"]),
        inbox=st.just("shop"),
        contact=_SOME(["p1", "p2"]),
        created_at=st.just(BORN),
    ),
    max_size=4,
)
ROWS = st.tuples(_conversations, _agents, _addresses).map(
    lambda lists: [r for x in lists for r in x]
)
VIEWS = (
    *(waiting(inbox, team) for inbox in ("shop", "desk") for team in (None, "blue")),
    *(view(agent) for agent in ("ann", "bob", "nobody") for view in (owned, load_of)),
    *(view(contact) for contact in ("p1", "p2", "p3") for view in (talking, addresses)),
    *(on_status(status) for status in ("online", "offline", "break", "invisible")),
)


def brute_force(view: View, rows: Iterable[Row]) -> ViewValue:
    """Compute a view from every row there is, one at a time."""
    value = EMPTY[view.name]
    for row in rows:
        if isinstance(row, ROW_OF[view.name]):
            value = value.shift(view, None, row)
    return value


def plain(value: ViewValue) -> object:
    """Even out what may differ: a product counted down to zero is a product not counted."""
    if isinstance(value, Load):
        return {name: count for name, count in value.open.items() if count}, value.unanswered
    return value


def possible(rows: Iterable[Row], known: dict[Key, Row]) -> dict[Key, Row]:
    """Return the last row of each key, without a second open conversation of a contact."""
    after = dict(known)
    for row in rows:
        key = type(row).key_of(row)
        rivals = (
            other
            for name, other in after.items()
            if isinstance(row, Conversation)
            and row.is_open
            and isinstance(other, Conversation)
            and other.is_open
            and name != key
            and (other.inbox, other.contact) == (row.inbox, row.contact)
        )
        if not any(rivals):
            after[key] = row
    return {key: row for key, row in after.items() if known.get(key) is not row}
