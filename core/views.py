"""Questions a decision may ask that are not one row: who waits, who is online, how full is he.

A view is loaded once and then kept true by `shift` while units put rows: the value is immutable,
so a unit that fails leaves nothing to undo. `shift` is also what mends a value that was read from
the store in the middle of a batch, before the batch's own rows are written.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from core.models.people import Agent
from core.models.row import Row
from core.models.rows import Address, Conversation

QUEUE_BOUND = 50
_kept = lru_cache(maxsize=10_000)
"""Views are asked for by the same few names over and over: making them anew costs 0.5 µs each."""


class View(NamedTuple):
    """The name of a question and its argument; also the key it is loaded by."""

    name: str
    arg: tuple[str, ...]


class Members(msgspec.Struct, frozen=True):
    """The ids of all rows that belong, in rising order."""

    ids: tuple[str, ...] = ()

    def shift(self, view: View, before: Any, after: Any) -> Members:
        """Take the old row out and the new one in."""
        member = MEMBER[view.name]
        was = before is not None and member(before, view.arg)
        now = after is not None and member(after, view.arg)
        if was == now:
            return self
        if was:
            return Members(tuple(i for i in self.ids if i != before.id))
        return Members(tuple(sorted((*self.ids, after.id))))


class Queue(msgspec.Struct, frozen=True):
    """The oldest waiting conversations as (queued_at, id). Not `complete` = there may be more."""

    items: tuple[tuple[Any, str], ...] = ()
    complete: bool = True

    def shift(self, view: View, before: Any, after: Any) -> Queue:
        """Keep a true prefix: what sorts behind an incomplete prefix stays out."""
        old = queue_item(before, view.arg)
        new = queue_item(after, view.arg)
        if old == new:
            return self
        items = [i for i in self.items if i != old]
        if new is not None and (self.complete or (self.items and new < self.items[-1])):
            insort(items, new)
        return Queue(tuple(items), self.complete)


class Load(msgspec.Struct, frozen=True):
    """An agent's open conversations by product and in total, and those he never answered."""

    open: dict[str, int] = {}
    unanswered: int = 0
    total: int = 0

    def shift(self, view: View, before: Any, after: Any) -> Load:
        """Subtract what the old row weighed, add what the new one weighs."""
        agent = view.arg[0]
        was = weigh(before, agent)
        now = weigh(after, agent)
        if was == now:
            return self
        counts = dict(self.open)
        for weight, sign in ((was, -1), (now, 1)):
            if weight is not None:
                counts[weight[0]] = counts.get(weight[0], 0) + sign
        unanswered = self.unanswered - bool(was and was[1]) + bool(now and now[1])
        total = self.total - (was is not None) + (now is not None)
        return Load(counts, unanswered, total)


ViewValue = Members | Queue | Load


def queue_item(row: Conversation | None, arg: tuple[str, ...]) -> tuple[Any, str] | None:
    """Return the sort key of a conversation that waits in this queue, else None."""
    if row is None or row.state != "waiting" or (row.inbox, row.team or "") != arg:
        return None
    return (row.queued_at or row.created_at, row.id)


def weigh(row: Conversation | None, agent: str) -> tuple[str, bool] | None:
    """Return (product, unanswered) when the conversation takes room of this agent."""
    if row is None or row.agent != agent or row.state != "active":
        return None
    return (row.product, not row.replied)


@_kept
def waiting(inbox: str, team: str | None) -> View:
    """Ask for the queue of an inbox, or of one team in it."""
    return View("waiting", (inbox, team or ""))


@_kept
def owned(agent: str) -> View:
    """Ask for every active conversation of an agent."""
    return View("owned", (agent,))


@_kept
def load_of(agent: str) -> View:
    """Ask how full an agent is."""
    return View("load", (agent,))


@_kept
def talking(contact: str) -> View:
    """Ask for every open conversation of a contact, on all inboxes."""
    return View("talking", (contact,))


@_kept
def addresses(contact: str) -> View:
    """Ask for every address of a contact."""
    return View("addresses", (contact,))


@_kept
def on_status(status: str) -> View:
    """Ask for all agents of a status."""
    return View("status", (status,))


MEMBER: dict[str, Callable[[Any, tuple[str, ...]], bool]] = {
    "owned": lambda row, arg: row.agent == arg[0] and row.state == "active",
    "talking": lambda row, arg: row.contact == arg[0] and row.is_open,
    "addresses": lambda row, arg: row.contact == arg[0],
    "status": lambda row, arg: row.status == arg[0] and not row.disabled,
}

ROW_OF: dict[str, type[Row]] = {
    "owned": Conversation,
    "talking": Conversation,
    "addresses": Address,
    "status": Agent,
    "waiting": Conversation,
    "load": Conversation,
}

EMPTY: dict[str, ViewValue] = {
    "owned": Members(),
    "talking": Members(),
    "addresses": Members(),
    "status": Members(),
    "waiting": Queue(),
    "load": Load(),
}


def _weight(row: Conversation) -> tuple[Any, ...]:
    """Return the fields that views look at; most messages change none of them."""
    return (
        row.state,
        row.agent,
        row.replied,
        row.team,
        row.queued_at,
        row.contact,
        row.inbox,
        row.product,
    )


def touched(before: Row | None, after: Row) -> Iterable[View]:
    """Name the views a change of this row may shift: a handful, whatever is loaded."""
    naming = _TOUCHED.get(type(after))
    return () if naming is None else naming(before, after)


def _of_conversation(before: Conversation | None, after: Conversation) -> Iterable[View]:
    if before is not None and _weight(before) == _weight(after):
        return ()
    found: set[View] = set()
    for row in (after,) if before is None else (before, after):
        found |= {waiting(row.inbox, row.team), talking(row.contact)}
        if row.agent is not None:
            found |= {owned(row.agent), load_of(row.agent)}
    return found


def _of_address(before: Address | None, after: Address) -> Iterable[View]:
    if before is not None and before.contact == after.contact:
        return ()
    return {addresses(row.contact) for row in (before, after) if row is not None}


def _of_agent(before: Agent | None, after: Agent) -> Iterable[View]:
    return {on_status(row.status) for row in (before, after) if row is not None}


_TOUCHED: dict[type[Row], Callable[[Any, Any], Iterable[View]]] = {
    Conversation: _of_conversation,
    Address: _of_address,
    Agent: _of_agent,
}
