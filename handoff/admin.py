"""Units of the people who run the desk: agents, teams, topics, product settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from typing_extensions import override

from core.errors import Conflict, Impossible, NotFound
from core.models.people import (
    Agent,
    AgentEmail,
    Audit,
    Inbox,
    Password,
    Product,
    Team,
    Topic,
)
from core.models.row import Key, Row
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch
from core.units import Ask, Decision
from core.views import View
from core.world import World
from handoff import rights

replace = msgspec.structs.replace
SYSTEM = Actor(agent="", desk="cli")
ROLES = ("agent", "supervisor", "admin")


def _admin(world: World, actor: Actor) -> str:
    """Return who did it; the command line acts as the machine's owner."""
    if actor.desk == "cli":
        return "cli"
    agent = rights.acting(world, actor)
    rights.need_admin(agent)
    return agent.id


def _needs(actor: Actor) -> list[Key | View]:
    return [] if actor.desk == "cli" else [(Agent, actor.agent)]


def _audit(world: World, by: str, action: str, subject: str, **detail: Any) -> Audit:
    return Audit(
        id=world.new_id(), at=world.now, actor=by, action=action, subject=subject, detail=detail
    )


class AddAgent(Ask, frozen=True, kw_only=True):
    """Add an agent: offline, authorised for nothing that is not named. Answers his id."""

    actor: Actor
    new: NewAgent
    digest: str | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The e-mail, the inboxes and teams named."""
        keys = _needs(self.actor)
        keys.append((AgentEmail, self.new.email.strip().lower()))
        keys += [(Inbox, name) for name in self.new.inboxes]
        return [*keys, *((Team, name) for name in self.new.teams)]

    def decide(self, world: World) -> Decision:
        """Refuse a second agent with one e-mail."""
        by = _admin(world, self.actor)
        email = self.new.email.strip().lower()
        if "@" not in email or any(c.isspace() for c in email):
            raise Impossible("This is not an e-mail address.", code="email", field="email")
        if world.get(AgentEmail, email) is not None:
            raise Conflict("There is an agent with this e-mail.", code="email_taken")
        _check_names(world, self.new.inboxes, self.new.teams, self.new.role)
        agent = Agent(
            id=world.new_id(),
            name=self.new.name.strip() or email.partition("@")[0],
            email=email,
            role=self.new.role,
            inboxes=tuple(dict.fromkeys(self.new.inboxes)),
            teams=tuple(dict.fromkeys(self.new.teams)),
            languages=self.new.languages,
            status_since=world.now,
            created_at=world.now,
        )
        rows: list[Row] = [agent, AgentEmail(email=email, agent=agent.id)]
        if self.digest is not None:
            rows.append(Password(agent=agent.id, digest=self.digest, changed_at=world.now))
        rows.append(_audit(world, by, "agent.added", agent.id, role=agent.role))
        return Decision(rows=tuple(rows), answer=agent.id)


def _check_names(world: World, inboxes: Iterable[str], teams: Iterable[str], role: str) -> None:
    for name in inboxes:
        if world.get(Inbox, name) is None:
            raise Impossible(f"There is no inbox {name!r}.", code="no_inbox", field="inboxes")
    for name in teams:
        if world.get(Team, name) is None:
            raise Impossible(f"There is no team {name!r}.", code="no_team", field="teams")
    if role not in ROLES:
        raise Impossible(f"A role is one of {', '.join(ROLES)}.", code="no_role", field="role")


class ChangeAgent(Ask, frozen=True, kw_only=True):
    """Change an agent. Losing an inbox or being disabled sends his conversations on at once."""

    actor: Actor
    agent: str
    patch: AgentPatch
    digest: str | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The agent and what the patch names."""
        keys = [*_needs(self.actor), (Agent, self.agent), (Password, self.agent)]
        keys += [(Inbox, name) for name in self.patch.inboxes or ()]
        return [*keys, *((Team, name) for name in self.patch.teams or ())]

    def decide(self, world: World) -> Decision:
        """Apply what is not None."""
        by = _admin(world, self.actor)
        agent = world.get(Agent, self.agent)
        if agent is None:
            raise NotFound
        patch = self.patch
        _check_names(world, patch.inboxes or (), patch.teams or (), patch.role or agent.role)
        _check_numbers(patch)
        given = {
            name: value
            for name in patch.__struct_fields__
            if name != "password" and (value := getattr(patch, name)) is not None
        }
        if self.actor.agent == agent.id and (
            patch.disabled or patch.role not in {None, agent.role}
        ):
            raise Impossible("Somebody else must disable you or change your role.", code="self")
        changed = replace(agent, **given)
        if changed.disabled and changed.status != "offline":
            changed = replace(changed, status="offline", status_since=world.now)
        rows: list[Row] = [
            changed,
            _audit(world, by, "agent.changed", agent.id, fields=sorted(given)),
        ]
        if self.digest is not None:
            rows.append(Password(agent=agent.id, digest=self.digest, changed_at=world.now))
        return Decision(rows=tuple(rows), answer=agent.id)


def _check_numbers(patch: AgentPatch) -> None:
    numbers = [*(patch.capacities or {}).values(), *([patch.max_total] if patch.max_total else [])]
    if any(not 1 <= number <= 1000 for number in numbers):
        raise Impossible("A capacity lies between 1 and 1000.", code="capacity", field="capacities")


class SetProduct(Ask, frozen=True, kw_only=True):
    """Change a product's settings; more room drains its queues in the same commit."""

    actor: Actor
    product: str
    patch: ProductPatch

    @override
    def needs(self) -> Iterable[Key | View]:
        """The product."""
        return (*_needs(self.actor), (Product, self.product))

    def decide(self, world: World) -> Decision:
        """Apply what is not None."""
        by = "cli"
        product = world.get(Product, self.product)
        if self.actor.desk != "cli":
            agent = rights.acting(world, self.actor)
            rights.need_lead(agent)
            by = agent.id
            if agent.role != "admin" and self.product not in _products(world, agent):
                raise NotFound
        if product is None:
            raise NotFound
        given = {
            name: value
            for name in self.patch.__struct_fields__
            if (value := getattr(self.patch, name)) is not None
        }
        for name, value in given.items():
            if isinstance(value, int) and not 1 <= value <= 100_000:
                raise Impossible("This number is out of range.", code="range", field=name)
        if given.get("claim", "agents") not in {"agents", "supervisors"}:
            raise Impossible("claim is `supervisors` or `agents`.", code="range", field="claim")
        row = replace(product, **given)
        line = _audit(world, by, "product.changed", product.name, fields=sorted(given))
        return Decision(rows=(row, line), answer=product.name)


def _products(world: World, agent: Agent) -> set[str]:
    world.want([(Inbox, name) for name in agent.inboxes])
    return {row.product for name in agent.inboxes if (row := world.get(Inbox, name)) is not None}


class AddTeam(Ask, frozen=True, kw_only=True):
    """Add a team. Answers its id."""

    actor: Actor
    name: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor."""
        return _needs(self.actor)

    def decide(self, world: World) -> Decision:
        """Supervisors and admins."""
        by = _lead(world, self.actor)
        if not self.name.strip():
            raise Impossible("A team needs a name.", code="name", field="name")
        team = Team(id=world.new_id(), name=self.name.strip())
        return Decision(rows=(team, _audit(world, by, "team.added", team.id)), answer=team.id)


def _lead(world: World, actor: Actor) -> str:
    if actor.desk == "cli":
        return "cli"
    agent = rights.acting(world, actor)
    rights.need_lead(agent)
    return agent.id


class PutTopic(Ask, frozen=True, kw_only=True):
    """Add a topic, or change one by id. Answers its id."""

    actor: Actor
    topic: str | None = None
    name: str | None = None
    products: tuple[str, ...] | None = None
    active: bool | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The actor, the topic, the products named."""
        keys = _needs(self.actor)
        if self.topic is not None:
            keys.append((Topic, self.topic))
        return [*keys, *((Product, name) for name in self.products or ())]

    def decide(self, world: World) -> Decision:
        """Supervisors and admins; a topic is never deleted, old conversations name it."""
        by = _lead(world, self.actor)
        for name in self.products or ():
            if world.get(Product, name) is None:
                raise Impossible(
                    f"There is no product {name!r}.", code="no_product", field="products"
                )
        before = None if self.topic is None else world.get(Topic, self.topic)
        if self.topic is not None and before is None:
            raise NotFound
        name = (self.name if self.name is not None else before.name if before else "").strip()
        if not name:
            raise Impossible("A topic needs a name.", code="name", field="name")
        row = Topic(
            id=before.id if before else world.new_id(),
            name=name,
            products=self.products
            if self.products is not None
            else before.products
            if before
            else (),
            active=self.active if self.active is not None else before.active if before else True,
        )
        return Decision(rows=(row, _audit(world, by, "topic.put", row.id)), answer=row.id)
