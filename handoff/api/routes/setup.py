"""What exists: products, inboxes, teams, topics."""

from __future__ import annotations

from typing import Annotated

import msgspec

from core.ports.views import InboxView, ProductView, TeamView, TopicView
from core.ports.workplace import ProductPatch
from handoff.api.operations import Call, Listed, Operation, listed

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ProductSettings(ProductPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a product; what is missing or null stays."""


class NewTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team to add."""

    name: Name


class NewTopic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic to add; no products = all of them."""

    name: Name
    products: tuple[Name, ...] = ()


class TopicChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a topic; what is missing or null stays."""

    name: Name | None = None
    active: bool | None = None


async def products(call: Call) -> Listed[ProductView]:
    """List the products I may know of."""
    return listed(await call.workplace.products(call.actor))


async def set_product(call: Call, body: ProductSettings) -> ProductView:
    """Change a product's settings."""
    return await call.workplace.set_product(call.actor, call.subject, body)


async def inboxes(call: Call) -> Listed[InboxView]:
    """List the inboxes I may know of, with what each channel can and how each is."""
    return listed(await call.workplace.inboxes(call.actor))


async def teams(call: Call) -> Listed[TeamView]:
    """List the teams."""
    return listed(await call.workplace.teams(call.actor))


async def add_team(call: Call, body: NewTeam) -> TeamView:
    """Add a team."""
    return await call.workplace.add_team(call.actor, body.name)


async def topics(call: Call) -> Listed[TopicView]:
    """List the topics."""
    return listed(await call.workplace.topics(call.actor))


async def add_topic(call: Call, body: NewTopic) -> TopicView:
    """Add a topic."""
    return await call.workplace.add_topic(call.actor, body.name, body.products)


async def change_topic(call: Call, body: TopicChange) -> TopicView:
    """Rename a topic, or take it out of use."""
    return await call.workplace.change_topic(
        call.actor, call.subject, name=body.name, active=body.active
    )


OPERATIONS = (
    Operation(method="GET", path="/products", handle=products),
    Operation(
        method="PUT",
        path="/products/{name}/settings",
        handle=set_product,
        who="supervisor",
        errors=(404, 422),
    ),
    Operation(method="GET", path="/inboxes", handle=inboxes),
    Operation(method="GET", path="/teams", handle=teams),
    Operation(method="POST", path="/teams", handle=add_team, who="supervisor", errors=(422,)),
    Operation(method="GET", path="/topics", handle=topics),
    Operation(method="POST", path="/topics", handle=add_topic, who="supervisor", errors=(422,)),
    Operation(
        method="PATCH",
        path="/topics/{id}",
        handle=change_topic,
        who="supervisor",
        errors=(404, 422),
    ),
)
