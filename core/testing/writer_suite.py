"""What the writer and a store do together: batches, replay, numbers, refusals.

A store's tests subclass WriterSuite and give it the fixtures `rooms`, an open and empty database
with the products and inboxes of `PRODUCT` and `INBOXES`, and `blocked`, a context in which the
store is locked by somebody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from core.batch import BATCH_SECONDS, Outcome
from core.boot import Align, Declared
from core.errors import Faulty, StoreLost, Unavailable
from core.inbound import Accept, Accepted, KeepWebhook
from core.models.inbound import Incoming, Sender
from core.models.row import Key, Row
from core.ports.reading import ConversationFilter
from core.ports.rooms import Rooms
from core.ports.store import Begun, Loaded, Store
from core.testing.desks import BORN
from core.units import Event, Unit
from core.views import View
from core.writer import Committed, Writer

PRODUCT = "acme"
INBOXES = ("shop", "desk")
_numbers = count(1)
Blocked = Callable[[], AbstractContextManager[None]]


def message(
    source_id: str, *, sender: str = "ann", text: str = "hello", inbox: str = "shop"
) -> Accept:
    """Make the unit of one customer's message."""
    incoming = Incoming(source_id=source_id, sender=Sender(keys=(sender,), name=sender), text=text)
    return Accept(inbox=inbox, incoming=incoming)


@asynccontextmanager
async def writing(
    store: Store, *, batch_units: int = 128, seen: list[Committed] | None = None
) -> AsyncIterator[Writer]:
    """Run a writer."""
    writer = Writer(
        store,
        batch_units=batch_units,
        on_commit=(lambda _: None) if seen is None else seen.append,
    )
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def declare(rooms: Rooms, inboxes: Sequence[str] = INBOXES) -> None:
    """Make the product and its inboxes exist."""
    unit = Align(
        products=(Declared(name=PRODUCT),),
        inboxes=tuple(Declared(name=name, product=PRODUCT, channel="web") for name in inboxes),
        known_inboxes=(),
        has_topics=True,
    )
    async with writing(rooms.store(lane=1)) as writer:
        await writer.ask(unit)


async def transcript(rooms: Rooms, inbox: str) -> list[tuple[str, str, list[tuple[int, str, str]]]]:
    """Return what an inbox holds without its random ids: by contact, the messages in order."""
    page = await rooms.conversations.page(ConversationFilter(inbox=inbox, limit=200), None)
    found = []
    for one in page.items:
        said = await rooms.conversations.messages(one.id, after="", before=None, limit=200)
        lines = [(m.position, m.source_id or "", m.text) for m in said.items]
        found.append((one.contact.name, f"{one.state} {one.unread}", lines))
    return sorted(found)


class Wrapped:
    """A store around a store; tests override a step."""

    def __init__(self, store: Store) -> None:
        """Pass everything on."""
        self.inner = store

    def begin(self, *, lane: int) -> Begun:
        """Pass on."""
        return self.inner.begin(lane=lane)

    def load(self, keys: Iterable[Key | View]) -> Loaded:
        """Pass on."""
        return self.inner.load(keys)

    def write(
        self,
        rows: Sequence[tuple[Row | None, Row]],
        events: Sequence[Event],
        begun: Begun,
        stamp: int,
    ) -> None:
        """Pass on."""
        self.inner.write(rows, events, begun, stamp)

    def commit(self) -> None:
        """Pass on."""
        self.inner.commit()

    def rollback(self) -> None:
        """Pass on."""
        self.inner.rollback()

    def close(self) -> None:
        """Pass on."""
        self.inner.close()


class LosesAnswer(Wrapped):
    """Commits, and once says that no answer came."""

    def __init__(self, store: Store) -> None:
        """Lose the first answer only."""
        super().__init__(store)
        self.lost = 0

    @override
    def commit(self) -> None:
        """Commit for real."""
        super().commit()
        if not self.lost:
            self.lost += 1
            raise StoreLost("the network ate it")


class BesideAnother(Wrapped):
    """Another process writes between any two batches: its lock is waited for, all is read anew."""

    batches = 0

    @override
    def begin(self, *, lane: int) -> Begun:
        """Wait as its lock would, and find that it has written."""
        self.batches += 1
        time.sleep(BATCH_SECONDS)
        begun = super().begin(lane=lane)
        return msgspec.structs.replace(begun, version=begun.version + 1_000 * self.batches)

    @override
    def load(self, keys: Iterable[Key | View]) -> Loaded:
        """Take as long as a whole batch may."""
        time.sleep(BATCH_SECONDS)
        return super().load(keys)


class WriterSuite:
    """The writer over a real store."""

    async def test_a_message_is_stored_once(self, rooms: Rooms) -> None:
        """Repeats in one batch, in the next, and after a restart change nothing."""
        await declare(rooms)
        async with writing(rooms.store(lane=1)) as writer:
            outcomes = await writer.ask_all([message("m1"), message("m1"), message("m2")])
            assert await writer.ask(message("m1")) == Accepted(None)
        async with writing(rooms.store(lane=1)) as writer:
            assert await writer.ask(message("m2")) == Accepted(None)
        stored = [isinstance(o.answer, Accepted) and o.answer.message is not None for o in outcomes]
        assert stored == [True, False, True]
        ((name, state, lines),) = await transcript(rooms, "shop")
        assert (name, state) == ("ann", "waiting 2")
        assert lines == [(1, "m1", "hello"), (2, "m2", "hello")]

    async def test_the_bad_unit_is_parked_and_its_neighbours_stand(self, rooms: Rooms) -> None:
        """A text no store can hold, in the middle of a batch, beside the raw body it stood in."""
        await declare(rooms)
        body = KeepWebhook(id="w1", inbox="shop", body=b"{}", received_at=BORN)
        bad = Accept(
            inbox="shop",
            incoming=Incoming(source_id="bad", sender=Sender(keys=("bob",)), text="\ud800"),
            webhook="w1",
            item=1,
        )
        units: list[Unit] = [body, message("m1"), bad, message("m2", sender="eve")]
        async with writing(rooms.store(lane=1)) as writer:
            outcomes = await writer.ask_all(units)
        assert [type(outcome.error) for outcome in outcomes] == [
            type(None),
            type(None),
            Faulty,
            type(None),
        ]
        names = [name for name, _, _ in await transcript(rooms, "shop")]
        assert names == ["ann", "eve"]
        kept = await rooms.jobs.webhook("w1")
        assert kept is not None
        assert (kept[0].state, list(kept[1])) == ("failed", [1])

    async def test_waiting_and_reading_shorten_no_batch(self, rooms: Rooms) -> None:
        """Two processes would write one unit a commit, and read for all of them each time."""
        await declare(rooms)
        seen: list[Committed] = []
        async with writing(BesideAnother(rooms.store(lane=1)), seen=seen) as writer:
            await writer.ask_all([message(f"m{n}", sender=f"s{n}") for n in range(24)])
        assert len(seen) < 12

    async def test_numbers_have_no_gap_after_a_refusal(self, rooms: Rooms) -> None:
        """What was rolled back took no number with it."""
        await declare(rooms)
        async with writing(rooms.store(lane=1)) as writer:
            await writer.ask_all([message(f"m{n}", text="\ud800" * (n % 3 == 1)) for n in range(9)])
        _, newest = await rooms.feed.bounds()
        events = await rooms.feed.read(0, 1000)
        assert [event.seq for event in events] == list(range(1, newest + 1))
        created = [event for event in events if event.type == "message.created"]
        assert len(created) == 6

    @settings(
        max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(
        sent=st.lists(
            st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=25
        ),
    )
    async def test_batches_of_one_and_of_many_come_to_the_same(
        self, rooms: Rooms, sent: list[tuple[str, int]]
    ) -> None:
        """Units see their predecessors whether these are committed or only decided."""
        number = next(_numbers)
        inboxes = (f"one{number}", f"many{number}")
        await declare(rooms, inboxes)
        for inbox, size in zip(inboxes, (1, 128), strict=True):
            units = [
                message(f"{who}{which}", sender=who, text=str(which), inbox=inbox)
                for who, which in sent
            ]
            async with writing(rooms.store(lane=1), batch_units=size) as writer:
                await writer.ask_all(units)
        assert await transcript(rooms, inboxes[0]) == await transcript(rooms, inboxes[1])

    async def test_a_locked_store_is_a_503_and_then_goes_on(
        self, rooms: Rooms, blocked: Blocked
    ) -> None:
        """Nothing is kept of what was refused; the next try is stored once."""
        await declare(rooms)
        async with writing(rooms.store(lane=1)) as writer:
            await writer.ask(message("m0"))
            with blocked(), pytest.raises(Unavailable):
                await writer.ask(message("m1"))
            assert await writer.ask(message("m1")) != Accepted(None)
        ((_, _, lines),) = await transcript(rooms, "shop")
        assert [source for _, source, _ in lines] == ["m0", "m1"]

    async def test_a_lost_answer_of_commit_is_a_503_and_stored_once(self, rooms: Rooms) -> None:
        """Nobody knows; whoever asks again is told that it is there."""
        await declare(rooms)
        store = LosesAnswer(rooms.store(lane=1))
        async with writing(store) as writer:
            with pytest.raises(Unavailable):
                await writer.ask(message("m1"))
            assert store.lost == 1
            assert await writer.ask(message("m1")) == Accepted(None)
        ((_, _, lines),) = await transcript(rooms, "shop")
        assert [source for _, source, _ in lines] == ["m1"]

    async def test_the_hint_names_the_last_number(self, rooms: Rooms) -> None:
        """Told after the commit, on the loop."""
        await declare(rooms)
        seen: list[Committed] = []
        async with writing(rooms.store(lane=1), seen=seen) as writer:
            await writer.ask(message("m1"))
        assert seen[-1].seq == (await rooms.feed.bounds())[1]


async def ask_both(
    writers: Sequence[Writer], units: Sequence[Unit], *, at_once: int = 8
) -> list[Outcome]:
    """Spread units over writers, `at_once` waiting at each, as webhooks do."""
    queue = list(enumerate(units))
    outcomes: dict[int, Outcome] = {}

    async def work(writer: Writer) -> None:
        while queue:
            index, unit = queue.pop(0)
            (outcomes[index],) = await writer.ask_all([unit])

    await asyncio.gather(*(work(writer) for writer in writers for _ in range(at_once)))
    return [outcomes[index] for index in range(len(units))]
