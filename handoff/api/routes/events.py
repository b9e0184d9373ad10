"""The feed for those who poll; at the same address a socket gets it as it happens."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec

from core.feed import Stale
from core.ports.views import Frame
from handoff.api.operations import Call, Operation
from handoff.api.sight import Watcher

RESYNC = Frame(type="resync")


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events behind a cursor; without one, only the newest cursor is answered."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Frames as the socket sends them. A `resync` among them: read everything anew."""

    events: tuple[Frame, ...]
    cursor: int
    more: bool


async def events(call: Call, query: EventsQuery) -> Events:
    """Return what happened behind a cursor, as far as I may see it; also a WebSocket."""
    live = call.services.live
    if query.after is None:
        return Events(events=(), cursor=await live.newest(), more=False)
    newest = await live.newest()
    watcher = await Watcher.of(call.workplace, call.actor)
    try:
        frames, more = await live.page(query.after, query.limit)
    except Stale:
        return Events(events=(RESYNC,), cursor=newest, more=False)
    seen: list[Any] = []
    for frame in frames:
        verdict = await watcher.judge(frame.event)
        if verdict != "hide":
            seen.append(msgspec.Raw(frame.body) if verdict == "show" else RESYNC)
    cursor = frames[-1].seq if frames else query.after
    return Events(events=cast("tuple[Frame, ...]", tuple(seen)), cursor=cursor, more=more)


OPERATIONS = (Operation(method="GET", path="/events", handle=events),)
