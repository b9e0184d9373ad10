"""The desk as its tables show it, and what must be true of them: an oracle of its own.

Nothing here asks handoff or core.views: the rules are written down once more from the product
sheet, so that a mistake there is not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from core.models.people import Agent, Product
from core.models.row import Row
from core.models.rows import Assignment, Conversation
from plugins.sql.schema import CODECS

OPEN = {"bot", "waiting", "active"}
BREAK_AFTER_GONE = timedelta(minutes=14, seconds=30)


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """What is not archived, who works here, and contacts merged away that have something open."""

    conversations: dict[str, Conversation]
    agents: dict[str, Agent]
    products: dict[str, Product]
    merged: frozenset[str]
    version: int

    @property
    def waiting(self) -> list[Conversation]:
        """Those who wait, oldest first."""
        found = [c for c in self.conversations.values() if c.state == "waiting"]
        return sorted(found, key=place_of)


class Eyes:
    """Reads the tables through a connection of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        """`engine` is a reader's."""
        self._link = engine.connect()
        driver: Any = self._link.connection.driver_connection
        self._cursor = driver.cursor()

    def rows(self, kind: type[Row], where: str = "1 = 1") -> list[Any]:
        """Return the rows of a kind that a condition of our own words leaves."""
        codec = CODECS[kind]
        names = ", ".join(f'"{name}"' for name in codec.names)
        found = self.ask(f'SELECT {names} FROM "{kind.table}" WHERE {where}')  # noqa: S608
        return [codec.decode(row) for row in found]

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return what a statement finds."""
        found: Sequence[Sequence[Any]] = self._cursor.execute(sql).fetchall()
        return found

    def tables(self) -> Tables:
        """Return everything that the rules speak of."""
        conversations: list[Conversation] = self.rows(Conversation, "state <> 'archived'")
        gone = self.ask(
            "SELECT p.id FROM conversation AS c JOIN contact AS p ON p.id = c.contact "
            "WHERE c.state IN ('bot', 'waiting', 'active') AND p.merged_into IS NOT NULL"
        )
        return Tables(
            conversations={row.id: row for row in conversations},
            agents={row.id: row for row in self.rows(Agent)},
            products={row.name: row for row in self.rows(Product)},
            merged=frozenset(one for (one,) in gone),
            version=self.one("SELECT version FROM counter"),
        )

    def assignments(self, since: Mapping[str, int], ids: Iterable[str]) -> list[Assignment]:
        """Return the decisions about these conversations behind the epochs known before."""
        wanted = list(ids)
        if not wanted:
            return []
        among = ", ".join(f"'{one}'" for one in wanted)
        found: list[Assignment] = self.rows(Assignment, f"conversation IN ({among})")
        return [row for row in found if row.epoch > since.get(row.conversation, 0)]

    def friends(self) -> list[tuple[str, str, str]]:
        """Return (inbox, key, agent) of contacts with whom he talks on another inbox only."""
        found = self.ask(
            "SELECT k.inbox, k.source_id, c.agent FROM address_key AS k "
            "JOIN address AS a ON a.id = k.address "
            "JOIN conversation AS c ON c.contact = a.contact AND c.inbox <> a.inbox "
            "WHERE c.state = 'active' AND c.agent IS NOT NULL AND NOT EXISTS ("
            "SELECT 1 FROM conversation AS o WHERE o.contact = a.contact AND o.inbox = a.inbox "
            "AND o.state IN ('bot', 'waiting', 'active')) ORDER BY k.inbox, k.source_id, c.agent"
        )
        return [(inbox, key, agent) for inbox, key, agent in found]

    def one(self, sql: str) -> Any:
        """Return one value."""
        return self.ask(sql)[0][0]

    def close(self) -> None:
        """Hang up."""
        self._link.close()


def place_of(row: Conversation) -> tuple[datetime, str]:
    """Where it stands in its queue."""
    return (row.queued_at or row.created_at, row.id)


class Fill(msgspec.Struct, kw_only=True):
    """How full an agent is, counted one conversation at a time."""

    products: dict[str, int] = {}
    total: int = 0
    unanswered: int = 0

    def add(self, row: Conversation) -> None:
        """Count one more."""
        self.products[row.product] = self.products.get(row.product, 0) + 1
        self.total += 1
        self.unanswered += not row.replied

    def without(self, row: Conversation) -> Fill:
        """Return what it was before this one was counted."""
        counts = {**self.products, row.product: self.products[row.product] - 1}
        left = self.unanswered - (not row.replied)
        return Fill(products=counts, total=self.total - 1, unanswered=left)


def fill_of(tables: Tables, agent: str) -> Fill:
    """Count what an agent has open."""
    fill = Fill()
    for row in tables.conversations.values():
        if row.agent == agent and row.state == "active":
            fill.add(row)
    return fill


def room(agent: Agent, product: Product, fill: Fill) -> int:
    """How many more he may be pushed, as the product sheet says."""
    capacity = agent.capacities.get(product.name, product.capacity)
    return min(
        capacity - fill.products.get(product.name, 0),
        agent.max_total - fill.total,
        product.unanswered_max - fill.unanswered,
    )


def may_get(agent: Agent, row: Conversation) -> bool:
    """Online, there, authorised, and of the team that is named."""
    there = agent.alive or agent.desk != "console"
    works = agent.status == "online" and not agent.disabled and there
    return works and row.inbox in agent.inboxes and row.team in {None, *agent.teams}


def lasting_wrongs(tables: Tables) -> list[str]:
    """What may never be seen, whatever happened last."""
    wrongs: list[str] = []
    places: set[tuple[str, str]] = set()
    for row in tables.conversations.values():
        wrongs += [f"{row.id[:12]}: {wrong}" for wrong in _row_wrongs(row)]
        if row.state in OPEN:
            if row.contact in tables.merged:
                wrongs.append(f"{row.id[:12]}: open for a contact that was merged away")
            if (row.inbox, row.contact) in places:
                wrongs.append(f"{row.id[:12]}: a second open one of the same contact and inbox")
            places.add((row.inbox, row.contact))
    return wrongs


def _row_wrongs(row: Conversation) -> list[str]:
    wrongs: list[str] = []
    if row.state == "waiting":
        if row.agent is not None:
            wrongs.append("waits and has an agent")
        if row.queued_at is None:
            wrongs.append("waits at no place")
        elif row.waiting_since is not None and row.queued_at > row.waiting_since:
            wrongs.append("stands behind its waiting time")
    elif row.queued_at is not None:
        wrongs.append(f"is {row.state} and stands in a queue")
    if row.state == "active" and row.agent is None and row.waiting_since is not None:
        wrongs.append("is parked while its customer waits for an answer")
    return wrongs


def idle_wrongs(tables: Tables) -> list[str]:
    """Nobody waits while somebody eligible has room."""
    if not tables.waiting:
        return []
    fills = {one: fill_of(tables, one) for one in tables.agents}
    return [
        f"{row.id[:12]}: waits while {agent.name} has room"
        for row in tables.waiting
        for agent in tables.agents.values()
        if may_get(agent, row) and room(agent, tables.products[row.product], fills[agent.id]) > 0
    ]


def epoch_wrongs(before: Tables, after: Tables, known: Mapping[str, int]) -> list[str]:
    """An epoch never falls and rises with every change of owner."""
    wrongs: list[str] = []
    for row in after.conversations.values():
        was = known.get(row.id, 0)
        old = before.conversations.get(row.id)
        if row.epoch < was:
            wrongs.append(f"{row.id[:12]}: epoch fell from {was} to {row.epoch}")
        if old is not None and old.agent != row.agent and row.epoch <= old.epoch:
            wrongs.append(f"{row.id[:12]}: another owner under epoch {row.epoch}")
    return wrongs


def given_wrongs(before: Tables, after: Tables, lines: Sequence[Assignment]) -> list[str]:
    """Judge what one single unit and its policies gave away.

    One unit frees first and gives then, so an agent's load after it is his load at the moment of
    the last gift; what he was given before that can only have been given with more room.
    """
    wrongs: list[str] = []
    given = [line for line in lines if line.how == "routed" and line.agent is not None]
    by_agent: dict[str, list[Conversation]] = {}
    for line in given:
        row = after.conversations.get(line.conversation)
        if row is None or row.agent != line.agent or row.epoch != line.epoch:
            wrongs.append(f"{line.conversation[:12]}: routed and not kept by the same unit")
            continue
        by_agent.setdefault(cast("str", line.agent), []).append(row)
    for one, rows in by_agent.items():
        wrongs += _overfull(after, one, rows)
    if not wrongs:
        wrongs += _overtaken(before, after, [row for rows in by_agent.values() for row in rows])
        if len(given) == 1:
            (row,) = (row for rows in by_agent.values() for row in rows)
            wrongs += _not_best(after, row)
    wrongs += [wrong for line in lines for wrong in _by_hand(after, line)]
    return wrongs


def _overfull(after: Tables, one: str, rows: list[Conversation]) -> list[str]:
    agent, fill = after.agents[one], fill_of(after, one)
    wrongs = [
        f"{row.id[:12]}: given to {agent.name}, who may not have it"
        for row in rows
        if not may_get(agent, row)
    ]
    products = {row.product for row in rows}
    for name in products:
        capacity = agent.capacities.get(name, after.products[name].capacity)
        if fill.products[name] > capacity:
            wrongs.append(f"{agent.name}: {fill.products[name]} of {name}, room for {capacity}")
    if fill.total > agent.max_total:
        wrongs.append(f"{agent.name}: {fill.total} in all, room for {agent.max_total}")
    # Before the first gift he had `left` without a reply; the strictest product came first.
    left = fill.unanswered - sum(not row.replied for row in rows)
    limits = sorted((after.products[row.product].unanswered_max, not row.replied) for row in rows)
    for limit, adds in limits:
        if left >= limit:
            wrongs.append(f"{agent.name}: given one more with {left} unanswered of {limit}")
        left += adds
    return wrongs


def _entered(before: Tables, row: Conversation) -> tuple[datetime, str]:
    old = before.conversations.get(row.id)
    if old is not None and old.state == "waiting":
        return place_of(old)
    return (row.waiting_since or cast("datetime", row.assigned_at), row.id)


def _overtaken(before: Tables, after: Tables, given: list[Conversation]) -> list[str]:
    """Nobody older was passed over, in this queue or by an agent who could have had him."""
    wrongs: list[str] = []
    for row in given:
        place = _entered(before, row)
        agent = after.agents[cast("str", row.agent)]
        fill = fill_of(after, agent.id).without(row)
        for other in after.waiting:
            if place_of(other) >= place:
                break
            if (other.inbox, other.team) == (row.inbox, row.team):
                wrongs.append(f"{row.id[:12]}: overtook {other.id[:12]} in its queue")
            elif may_get(agent, other) and room(agent, after.products[other.product], fill) > 0:
                wrongs.append(f"{row.id[:12]}: {agent.name} could have had {other.id[:12]}")
    return wrongs


def _not_best(after: Tables, row: Conversation) -> list[str]:
    """Who talks with this contact elsewhere or had it before; then the fewest open."""
    fills = {one: fill_of(after, one) for one in after.agents}
    fills[cast("str", row.agent)] = fills[cast("str", row.agent)].without(row)
    product = after.products[row.product]
    fit = {
        agent.id
        for agent in after.agents.values()
        if may_get(agent, row) and room(agent, product, fills[agent.id]) > 0
    }
    talks = {
        other.agent
        for other in after.conversations.values()
        if other.contact == row.contact and other.id != row.id and other.state in OPEN
    }
    pool = fit & talks or fit & {row.former} or fit
    fewest = min((fills[one or ""].total for one in pool), default=-1)
    if row.agent not in pool or fills[row.agent or ""].total != fewest:
        return [f"{row.id[:12]}: {row.agent} is not the best of {len(fit)}"]
    return []


def _by_hand(after: Tables, line: Assignment) -> list[str]:
    """A transfer or a reopening stays within capacity; a claim may confirm more."""
    row = after.conversations.get(line.conversation)
    if line.agent is None or line.how == "routed" or row is None or row.agent != line.agent:
        return []
    agent, fill = after.agents[line.agent], fill_of(after, line.agent)
    if line.how == "merged":
        return []
    there = agent.alive or agent.desk != "console" or line.how != "transferred"
    if agent.status != "online" or row.inbox not in agent.inboxes or not there:
        return [f"{row.id[:12]}: {line.how} by {agent.name}, who may not have it"]
    capacity = agent.capacities.get(row.product, after.products[row.product].capacity)
    full = fill.products[row.product] > capacity or fill.total > agent.max_total
    if full and not line.why.get("over_capacity"):
        return [f"{row.id[:12]}: {line.how} above the capacity of {agent.name}"]
    return []


def late_wrongs(tables: Tables, now: datetime, gone_at: Mapping[str, datetime]) -> list[str]:
    """With every due timer fired, nobody waits too long for an owner who is away."""
    wrongs: list[str] = []
    for row in tables.conversations.values():
        if row.state == "active" and row.agent is not None and row.waiting_since is not None:
            owner, product = tables.agents[row.agent], tables.products[row.product]
            wait = _patience(owner, product)
            if wait is not None and row.waiting_since + wait <= now:
                wrongs.append(f"{row.id[:12]}: {owner.name} is away and keeps it")
    for one, at in gone_at.items():
        agent = tables.agents[one]
        away = agent.status == "online" and agent.desk == "console" and not agent.alive
        if away and at + BREAK_AFTER_GONE <= now:
            wrongs.append(f"{agent.name}: gone since {at} and still online")
    return wrongs


def _patience(owner: Agent, product: Product) -> timedelta | None:
    if owner.status in {"break", "invisible"}:
        return timedelta(minutes=product.unanswered_break_minutes)
    if owner.status == "online" and owner.desk == "console" and not owner.alive:
        return timedelta(minutes=product.unanswered_away_minutes)
    return None
