"""Myself and my colleagues."""

from __future__ import annotations

from typing import Annotated

import msgspec

from core.models.people import Status
from core.ports.views import AgentView, Counters, StatusChangeView
from core.ports.workplace import AgentPatch, NewAgent, StatusPreview
from handoff.api.operations import Call, Listed, Operation, listed


class NewStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status to set, and why when it is somebody else's."""

    status: Status
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class CountersQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the labels count; nothing = everything I am authorised for."""

    product: str | None = None
    channel: str | None = None
    inbox: str | None = None


class AgentToAdd(NewAgent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent to add; authorised for nothing unless named."""


class AgentChange(AgentPatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an agent; what is missing or null stays."""


async def me(call: Call) -> AgentView:
    """Return who I am."""
    return await call.workplace.me(call.actor)


async def set_my_status(call: Call, body: NewStatus) -> AgentView:
    """Set my status; the same one again changes nothing."""
    return await call.workplace.set_status(call.actor, body.status, reason=body.reason)


async def preview_offline(call: Call) -> StatusPreview:
    """Say what going offline would do with my conversations."""
    return await call.workplace.preview_offline(call.actor)


async def counters(call: Call, query: CountersQuery) -> Counters:
    """Return the three labels: Waiting, Online, and my status with its time."""
    return await call.workplace.counters(
        call.actor, product=query.product, channel=query.channel, inbox=query.inbox
    )


async def agents(call: Call) -> Listed[AgentView]:
    """List the agents I may know of."""
    return listed(await call.workplace.agents(call.actor))


async def add_agent(call: Call, body: AgentToAdd) -> AgentView:
    """Add an agent."""
    return await call.workplace.add_agent(call.actor, body)


async def change_agent(call: Call, body: AgentChange) -> AgentView:
    """Change an agent."""
    return await call.workplace.change_agent(call.actor, call.subject, body)


async def set_agent_status(call: Call, body: NewStatus) -> AgentView:
    """Set a colleague's status."""
    return await call.workplace.set_status(
        call.actor, body.status, agent=call.subject, reason=body.reason
    )


async def status_changes(call: Call) -> Listed[StatusChangeView]:
    """List an agent's changes of status, newest first."""
    return listed(await call.workplace.status_changes(call.actor, call.subject))


OPERATIONS = (
    Operation(method="GET", path="/me", handle=me),
    Operation(method="PUT", path="/me/status", handle=set_my_status, errors=(422,)),
    Operation(method="GET", path="/me/status/preview", handle=preview_offline),
    Operation(method="GET", path="/counters", handle=counters),
    Operation(method="GET", path="/agents", handle=agents),
    Operation(method="POST", path="/agents", handle=add_agent, who="admin", errors=(409, 422)),
    Operation(
        method="PATCH", path="/agents/{id}", handle=change_agent, who="admin", errors=(404, 422)
    ),
    Operation(
        method="PUT",
        path="/agents/{id}/status",
        handle=set_agent_status,
        who="supervisor",
        errors=(404, 409, 422),
    ),
    Operation(
        method="GET",
        path="/agents/{id}/statuses",
        handle=status_changes,
        who="supervisor",
        errors=(404,),
    ),
)
