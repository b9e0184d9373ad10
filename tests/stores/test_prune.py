"""What is kept for a time only goes when that time is over, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from core.clock import SystemClock
from core.errors import StoreBusy
from core.feed import LiveFeed, Stale
from core.inbound import Accepted, KeepWebhook
from core.ports.reading import ConversationFilter
from core.ports.rooms import Rooms
from core.testing.writer_suite import declare, message, writing
from plugins.sql.plugin import Postgresql, Sqlite

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def rooms(database_url: str, clock: SystemClock) -> AsyncIterator[Rooms]:
    kind = Sqlite() if database_url.startswith("sqlite") else Postgresql()
    opened = kind.open(database_url, clock=clock, relaxed=False)
    await declare(opened)
    yield opened
    await opened.close()


async def _store(rooms: Rooms, clock: SystemClock, name: str, *, state: str = "done") -> None:
    made = f"{int(clock.now().timestamp() * 1_000_000):013x}{name}"
    body = KeepWebhook(
        id=made,
        inbox="shop",
        body=b"{}",
        received_at=datetime.now(UTC),
        state="done" if state == "done" else "unparsed",
    )
    async with writing(rooms.store(lane=1)) as writer:
        await writer.ask(body)
        assert isinstance(await writer.ask(message(name)), Accepted)


async def _all(rooms: Rooms, now: datetime) -> int:
    gone = 0
    while chunk := await rooms.prune(now):
        gone += chunk
    return gone


async def test_nothing_young_goes(rooms: Rooms, clock: SystemClock) -> None:
    await _store(rooms, clock, "one")
    assert await _all(rooms, clock.now() + 29 * DAY) == 0


async def test_events_and_bodies_go_after_thirty_days_and_messages_stay(
    rooms: Rooms, clock: SystemClock
) -> None:
    await _store(rooms, clock, "old")
    await _store(rooms, clock, "odd", state="unparsed")
    _, before = await rooms.feed.bounds()
    clock.advance(31 * DAY)
    await _store(rooms, clock, "new")

    assert await _all(rooms, clock.now()) == before + 1  # the events, and the body that was done

    oldest, newest = await rooms.feed.bounds()
    assert oldest == before + 1
    assert [e.seq for e in await rooms.feed.read(0, 100)] == list(range(oldest, newest + 1))
    (found,) = (await rooms.conversations.page(ConversationFilter(), None)).items
    page = await rooms.conversations.messages(found.id, after=None, before=None, limit=10)
    assert len(page.items) == 3
    assert [w.state for w in await rooms.jobs.webhooks("unparsed")] == ["unparsed"]


async def test_a_cursor_from_before_is_stale(rooms: Rooms, clock: SystemClock) -> None:
    await _store(rooms, clock, "old")
    _, before = await rooms.feed.bounds()
    clock.advance(31 * DAY)
    await _store(rooms, clock, "new")
    await _all(rooms, clock.now())
    live = LiveFeed(rooms.feed)
    frames, _ = await live.page(before, 100)
    assert frames[0].seq == before + 1
    with pytest.raises(Stale):
        await live.page(before - 1, 100)


async def test_a_repeat_is_known_for_ever(rooms: Rooms, clock: SystemClock) -> None:
    await _store(rooms, clock, "old")
    clock.advance(400 * DAY)
    await _all(rooms, clock.now())
    async with writing(rooms.store(lane=1)) as writer:
        assert await writer.ask(message("old")) == Accepted(None)


async def test_the_writer_goes_on_beside_it(rooms: Rooms, clock: SystemClock) -> None:
    await _store(rooms, clock, "old")
    clock.advance(31 * DAY)
    async with writing(rooms.store(lane=1)) as writer:
        for number in range(20):
            await writer.ask(message(f"new {number}"))
            try:
                await rooms.prune(clock.now())
            except StoreBusy as busy:
                pytest.fail(f"pruning got in the way: {busy}")
    oldest, newest = await rooms.feed.bounds()
    assert newest - oldest + 1 == len(await rooms.feed.read(0, 1000))
