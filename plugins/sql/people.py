"""Reads agents, products, inboxes, teams, topics, and who is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from core.models import people
from core.models.row import Row
from core.ports.views import StatusChangeView
from plugins.sql import schema
from plugins.sql.reader import Reader
from plugins.sql.schema import CODECS, TABLES
from plugins.sql.shapes import status_change_view

R = TypeVar("R", bound=Row)
_password = TABLES[people.Password]
_email = TABLES[people.AgentEmail]
_LOGIN = (
    "SELECT "
    + ", ".join(f'"{name}"' for name in CODECS[people.Login].names)
    + " FROM login WHERE {which}"
)


class SqlPeople:
    """Implements core.ports.reading.People."""

    def __init__(self, reader: Reader) -> None:
        """Read through the pool."""
        self._reader = reader
        self._by_digest = _LOGIN.format(which="digest = ?")
        self._still_good = _LOGIN.format(
            which=f"agent = ? AND NOT revoked AND until > {reader.now_term} "
            "ORDER BY created_at DESC, digest"
        )

    async def agents(self) -> Sequence[people.Agent]:
        """Return all agents by name."""
        return await self._all(people.Agent, schema.agent.c.name, schema.agent.c.id)

    async def agent(self, agent: str) -> people.Agent | None:
        """Return one agent."""
        found = await self._rows(
            people.Agent, sa.select(schema.agent).where(schema.agent.c.id == agent)
        )
        return found[0] if found else None

    async def agent_by_email(
        self, email: str
    ) -> tuple[people.Agent, people.Password | None] | None:
        """Return an agent and his password hash; the e-mail is compared in lower case."""
        statement = (
            sa.select(schema.agent, _password)
            .select_from(
                _email.join(schema.agent, schema.agent.c.id == _email.c.agent).outerjoin(
                    _password, _password.c.agent == schema.agent.c.id
                )
            )
            .where(_email.c.email == email.lower())
        )
        found = await self._reader.read(lambda link: link.select(statement))
        if not found:
            return None
        width = len(CODECS[people.Agent].names)
        row, secret = found[0][:width], found[0][width:]
        password = None if secret[0] is None else _decode(people.Password, secret)
        return _decode(people.Agent, row), password

    async def loads(self, agents: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return open conversations by agent and product; an agent without any has {}."""
        c = schema.conversation.c
        statement = (
            sa.select(c.agent, c.product, sa.func.count())
            .where(c.agent.in_(list(agents)), c.state == sa.literal_column("'active'"))
            .group_by(c.agent, c.product)
        )
        found = await self._reader.read(lambda link: link.select(statement))
        loads: dict[str, dict[str, int]] = {agent: {} for agent in agents}
        for agent, product, count in found:
            loads[agent][product] = count
        return loads

    async def login(self, digest: str) -> people.Login | None:
        """Return a session or token by the digest of its secret, whether it still holds or not."""
        found = await self._reader.read(lambda link: link.run(self._by_digest, (digest,)))
        return _decode(people.Login, found[0]) if found else None

    async def logins(self, agent: str) -> Sequence[people.Login]:
        """Return an agent's sessions and tokens that still hold, newest first."""
        params = (agent, self._reader.now_value())
        found = await self._reader.read(lambda link: link.run(self._still_good, params))
        return [_decode(people.Login, row) for row in found]

    async def products(self) -> Sequence[people.Product]:
        """Return all products by name."""
        return await self._all(people.Product, schema.product.c.name)

    async def inboxes(self) -> Sequence[people.Inbox]:
        """Return all inboxes by name."""
        return await self._all(people.Inbox, schema.inbox.c.name)

    async def teams(self) -> Sequence[people.Team]:
        """Return all teams by name."""
        table = TABLES[people.Team]
        return await self._all(people.Team, table.c.name, table.c.id)

    async def topics(self) -> Sequence[people.Topic]:
        """Return all topics by name."""
        table = TABLES[people.Topic]
        return await self._all(people.Topic, table.c.name, table.c.id)

    async def status_changes(self, agent: str, limit: int = 100) -> Sequence[StatusChangeView]:
        """Return an agent's changes of status, newest first."""
        c = schema.status_change.c
        statement = (
            sa.select(schema.status_change)
            .where(c.agent == agent)
            .order_by(c.at.desc(), c.id.desc())
            .limit(limit)
        )
        return [status_change_view(row) for row in await self._rows(people.StatusChange, statement)]

    async def _all(self, kind: type[R], *order: sa.Column[Any]) -> list[R]:
        return await self._rows(kind, sa.select(TABLES[kind]).order_by(*order))

    async def _rows(self, kind: type[R], statement: sa.Select[Any]) -> list[R]:
        found = await self._reader.read(lambda link: link.select(statement))
        return [_decode(kind, row) for row in found]


def _decode(kind: type[R], found: Sequence[Any]) -> R:
    return cast("R", CODECS[kind].decode(found))
