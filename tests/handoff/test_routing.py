"""Single scenes of routing, each of which was once wrong or is easily got wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from core.models.people import Agent
from core.models.rows import Contact, Conversation
from core.ports.workplace import Actor, AgentPatch, ProductPatch, Reply
from core.writer import Writer
from handoff.admin import SYSTEM, AddTeam, ChangeAgent, SetProduct
from handoff.closing import Block, MergeContacts, Resolve
from handoff.owning import Reopen, Transfer
from handoff.plugin import register_policies
from handoff.replying import Say
from handoff.statuses import SetStatus
from tests.handoff.walk import CAN, Desk, Walk, open_desk

FULL_DESK = ("shop", "care", "lab")


class Scene:
    """A desk where one admin works and customers write by name."""

    def __init__(self, desk: Desk) -> None:
        """Everybody is offline."""
        self.desk = desk
        self.writer: Writer = desk.writers[0]
        self.walk = Walk(desk, Random(3))
        self.agents: list[Agent] = sorted(desk.eyes.rows(Agent), key=lambda a: a.id)

    @property
    def admin(self) -> Actor:
        """The admin acts from Slack: no socket, no timer."""
        return Actor(agent=self.agents[0].id, desk="slack")

    async def status(self, status: Any) -> None:
        """The admin changes his status."""
        await self.writer.ask(SetStatus(actor=self.admin, agent=self.admin.agent, status=status))

    async def writes(self, inbox: str, key: str) -> Conversation:
        """A customer writes; returns his conversation as it is then."""
        await self.writer.ask(self.walk.says(inbox, key))
        return self.of(inbox, key)

    def of(self, inbox: str, key: str) -> Conversation:
        """Return the newest conversation of a customer."""
        contact = self.desk.eyes.one(
            "SELECT a.contact FROM address AS a JOIN address_key AS k ON k.address = a.id "  # noqa: S608
            f"WHERE k.inbox = '{inbox}' AND k.source_id = '{key}'"
        )
        found = self.rows(f"inbox = '{inbox}' AND contact = '{contact}'")
        return max(found, key=lambda row: row.id)

    def rows(self, where: str = "1 = 1") -> Sequence[Conversation]:
        """Return conversations."""
        rows: list[Conversation] = self.desk.eyes.rows(Conversation, where)
        return rows

    async def room(self, capacity: int) -> None:
        """Give the admin and every product this much room."""
        for name in ("acme", "globex"):
            patch = ProductPatch(capacity=capacity, unanswered_max=capacity)
            await self.writer.ask(SetProduct(actor=SYSTEM, product=name, patch=patch))
        patch_total = AgentPatch(max_total=2 * capacity)
        agent = self.admin.agent
        await self.writer.ask(ChangeAgent(actor=SYSTEM, agent=agent, patch=patch_total))


@pytest_asyncio.fixture
async def scene(sqlite_url: str) -> AsyncIterator[Scene]:
    """A furnished desk on SQLite."""
    async with open_desk(sqlite_url, register_policies(), Random(3)) as desk:
        yield Scene(desk)


async def test_many_queues_nobody_has_room_for(scene: Scene) -> None:
    """Each queue once cost a round of loading, and a unit has only so many."""
    await scene.room(1)
    await scene.status("online")
    owned = await scene.writes("shop", "first")
    assert owned.agent == scene.admin.agent
    for number in range(12):
        team = str(await scene.writer.ask(AddTeam(actor=SYSTEM, name=f"t{number}")))
        for inbox in FULL_DESK:
            waiting = await scene.writes(inbox, f"w{inbox}{number}")
            await scene.writer.ask(Transfer(actor=scene.admin, conversation=waiting.id, team=team))
    teams = tuple(row.team or "" for row in scene.rows("state = 'waiting'"))
    every = AgentPatch(teams=tuple(dict.fromkeys(teams)))
    # The other writer has seen nothing of this and must load it all.
    other = scene.desk.writers[1]
    await other.ask(ChangeAgent(actor=SYSTEM, agent=scene.admin.agent, patch=every))
    assert len(scene.rows("state = 'waiting'")) == 3 * 12
    await other.ask(Resolve(actor=scene.admin, conversation=owned.id, topic=scene.desk.topic))
    assert len(scene.rows("state = 'active'")) == 1
    assert len(scene.rows("state = 'waiting'")) == 3 * 12 - 1


@pytest.mark.parametrize("batch", [1, 128])
async def test_a_long_queue_drains_to_its_end(scene: Scene, batch: int) -> None:
    """More wait than one batch gives away or one look at the queue shows."""
    scene.writer._batch_units = batch  # noqa: SLF001 - set at start only
    await scene.room(200)
    written = [(await scene.writes("shop", f"k{number}")).id for number in range(180)]
    await scene.status("online")
    while len(scene.rows("state = 'active'")) < 150:
        await scene.writer.ask(scene.walk.says("lab", "somebody else"))
    active = {row.id for row in scene.rows("state = 'active'")}
    assert active >= set(written[:150])
    await scene.writes("lab", "one more")
    await scene.writes("lab", "and one more")
    assert not scene.rows("state = 'waiting'")


async def test_the_oldest_come_first_when_a_long_queue_drains(scene: Scene) -> None:
    await scene.room(70)
    written = [(await scene.writes("shop", f"k{number}")).id for number in range(100)]
    await scene.status("online")
    await scene.writes("lab", "the drain goes on before this one")
    await scene.writes("lab", "and before this one")
    active = {row.id for row in scene.rows("state = 'active' AND inbox = 'shop'")}
    assert active == set(written[:70])


async def _merge(scene: Scene, gone: tuple[str, str], stays: tuple[str, str]) -> None:
    one = scene.of(*gone)
    other = await scene.writes(*stays)
    await scene.writer.ask(
        MergeContacts(actor=scene.admin, contact=one.contact, into=other.contact)
    )


async def test_an_old_conversation_reopens_for_who_goes_on(scene: Scene) -> None:
    await scene.status("online")
    first = await scene.writes("shop", "old")
    await scene.writer.ask(Block(actor=scene.admin, conversation=first.id))
    # Blocked, so that the next stretch is another conversation and the first stays behind.
    contact = first.contact
    await _merge(scene, ("shop", "old"), ("care", "new"))
    await scene.writer.ask(Reopen(actor=scene.admin, conversation=first.id))
    opened = next(row for row in scene.rows(f"id = '{first.id}'"))
    assert opened.contact != contact
    assert opened.contact == scene.of("care", "new").contact


async def test_blocking_by_an_old_conversation_blocks_who_goes_on(scene: Scene) -> None:
    await scene.status("online")
    first = await scene.writes("shop", "old")
    await scene.writer.ask(
        Resolve(actor=scene.admin, conversation=first.id, topic=scene.desk.topic)
    )
    scene.desk.clock.advance(timedelta(days=7))
    second = await scene.writes("shop", "old")
    assert second.id != first.id
    await _merge(scene, ("shop", "old"), ("care", "new"))
    await scene.writer.ask(Block(actor=scene.admin, conversation=first.id))
    stays = scene.of("care", "new").contact
    (contact,) = scene.desk.eyes.rows(Contact, f"id = '{stays}'")
    assert contact.blocked
    assert not [row for row in scene.rows() if row.is_open]


async def test_a_parked_conversation_waits_when_the_younger_one_did(scene: Scene) -> None:
    await scene.status("online")
    older = await scene.writes("shop", "old")
    await scene.writer.ask(
        Say(actor=scene.admin, conversation=older.id, reply=Reply(text="hi"), can=CAN)
    )
    await scene.status("offline")
    younger = await scene.writes("shop", "new")
    assert (scene.of("shop", "old").state, younger.state) == ("active", "waiting")
    await scene.writer.ask(
        MergeContacts(actor=scene.admin, contact=younger.contact, into=older.contact)
    )
    (goes_on,) = [row for row in scene.rows() if row.is_open]
    assert (goes_on.id, goes_on.state) == (older.id, "waiting")
    assert goes_on.queued_at == younger.queued_at
    await scene.status("online")
    (given,) = [row for row in scene.rows() if row.is_open]
    assert given.agent == scene.admin.agent


async def test_merging_keeps_the_better_place(scene: Scene) -> None:
    await scene.status("online")
    older = await scene.writes("shop", "old")
    await scene.writer.ask(
        Resolve(actor=scene.admin, conversation=older.id, topic=scene.desk.topic)
    )
    await scene.status("offline")
    younger = await scene.writes("shop", "new")
    again = await scene.writes("shop", "old")
    assert (again.id, again.state) == (older.id, "waiting")
    await scene.writer.ask(
        MergeContacts(actor=scene.admin, contact=younger.contact, into=older.contact)
    )
    (goes_on,) = [row for row in scene.rows() if row.is_open]
    assert goes_on.queued_at == goes_on.waiting_since == younger.queued_at
