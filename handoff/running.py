"""The part of the workplace that runs the desk: agents, products, teams, topics, health."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import Impossible, NotFound, SignedOut
from core.models.people import Agent
from core.ports.rooms import Services
from core.ports.views import (
    AgentView,
    InboxView,
    JobView,
    ProductView,
    StatusChangeView,
    TeamView,
    TopicView,
    WebhookView,
)
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch
from core.units import Unit
from handoff import rights
from handoff.admin import AddAgent, AddTeam, ChangeAgent, PutTopic, SetProduct
from handoff.people import agent_view, inbox_view, product_view, products_of

PASSWORD_LENGTH = 10


class Running:
    """Reads and writes of those who run the desk; handoff.workplace.Desk adds the conversations."""

    def __init__(self, services: Services) -> None:
        """Keep what the process offers."""
        self._services = services
        self._rooms = services.rooms

    # -- people ----------------------------------------------------------------------------------

    async def me(self, actor: Actor) -> AgentView:
        """Return the actor."""
        return await self._view(await self._acting(actor))

    async def agents(self, actor: Actor) -> Sequence[AgentView]:
        """Return those he shares a product with; admins see everybody."""
        me = await self._acting(actor)
        inboxes = await self._rooms.people.inboxes()
        mine = products_of(me, inboxes)
        found = [
            a
            for a in await self._rooms.people.agents()
            if me.role == "admin" or a.id == me.id or mine & products_of(a, inboxes)
        ]
        return await self._views(found)

    async def status_changes(self, actor: Actor, agent: str) -> Sequence[StatusChangeView]:
        """Return one's own changes, or as a supervisor those of a colleague."""
        me = await self._acting(actor)
        if agent != me.id:
            rights.need_lead(me)
            if agent not in {view.id for view in await self.agents(actor)}:
                raise NotFound
        return await self._rooms.people.status_changes(agent)

    async def add_agent(self, actor: Actor, new: NewAgent) -> AgentView:
        """Add an agent."""
        digest = await self._digest(new.password)
        added = await self._do(AddAgent(actor=actor, new=new, digest=digest))
        return await self._view(await self._agent(str(added)))

    async def change_agent(self, actor: Actor, agent: str, patch: AgentPatch) -> AgentView:
        """Change an agent."""
        digest = await self._digest(patch.password)
        await self._do(ChangeAgent(actor=actor, agent=agent, patch=patch, digest=digest))
        return await self._view(await self._agent(agent))

    # -- what exists -----------------------------------------------------------------------------

    async def products(self, actor: Actor) -> Sequence[ProductView]:
        """Return the products he may know of."""
        me = await self._acting(actor)
        mine = products_of(me, await self._rooms.people.inboxes())
        return [
            product_view(p)
            for p in await self._rooms.people.products()
            if p.name in mine or me.role == "admin"
        ]

    async def inboxes(self, actor: Actor) -> Sequence[InboxView]:
        """Return the inboxes he may read, and what they can."""
        me = await self._acting(actor)
        views = [
            inbox_view(row, self._services.channels.get(row.channel))
            for row in await self._rooms.people.inboxes()
            if rights.may_read(me, row.name)
        ]
        return [view for view in views if view is not None]

    async def teams(self, actor: Actor) -> Sequence[TeamView]:
        """Return all teams."""
        await self._acting(actor)
        return [TeamView(id=row.id, name=row.name) for row in await self._rooms.people.teams()]

    async def topics(self, actor: Actor) -> Sequence[TopicView]:
        """Return all topics, also inactive ones: old conversations name them."""
        await self._acting(actor)
        return [
            TopicView(id=row.id, name=row.name, products=row.products, active=row.active)
            for row in await self._rooms.people.topics()
        ]

    async def set_product(self, actor: Actor, product: str, patch: ProductPatch) -> ProductView:
        """Change a product's settings."""
        await self._do(SetProduct(actor=actor, product=product, patch=patch))
        for row in await self._rooms.people.products():
            if row.name == product:
                return product_view(row)
        raise NotFound

    async def add_team(self, actor: Actor, name: str) -> TeamView:
        """Add a team."""
        added = await self._do(AddTeam(actor=actor, name=name))
        return TeamView(id=str(added), name=name.strip())

    async def add_topic(self, actor: Actor, name: str, products: tuple[str, ...] = ()) -> TopicView:
        """Add a topic."""
        return await self._topic(PutTopic(actor=actor, name=name, products=products))

    async def change_topic(
        self, actor: Actor, topic: str, *, name: str | None, active: bool | None
    ) -> TopicView:
        """Rename a topic, or take it out of use."""
        return await self._topic(PutTopic(actor=actor, topic=topic, name=name, active=active))

    # -- health ----------------------------------------------------------------------------------

    async def dead_jobs(self, actor: Actor) -> Sequence[JobView]:
        """Return jobs that ended badly."""
        rights.need_admin(await self._acting(actor))
        return await self._rooms.jobs.dead()

    async def webhooks(self, actor: Actor, state: str) -> Sequence[WebhookView]:
        """Return raw bodies that were not wholly taken in."""
        rights.need_admin(await self._acting(actor))
        return await self._rooms.jobs.webhooks(state)

    # -- below -----------------------------------------------------------------------------------

    async def _do(self, unit: Unit) -> object:
        return await self._services.writer.ask(unit, urgent=True)

    async def _agent(self, agent: str) -> Agent:
        found = await self._rooms.people.agent(agent)
        if found is None:
            raise NotFound
        return found

    async def _acting(self, actor: Actor) -> Agent:
        found = await self._rooms.people.agent(actor.agent)
        if found is None or found.disabled:
            raise SignedOut("This account is disabled.")
        return found

    async def _view(self, agent: Agent) -> AgentView:
        return (await self._views([agent]))[0]

    async def _views(self, agents: Sequence[Agent]) -> list[AgentView]:
        people = self._rooms.people
        inboxes = {row.name: row for row in await people.inboxes()}
        products = {row.name: row for row in await people.products()}
        loads = await people.loads([a.id for a in agents])
        return [agent_view(a, inboxes, products, loads.get(a.id, {})) for a in agents]

    async def _topic(self, unit: PutTopic) -> TopicView:
        put = await self._do(unit)
        for row in await self._rooms.people.topics():
            if row.id == put:
                return TopicView(id=row.id, name=row.name, products=row.products, active=row.active)
        raise NotFound

    async def _digest(self, password: str | None) -> str | None:
        if password is None:
            return None
        if len(password) < PASSWORD_LENGTH:
            raise Impossible(
                f"A password has at least {PASSWORD_LENGTH} characters.",
                code="password",
                field="password",
            )
        return await self._services.passwords.digest(password)
