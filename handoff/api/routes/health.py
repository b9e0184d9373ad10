"""What went wrong and waits for somebody."""

from __future__ import annotations

from typing import Literal

import msgspec

from core.ports.views import JobView, WebhookView
from handoff.api.operations import Call, Listed, Operation, listed


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Only jobs that ended badly are listed."""

    state: Literal["dead"] = "dead"


class InboundQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bodies that could not be read, or of which some items could not be stored."""

    state: Literal["unparsed", "failed"] = "unparsed"


async def jobs(call: Call, query: JobsQuery) -> Listed[JobView]:  # noqa: ARG001 - there is one state
    """List the jobs that ended badly, newest first."""
    return listed(await call.workplace.dead_jobs(call.actor))


async def inbound(call: Call, query: InboundQuery) -> Listed[WebhookView]:
    """List the raw bodies that were not wholly taken in, newest first."""
    return listed(await call.workplace.webhooks(call.actor, query.state))


OPERATIONS = (
    Operation(method="GET", path="/jobs", handle=jobs, who="admin"),
    Operation(method="GET", path="/inbound", handle=inbound, who="admin"),
)
