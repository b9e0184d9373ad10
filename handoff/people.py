"""Agents as others see them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.models.people import Agent, Inbox, Product
from core.ports.channel import Channel
from core.ports.views import AgentView, CapacityView, InboxView, ProductView


def agent_view(
    agent: Agent,
    inboxes: Mapping[str, Inbox],
    products: Mapping[str, Product],
    load: Mapping[str, int],
) -> AgentView:
    """Return an agent with the products that follow from his inboxes, and his load in each."""
    own = tuple(dict.fromkeys(inboxes[name].product for name in agent.inboxes if name in inboxes))
    capacities = {
        name: CapacityView(
            load=load.get(name, 0),
            capacity=agent.capacities.get(
                name, products[name].capacity if name in products else 20
            ),
        )
        for name in own
    }
    return AgentView(
        id=agent.id,
        name=agent.name,
        email=agent.email,
        role=agent.role,
        products=own,
        inboxes=agent.inboxes,
        teams=agent.teams,
        languages=agent.languages,
        status=agent.status,
        status_since=agent.status_since,
        capacities=capacities,
        max_total=agent.max_total,
        disabled=agent.disabled,
        slack_user=agent.slack_user,
    )


def inbox_view(inbox: Inbox, channel: Channel | None) -> InboxView | None:
    """Return an inbox and what it can; None when no plugin knows its channel any more."""
    if channel is None:
        return None
    return InboxView(
        name=inbox.name,
        product=inbox.product,
        channel=inbox.channel,
        title=channel.title,
        icon=channel.icon,
        colour=channel.colour,
        can=channel.can,
        state=inbox.state,
        health=inbox.health,
        problem=inbox.problem,
    )


def product_view(product: Product) -> ProductView:
    """Return a product as it stands."""
    return ProductView(**{name: getattr(product, name) for name in ProductView.__struct_fields__})


def products_of(agent: Agent, inboxes: Sequence[Inbox]) -> set[str]:
    """Return the products an agent may know of."""
    if agent.role == "admin":
        return {inbox.product for inbox in inboxes}
    return {inbox.product for inbox in inboxes if inbox.name in agent.inboxes}
