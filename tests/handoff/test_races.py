"""Many at the same moment: one conversation, one owner, nobody above his room.

First with two writers in this process, in batches of one and of many; then with two servers on
one PostgreSQL that are seen waiting for one another, and one of them stopped in the middle.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from core.errors import Conflict
from core.models.people import Agent
from core.models.rows import Conversation
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch, Reply
from core.writer import Writer
from handoff.admin import SYSTEM, AddAgent, ChangeAgent, SetProduct
from handoff.owning import Claim
from handoff.plugin import register_policies
from handoff.replying import Say
from handoff.statuses import SetStatus
from sandbox.faults import Fault
from tests.core.station import until
from tests.handoff.pair import WITHIN, Pair, open_pair
from tests.handoff.walk import CAN, INBOXES, Desk, Walk, open_desk


class Rush:
    """A desk whose writers are asked by many at once."""

    def __init__(self, desk: Desk, url: str) -> None:
        """SQLite has one process, so one writer."""
        self.desk = desk
        self.walk = Walk(desk, Random(6))
        self.writers: list[Writer] = list(desk.writers[: 1 if url.startswith("sqlite") else 2])

    def writer(self, number: int) -> Writer:
        """Take turns."""
        return self.writers[number % len(self.writers)]

    async def everybody(self, unit: Any) -> None:
        """Ask any writer."""
        await self.writers[0].ask(unit)

    async def agent(self, email: str, role: Any = "agent") -> str:
        """Add an agent for every inbox."""
        new = NewAgent(email=email, role=role, inboxes=tuple(INBOXES))
        return str(await self.writers[0].ask(AddAgent(actor=SYSTEM, new=new)))

    async def status(self, agent: str, status: Any) -> None:
        """Change a status, from Slack."""
        actor = Actor(agent=agent, desk="slack")
        await self.writers[0].ask(SetStatus(actor=actor, agent=agent, status=status))

    async def room(self, *, capacity: int, unanswered: int) -> None:
        """Give every product this much room."""
        patch = ProductPatch(capacity=capacity, unanswered_max=unanswered)
        for name in ("acme", "globex"):
            await self.everybody(SetProduct(actor=SYSTEM, product=name, patch=patch))

    def rows(self, where: str = "1 = 1") -> list[Conversation]:
        """Return conversations."""
        return self.desk.eyes.rows(Conversation, where)


@asynccontextmanager
async def _rush(url: str, batch: int) -> AsyncIterator[Rush]:
    async with open_desk(url, register_policies(), Random(6), batch_units=batch) as desk:
        yield Rush(desk, url)


@pytest_asyncio.fixture(params=[1, 128])
async def rush(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Rush]:
    """Both stores, in batches of one and of many."""
    async with _rush(database_url, request.param) as rush:
        yield rush


async def test_first_messages_of_one_customer_make_one_conversation(rush: Rush) -> None:
    for customer in range(20):
        units = [rush.walk.says("shop", f"new {customer}") for _ in range(20)]
        await asyncio.gather(*(rush.writer(n).ask(unit) for n, unit in enumerate(units)))
    counts = rush.desk.eyes.ask("SELECT conversation, count(*) FROM message GROUP BY conversation")
    assert [count for _, count in counts] == [20] * 20
    assert len(rush.rows()) == 20


async def test_of_fifty_claims_one_succeeds(rush: Rush) -> None:
    leads = [await rush.agent(f"lead{n}@example.com", "supervisor") for n in range(50)]
    for lead in leads:
        await rush.status(lead, "online")
    await rush.everybody(rush.walk.says("shop", "ann"))
    for _ in range(10):
        (row,) = rush.rows()
        claims = [
            Claim(actor=Actor(agent=lead, desk="slack"), conversation=row.id, epoch=row.epoch)
            for lead in leads
        ]
        outcomes = await asyncio.gather(
            *(rush.writer(n).ask(claim) for n, claim in enumerate(claims)), return_exceptions=True
        )
        kinds = Counter(type(outcome).__name__ for outcome in outcomes)
        assert kinds == {"str": 1, "Conflict": 49}
        (after,) = rush.rows()
        winner = next(n for n, one in enumerate(outcomes) if not isinstance(one, BaseException))
        assert (after.agent, after.epoch) == (leads[winner], row.epoch + 1)
    assert Conflict.status == 409


async def test_room_for_three_of_a_hundred(rush: Rush) -> None:
    """Three agents at 19 of 20, all answered; a hundred customers at once."""
    await rush.room(capacity=20, unanswered=20)
    agents = [await rush.agent(f"a{n}@busy.example.com") for n in range(3)]
    for number, agent in enumerate(agents):
        await rush.status(agent, "online")
        for customer in range(19):
            await rush.everybody(rush.walk.says("shop", f"early {number} {customer}"))
        for row in rush.rows(f"agent = '{agent}'"):
            actor = Actor(agent=agent, desk="slack")
            say = Say(actor=actor, conversation=row.id, reply=Reply(text="hi"), can=CAN)
            await rush.everybody(say)
        await rush.status(agent, "invisible")
    await rush.room(capacity=20, unanswered=3)
    for agent in agents:
        await rush.everybody(ChangeAgent(actor=SYSTEM, agent=agent, patch=AgentPatch(max_total=50)))
        await rush.status(agent, "online")
    units = [rush.walk.says("shop", f"late {n}") for n in range(100)]
    await asyncio.gather(*(rush.writer(n).ask(unit) for n, unit in enumerate(units)))
    loads = Counter(row.agent for row in rush.rows("state = 'active'"))
    assert loads == dict.fromkeys(agents, 20)
    assert len(rush.rows("state = 'waiting'")) == 97
    owners = {row.id for row in rush.desk.eyes.rows(Agent)}
    assert set(loads) <= owners


# -- two servers -----------------------------------------------------------------------------------


class Waits:
    """Counts how often each server is seen waiting for a lock that the other one holds."""

    ENOUGH = 20
    _ASKED = (
        "SELECT application_name, xact_start FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND application_name IN ('first', 'second')"
    )

    def __init__(self, pair: Pair) -> None:
        """Nothing seen."""
        self._pair = pair
        self._seen: set[tuple[str, object]] = set()

    def look(self) -> None:
        """Look once."""
        self._seen |= {(name, at) for name, at in self._pair.ask(self._ASKED)}

    @property
    def count(self) -> dict[str, int]:
        """Waits seen by server."""
        found = Counter(name for name, _ in self._seen)
        return {name: found[name] for name in ("first", "second")}

    @property
    def are_enough(self) -> bool:
        """Both have waited often enough to prove that they overlap."""
        return min(self.count.values()) >= self.ENOUGH

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.001)


@pytest.mark.slow
async def test_two_servers_share_one_desk(postgres_url: str, tmp_path: Path) -> None:
    async with open_pair(tmp_path, postgres_url, agents=50) as pair:
        waits = Waits(pair)
        watching = asyncio.create_task(waits.watch())
        try:
            customers = await _first_messages(pair, waits)
            await _claims(pair)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        assert waits.are_enough, f"inconclusive: {waits.count} in {customers} rounds"
        (seqs,) = pair.ask("SELECT count(*), max(seq) FROM event")
        assert seqs[0] == seqs[1], "the feed has a gap"


async def _first_messages(pair: Pair, waits: Waits) -> int:
    """Twenty first messages of a new customer at both servers, until they have overlapped."""
    customers = 0
    while customers < 30 or (not waits.are_enough and customers < 400):
        told = [pair.writes(n % 2, "shop", f"49{customers + n % 3}", f"m{n}") for n in range(60)]
        await asyncio.gather(*told)
        customers += 3
    counts = pair.ask("SELECT conversation, count(*) FROM message GROUP BY conversation")
    assert [count for _, count in counts] == [20] * customers
    assert pair.one("SELECT count(*) FROM conversation") == customers
    return customers


async def _claims(pair: Pair) -> None:
    """Fifty supervisors claim one conversation under one epoch, at both servers."""
    conversation = pair.one("SELECT id FROM conversation ORDER BY id LIMIT 1")
    for _ in range(5):
        epoch = pair.one(f"SELECT epoch FROM conversation WHERE id = '{conversation}'")  # noqa: S608
        path = f"/conversations/{conversation}/claim"
        answers = await asyncio.gather(
            *(
                pair.act(n % 2, agent, "POST", path, {"epoch": epoch})
                for n, agent in enumerate(pair.agents)
            )
        )
        statuses = Counter(status for status, _ in answers)
        assert statuses == {200: 1, 409: 49}
        (winner,) = (answer for status, answer in answers if status == 200)
        assert winner["epoch"] == epoch + 1


@pytest.mark.slow
async def test_room_for_three_of_a_hundred_at_two_servers(
    postgres_url: str, tmp_path: Path
) -> None:
    async with open_pair(tmp_path, postgres_url) as pair:
        early = [pair.writes(n % 2, "shop", f"481{n:03}") for n in range(57)]
        await asyncio.gather(*early)
        found = pair.ask("SELECT id, agent FROM conversation")
        by_id = {agent.id: agent for agent in pair.agents}
        assert Counter(agent for _, agent in found) == dict.fromkeys(by_id, 19)
        await asyncio.gather(
            *(
                pair.insist(
                    n % 2,
                    by_id[agent],
                    "POST",
                    f"/conversations/{row}/messages",
                    {"text": "hi"},
                    f"key-{row}",
                )
                for n, (row, agent) in enumerate(found)
            )
        )
        patch = {"capacity": 20, "unanswered_max": 3}
        await pair.insist(0, pair.agents[0], "PUT", "/products/acme/settings", patch)
        late = [pair.writes(n % 2, "shop", f"482{n:03}") for n in range(100)]
        await asyncio.gather(*late)
        loads = pair.ask(
            "SELECT agent, count(*) FROM conversation WHERE state = 'active' GROUP BY agent"
        )
        assert dict(map(tuple, loads)) == dict.fromkeys(by_id, 20)
        assert pair.one("SELECT count(*) FROM conversation WHERE state = 'waiting'") == 97


@pytest.mark.slow
async def test_a_server_stopped_in_its_commit_stops_nobody_and_writes_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    """It stands still with the counter row in its hand; when it goes on, its right is gone."""
    async with open_pair(tmp_path, postgres_url) as pair:
        await pair.writes(0, "shop", "4900")
        await pair.writes(1, "shop", "4901")
        for turn in range(3):
            (pair.programs[0].flags / "stop").touch()
            held = pair.body("shop", "4900", f"held {turn}", wamid=f"wamid.held.{turn}")
            posting = asyncio.create_task(pair.post(0, "shop", held))
            await pair.is_stopped(0)
            began = asyncio.get_running_loop().time()
            for number in range(10):
                await pair.writes(1, "shop", f"49{turn}{number}")
            took = asyncio.get_running_loop().time() - began
            assert took < WITHIN / 4, "the other server waited for a stopped one"
            before = pair.one("SELECT count(*) FROM message")
            pair.go_on(0)
            status = await posting
            assert status in {0, 503}, "a 2xx for what the store rolled back"
            assert pair.one("SELECT count(*) FROM message") == before
            for place in (0, 1, 0):
                await _until_taken(pair, place, held)
            assert pair.one("SELECT count(*) FROM message") == before + 1
        (seqs,) = pair.ask("SELECT count(*), max(seq) FROM event")
        assert seqs[0] == seqs[1], "the feed has a gap"
        status, answer = await pair.act(0, pair.agents[0], "GET", "/events?after=0&limit=500")
        assert status == 200
        assert not answer["more"]


async def _until_taken(pair: Pair, place: int, body: bytes) -> None:
    async def is_taken() -> bool:
        return await pair.post(place, "shop", body) == 200

    await until(is_taken, WITHIN)


@pytest.mark.slow
async def test_a_sender_stopped_in_a_call_has_no_say_any_more(
    postgres_url: str, tmp_path: Path
) -> None:
    """The other takes its lease over and calls the send unknown; the late answer is refused."""
    async with open_pair(tmp_path, postgres_url) as pair:
        await pair.writes(0, "shop", "4900")
        conversation, owner = pair.ask("SELECT id, agent FROM conversation")[0]
        agent = next(one for one in pair.agents if one.id == owner)
        place = pair.holder_of("send:shop")
        assert place is not None
        pair.graph.faults.add(Fault(mode="slow", seconds=None))
        sent = await pair.insist(
            1 - place,
            agent,
            "POST",
            f"/conversations/{conversation}/messages",
            {"text": "hangs"},
            "key",
        )
        await pair.graph.until(lambda: len(pair.graph.open) == 1, within=timedelta(seconds=20))
        pair.pause(place)
        await _becomes(pair, 1 - place, agent, sent["id"], "unknown")
        assert pair.holder_of("send:shop") == 1 - place
        epoch = pair.one("SELECT epoch FROM lease WHERE name = 'send:shop'")
        pair.graph.release()
        pair.go_on(place)
        # Its answer has come; it must also be able to take part again.
        await pair.writes(place, "shop", "4901")
        late = await pair.insist(
            place,
            agent,
            "POST",
            f"/conversations/{conversation}/messages",
            {"text": "behind it"},
            "key 2",
        )
        await pair.graph.until(
            lambda: any(call.text == "behind it" for call in pair.graph.calls),
            within=timedelta(seconds=50),
        )
        assert [call.text for call in pair.graph.calls] == ["hangs", "behind it"]
        status, page = await pair.act(
            place, agent, "GET", f"/conversations/{conversation}/messages"
        )
        assert status == 200
        states = {one["id"]: one["delivery"]["state"] for one in page["items"] if one["delivery"]}
        assert states[sent["id"]] == "unknown"
        assert states[late["id"]] == "pending"
        assert pair.one("SELECT epoch FROM lease WHERE name = 'send:shop'") == epoch


async def _becomes(pair: Pair, place: int, agent: Any, message: str, state: str) -> None:
    asked = f"SELECT delivery_state FROM message WHERE id = '{message}'"  # noqa: S608
    await until(lambda: pair.one(asked) == state, WITHIN)
    status, _ = await pair.act(place, agent, "GET", "/me")
    assert status == 200
