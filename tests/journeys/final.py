"""The last look at a run: what the API shows once everything has come to rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from tests.journeys.agents import AgentClient, shown
from tests.journeys.checker import ENDS
from tests.journeys.evidence import Evidence, Shown, Stored

PAGE = 200
FEED_PAGE = 500
STREAM_TIME = timedelta(seconds=15)
LOOK_SECONDS = 0.5


async def collect(evidence: Evidence, agents: Sequence[AgentClient], settle: float) -> None:
    """Fill in what only the servers know. What is under way gets `settle` seconds to end."""
    evidence.written = [one for agent in agents for one in agent.written]
    until = time.monotonic() + settle
    while True:
        evidence.conversations, evidence.stored = await _stored(agents[0])
        under_way = [
            one for one in evidence.stored if one.state is not None and one.state not in ENDS
        ]
        if not under_way or time.monotonic() > until:
            break
        await asyncio.sleep(LOOK_SECONDS)
    for agent in agents:
        name = agent.hired.name
        evidence.feed[name] = await _feed(agent)
        await _until_shown(agent, evidence.feed[name])
        evidence.shown[name] = agent.frames
        evidence.connects[name] = agent.connects
        evidence.resyncs += agent.resyncs


async def _stored(agent: AgentClient) -> tuple[dict[str, str], list[Stored]]:
    customers: dict[str, str] = {}
    cursor: str | None = None
    while True:
        query = {"view": "active", "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
        page = await agent.ask("GET", "/conversations", params=query)
        customers |= {one["id"]: one["contact"]["name"] for one in page["items"]}
        cursor = page["cursor"]
        if cursor is None:
            break
    messages: list[Stored] = []
    for conversation, customer in customers.items():
        messages += await _messages(agent, conversation, customer)
    return customers, messages


async def _messages(agent: AgentClient, conversation: str, customer: str) -> list[Stored]:
    found: list[Stored] = []
    after = "0"
    while True:
        page = await agent.ask(
            "GET",
            f"/conversations/{conversation}/messages",
            params={"after": after, "limit": str(PAGE)},
        )
        found += [_message(one, customer) for one in page["items"]]
        if not page["more"]:
            return found
        after = found[-1].id


def _message(one: dict[str, Any], customer: str) -> Stored:
    delivery = one["delivery"]
    return Stored(
        id=one["id"],
        conversation=one["conversation"],
        customer=customer,
        position=one["position"],
        kind=one["kind"],
        note=one["note"],
        source_id=one["source_id"],
        text=one["text"],
        state=None if delivery is None else delivery["state"],
    )


async def _feed(agent: AgentClient) -> list[Shown]:
    after = agent.start
    frames: list[Shown] = []
    while True:
        page = await agent.ask("GET", "/events", params={"after": after, "limit": FEED_PAGE})
        frames += [shown(frame) for frame in page["events"] if "seq" in frame]
        after = page["cursor"]
        if not page["more"]:
            return frames


async def _until_shown(agent: AgentClient, frames: Sequence[Shown]) -> None:
    """Give the stream a moment to show the last of the feed; the checker judges what is missing."""
    last = frames[-1].seq if frames else 0
    with suppress(TimeoutError):
        await agent.ring.changes.until(lambda: (agent.cursor or 0) >= last, STREAM_TIME)
