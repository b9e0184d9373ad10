"""Two servers send a thousand replies over four inboxes, and one of them is killed midway.

Nothing is sent twice. What was not sent, or nobody knows of, was under way at the kill.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from tests.core.station import until
from tests.handoff.pair import Pair, open_pair

INBOXES = ("shop", "care", "lab", "post")
CUSTOMERS = 25
REPLIES = 10
KILL_AT = 400
_UNDER_WAY = (
    "SELECT j.subject FROM job AS j JOIN call AS c ON c.job = j.id "
    "WHERE j.kind = 'send' AND j.state = 'open' AND c.number > j.tries"
)


async def _write(pair: Pair) -> list[tuple[str, str]]:
    """Let every customer write once; return (conversation, owner)."""
    await asyncio.gather(
        *(
            pair.writes(number % 2, inbox, f"49{place}{number:03}")
            for place, inbox in enumerate(INBOXES)
            for number in range(CUSTOMERS)
        )
    )
    return [(row, owner) for row, owner in pair.ask("SELECT id, agent FROM conversation")]


async def _answer(pair: Pair, conversation: str, owner: str) -> list[str]:
    """Write ten replies, one after the other, repeating what is in doubt."""
    agent = next(one for one in pair.agents if one.id == owner)
    path = f"/conversations/{conversation}/messages"
    told = []
    for number in range(REPLIES):
        body: Any = {"text": f"{conversation} {number}"}
        key = f"{conversation}-{number}"
        sent = await pair.insist(number % 2, agent, "POST", path, body, key)
        told.append(sent["id"])
    return told


@pytest.mark.slow
async def test_a_killed_sender_doubles_nothing(postgres_url: str, tmp_path: Path) -> None:
    async with open_pair(tmp_path, postgres_url, inboxes=INBOXES) as pair:
        # Slow enough that a kill finds calls open.
        pair.graph.faults.add(Fault(mode="slow", seconds=0.05, count=None))
        rows = await _write(pair)
        answering = [asyncio.create_task(_answer(pair, *row)) for row in rows]
        await pair.graph.until(
            lambda: len(pair.graph.calls) >= KILL_AT and len(pair.graph.open) >= 4,
            within=timedelta(seconds=100),
        )
        victim = 0 if pair.holder_of("send:shop") == 0 else 1
        assert pair.holder_of("send:shop") is not None
        await pair.programs[victim].kill()
        under_way = {subject for (subject,) in pair.ask(_UNDER_WAY)}
        written = [message for told in await asyncio.gather(*answering) for message in told]
        assert len(set(written)) == len(rows) * REPLIES == 1_000
        await _all_told(pair)
        counts = Counter((call.tag or "").partition(".")[0] for call in pair.graph.calls)
        assert max(counts.values()) == 1, "sent twice"
        assert set(counts) <= set(written)
        unsure = {message for message in written if counts[message] == 0}
        unsure |= {
            one for (one,) in pair.ask("SELECT id FROM message WHERE delivery_state = 'unknown'")
        }
        assert unsure, "inconclusive: the kill found no call open"
        assert unsure <= under_way
        assert not pair.ask("SELECT 1 FROM message WHERE delivery_state = 'failed'")


async def _all_told(pair: Pair) -> None:
    """Wait until the other server has made every call there is still to make."""
    left = "SELECT count(*) FROM job WHERE kind = 'send' AND state = 'open'"
    await until(lambda: pair.one(left) == 0, 150)
