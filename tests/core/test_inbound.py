"""What customers send is stored once, in its place, whatever the provider does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from core.errors import Faulty
from core.inbound import Accept, Accepted, KeepWebhook, resume
from core.models.inbound import Incoming, Sender
from core.models.people import Product
from core.models.rows import Conversation
from core.ports.workplace import ProductPatch
from core.units import Ask, Decision
from core.world import World
from handoff.admin import SYSTEM, SetProduct
from handoff.closing import Block, Resolve
from plugins.sql.engine import make_engine
from tests.core.station import Station, open_station

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def station(database_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A running process, on both stores."""
    async with open_station(tmp_path, database_url) as station:
        yield station


def incoming(source_id: str, *keys: str, inbox: str = "one", **fields: Any) -> Accept:
    """Make a message of a customer with these keys."""
    window = fields.pop("window", None)
    fields.setdefault("text", "hello")
    message = Incoming(source_id=source_id, sender=Sender(keys=keys, name=keys[0]), **fields)
    return Accept(inbox=inbox, incoming=message, window=window)


async def accept(station: Station, unit: Accept) -> str | None:
    """Store it; return the message's id, None for a repeat."""
    answer = await station.writer.ask(unit)
    assert isinstance(answer, Accepted)
    return answer.message


async def conversation_of(station: Station, message: str | None) -> str:
    """Return where a message went."""
    return (await station.message(message or "")).conversation


def count_of(url: str, table: str) -> int:
    """Count rows."""
    engine = make_engine(url, reads=True, pool=1)
    with engine.connect() as link:
        found = int(link.exec_driver_sql(f'SELECT count(*) FROM "{table}"').scalar_one())  # noqa: S608
    engine.dispose()
    return found


# -- once --------------------------------------------------------------


async def test_a_repeat_is_harmless_for_thirty_days(station: Station, database_url: str) -> None:
    first = await accept(station, incoming("m1", "ann"))
    assert first is not None
    for _ in range(30):
        assert await accept(station, incoming("m1", "ann")) is None
        station.clock.advance(DAY)
    repeats = [incoming("m1", "ann", text="another text") for _ in range(20)]
    outcomes = await station.writer.ask_all(repeats)
    assert {outcome.answer for outcome in outcomes} == {Accepted(None)}
    assert count_of(database_url, "message") == count_of(database_url, "conversation") == 1


async def test_one_id_in_two_inboxes_is_two_messages(station: Station, database_url: str) -> None:
    pairs = [
        incoming(f"m{number}", f"k{number % 40}", inbox=inbox)
        for number in range(1_000)
        for inbox in ("one", "two")
    ]
    Random(4).shuffle(pairs)
    for start in range(0, len(pairs), 250):
        outcomes = await station.writer.ask_all(pairs[start : start + 250], urgent=True)
        assert all(outcome.answer != Accepted(None) for outcome in outcomes)
    assert count_of(database_url, "message") == 2_000
    assert count_of(database_url, "conversation") == 2 * 40
    outcomes = await station.writer.ask_all(pairs, urgent=True)
    assert {outcome.answer for outcome in outcomes} == {Accepted(None)}
    assert count_of(database_url, "message") == 2_000


async def test_messages_at_the_same_moment_share_one_conversation(
    station: Station, database_url: str
) -> None:
    units = [incoming(f"m{number}", f"k{number % 5}") for number in range(100)]
    answers = await asyncio.gather(*(accept(station, unit) for unit in units))
    places = {await conversation_of(station, answer) for answer in answers}
    assert len(places) == 5
    assert count_of(database_url, "contact") == 5
    numbers: dict[str, list[int]] = {}
    for place in places:
        page = await station.rooms.conversations.messages(place, after=None, before=None, limit=200)
        numbers[place] = [message.position for message in page.items]
    assert all(found == list(range(1, 21)) for found in numbers.values())


# -- who wrote --------------------------------------------------------------


async def test_any_known_key_finds_the_person_and_new_ones_are_learnt(
    station: Station, database_url: str
) -> None:
    first = await accept(station, incoming("m1", "phone"))
    both = await accept(station, incoming("m2", "scoped", "phone"))
    later = await accept(station, incoming("m3", "parent", "scoped"))
    newest = await accept(station, incoming("m4", "parent"))
    places = {await conversation_of(station, one) for one in (first, both, later, newest)}
    assert len(places) == 1
    assert count_of(database_url, "contact") == count_of(database_url, "address") == 1
    assert count_of(database_url, "address_key") == 3
    reply = await station.process.services.workplace.conversation(station.agent, places.pop())
    assert reply.contact.name == "phone"
    text = "to all keys"
    station._where["one", "phone"] = reply.id  # noqa: SLF001 - the station knows customers by name
    await station.says("phone", text)
    await station.called(text)
    assert set(station.paper.calls[-1].to) == {"parent", "scoped", "phone"}


async def test_a_message_quotes_what_the_provider_names(station: Station) -> None:
    first = await accept(station, incoming("m1", "ann"))
    quoting = await accept(station, incoming("m2", "ann", quote="m1"))
    unknown = await accept(station, incoming("m3", "ann", quote="never seen"))
    foreign = await accept(station, incoming("m4", "bob", inbox="two", quote="m1"))
    assert (await station.message(quoting or "")).quote == first
    assert (await station.message(unknown or "")).quote is None
    assert (await station.message(foreign or "")).quote is None


async def test_a_blocked_contact_is_kept_and_disturbs_nobody(station: Station) -> None:
    first = await accept(station, incoming("m1", "ann"))
    place = await conversation_of(station, first)
    await station.writer.ask(Block(actor=station.agent, conversation=place))
    later = await accept(station, incoming("m2", "ann"))
    assert (await station.message(later or "")).text == "hello"
    view = await station.process.services.workplace.conversation(station.agent, place)
    assert (view.state, view.agent) == ("archived", None)


# -- where it goes --------------------------------------------------------------


@pytest.mark.parametrize(("later", "same"), [(timedelta(hours=23), True), (DAY * 2, False)])
async def test_an_archived_conversation_reopens_for_a_day(
    station: Station, later: timedelta, *, same: bool
) -> None:
    first = await accept(station, incoming("m1", "ann"))
    place = await conversation_of(station, first)
    (topic,) = await station.process.services.workplace.topics(station.agent)
    resolve = Resolve(actor=station.agent, conversation=place, topic=topic.id)
    await station.writer.ask(resolve)
    station.clock.advance(later)
    again = await accept(station, incoming("m2", "ann"))
    assert (await conversation_of(station, again) == place) is same


def conversation(**fields: Any) -> Conversation:
    """A conversation of ann's."""
    given: dict[str, Any] = {
        "id": "c",
        "inbox": "one",
        "product": "acme",
        "channel": "paper",
        "contact": "p",
        "address": "a",
        "state": "active",
        "created_at": NOW,
        "last_message_at": NOW,
        **fields,
    }
    return Conversation(**given)


CLOSED = {"state": "archived", "closed_at": NOW - timedelta(hours=1)}
SCENES: dict[str, tuple[dict[str, Any], str | None]] = {
    "owned": ({"agent": "bob"}, "active"),
    "waiting": ({"state": "waiting"}, "waiting"),
    "parked": ({"former": "bob"}, "waiting"),
    "ended": ({"state": "ended", "agent": "bob", "ended_by": "contact"}, "waiting"),
    "resolved": ({**CLOSED, "closed_reason": "resolved"}, "waiting"),
    "left": ({**CLOSED, "closed_reason": "left"}, "waiting"),
    "spam": ({**CLOSED, "closed_reason": "spam"}, None),
    "merged": ({**CLOSED, "closed_reason": "merged"}, None),
    "long ago": ({"state": "archived", "closed_at": NOW - DAY * 2}, None),
    "ticket": ({"state": "ticket"}, None),
}


@pytest.mark.parametrize("scene", SCENES)
def test_how_a_new_message_finds_the_newest_conversation(scene: str) -> None:
    fields, state = SCENES[scene]
    after = resume(conversation(**fields), Product(name="acme", title="Acme"), NOW)
    assert (None if after is None else after.state) == state
    if after is not None and fields.get("state") in {"ended", "archived"}:
        assert (after.agent, after.former) == (None, fields.get("agent"))
        assert (after.closed_at, after.ended_by, after.replied) == (None, None, False)
        assert after.epoch == 1


async def test_the_reply_window_only_grows(station: Station) -> None:
    hours = timedelta(hours=24)
    now = station.clock.now()
    wrote = {"m1": now, "m2": now - timedelta(hours=5), "m3": now + timedelta(hours=5)}
    ends: list[datetime | None] = []
    for name, at in wrote.items():
        message = await accept(station, incoming(name, "ann", sent_at=at, window=hours))
        place = await conversation_of(station, message)
        view = await station.process.services.workplace.conversation(station.agent, place)
        ends.append(view.window_expires_at)
    first, second, third = ends
    assert first is not None
    assert third is not None
    assert second == first, "an older message closes nothing"
    assert first < now + hours, "a margin is left for the provider's own clock"
    assert first <= third <= station.clock.now() + hours, "a time to come counts as now"
    silent = incoming("m4", "bob", window=hours, opens_window=False)
    place = await conversation_of(station, await accept(station, silent))
    view = await station.process.services.workplace.conversation(station.agent, place)
    assert view.window_expires_at is None


# -- what cannot be stored --------------------------------------------------------------


class Broken(Ask, frozen=True, kw_only=True):
    """A unit that fails."""

    def decide(self, world: World) -> Decision:  # noqa: ARG002
        """Fail."""
        raise ZeroDivisionError


async def test_neighbours_of_a_bad_item_are_stored(station: Station, database_url: str) -> None:
    """A text that the store cannot hold is parked beside its raw body; replaying it is harmless."""
    keep = KeepWebhook(id="w", inbox="one", body=b"{}", received_at=station.clock.now())
    items = [incoming(f"m{n}", "ann", text="\ud800" if n == 2 else "fine") for n in range(5)]
    units = [
        Accept(inbox=u.inbox, incoming=u.incoming, webhook="w", item=n) for n, u in enumerate(items)
    ]
    outcomes = await station.writer.ask_all([keep, *units])
    errors = [outcome.error for outcome in outcomes]
    assert [type(error) for error in errors] == [type(None)] * 3 + [Faulty] + [type(None)] * 2
    found = await station.rooms.jobs.webhook("w")
    assert found is not None
    assert (found[0].state, list(found[1])) == ("failed", [2])
    assert count_of(database_url, "message") == 4


async def test_a_broken_unit_hurts_itself_only(station: Station, database_url: str) -> None:
    units: list[Any] = [Broken() if n % 7 == 3 else incoming(f"m{n}", f"k{n}") for n in range(40)]
    outcomes = await station.writer.ask_all(units)
    kinds = Counter(type(outcome.error).__name__ for outcome in outcomes)
    assert kinds == {"Faulty": 6, "NoneType": 34}
    assert count_of(database_url, "message") == 34


async def test_settings_are_read_in_the_same_batch(station: Station) -> None:
    """The reopening time that counts is the one in force when the message is stored."""
    first = await accept(station, incoming("m1", "ann"))
    place = await conversation_of(station, first)
    (topic,) = await station.process.services.workplace.topics(station.agent)
    await station.writer.ask(Resolve(actor=station.agent, conversation=place, topic=topic.id))
    station.clock.advance(timedelta(hours=30))
    longer = SetProduct(actor=SYSTEM, product="acme", patch=ProductPatch(reopen_hours=48))
    outcomes = await station.writer.ask_all([longer, incoming("m2", "ann")], urgent=True)
    answer = outcomes[1].answer
    assert isinstance(answer, Accepted)
    assert await conversation_of(station, answer.message) == place
