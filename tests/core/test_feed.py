"""The live feed: every subscription gets every event once, in order, or is told that it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from core import feed as feed_module
from core.feed import LiveFeed, LiveFrame, Stale, Subscription
from core.ports.reading import Feed, Rendered, StoredEvent
from core.ports.workplace import Reply
from plugins.sql.engine import make_engine
from tests.core.station import Station, open_station, until


@pytest_asyncio.fixture
async def station(database_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A running process, on both stores."""
    async with open_station(tmp_path, database_url) as station:
        yield station


class Reader:
    """Reads one subscription as fast as it is told to."""

    def __init__(self, subscription: Subscription) -> None:
        """Begin at once."""
        self.subscription = subscription
        self.seen: list[int] = []
        self.stale = False
        self.may = asyncio.Event()
        self.may.set()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for batch in self.subscription:
                self.seen += [frame.seq for frame in batch]
                await self.may.wait()
        except Stale:
            self.stale = True

    async def has(self, count: int) -> None:
        """Wait until it has seen as many."""
        await until(lambda: len(self.seen) >= count)

    async def end(self) -> None:
        """Wait for its end."""
        await self._task

    async def leave(self) -> None:
        """Close it."""
        self.may.set()
        self.subscription.close()
        await self._task


async def test_everybody_gets_everything_once_and_in_order(station: Station) -> None:
    """Some begin at a cursor, some now, some in the middle of a storm."""
    live = station.process.live
    rng = Random(5)
    readers: list[tuple[int, Reader]] = []

    async def storm() -> None:
        for number in range(60):
            await station.writes(f"k{number % 9}")

    storming = asyncio.create_task(storm())
    for _ in range(30):
        newest = await live.newest()
        after = rng.choice((None, 0, newest, rng.randint(0, newest)))
        started = live.tail if after is None else after
        readers.append((started, Reader(live.subscribe(after))))
        await station.quiet()
    await storming
    last = await live.newest()
    for after, reader in readers:
        await reader.has(last - after)
        assert reader.seen == list(range(after + 1, last + 1))
        await reader.leave()


async def test_without_any_hint_an_event_comes_with_the_next_look(station: Station) -> None:
    """What another process wrote, and the bus never said."""
    deaf = LiveFeed(station.rooms.feed, poll_seconds=0.05)
    assert feed_module.POLL_SECONDS <= 2.0
    await deaf.start()
    running = asyncio.create_task(deaf.run())
    reader = Reader(deaf.subscribe(None))
    await station.writes("ann")
    last = await deaf.newest()
    await until(lambda: last in reader.seen)
    await reader.leave()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("ahead", [1, 1_000])
async def test_a_cursor_never_given_out_is_stale(station: Station, ahead: int) -> None:
    live = station.process.live
    reader = Reader(live.subscribe(await live.newest() + ahead))
    await reader.end()
    assert reader.stale


async def test_a_cursor_older_than_the_feed_keeps_is_stale(
    station: Station, database_url: str
) -> None:
    for number in range(5):
        await station.writes(f"k{number}")
    engine = make_engine(database_url, pool=1)
    with engine.connect() as link:
        link.exec_driver_sql("DELETE FROM event WHERE seq < 6")
        link.exec_driver_sql("UPDATE counter SET oldest = 6 WHERE id = 1")
    engine.dispose()
    live = station.process.live
    for after, stale in ((0, True), (4, True), (5, False), (6, False)):
        reader = Reader(live.subscribe(after))
        if stale:
            await reader.end()
            with pytest.raises(Stale):
                await live.page(after, 10)
        else:
            await reader.has(1)
            assert reader.seen[0] == after + 1
            frames, _ = await live.page(after, 10)
            assert frames[0].seq == after + 1
            await reader.leave()
        assert reader.stale is stale


async def test_pages_add_up_to_the_whole(station: Station) -> None:
    for number in range(10):
        await station.writes(f"k{number}")
    live = station.process.live
    seen: list[int] = []
    more = True
    while more:
        frames, more = await live.page(seen[-1] if seen else 0, 7)
        assert 0 < len(frames) <= 7
        seen += [frame.seq for frame in frames]
    assert seen == list(range(1, await live.newest() + 1))


class Still:
    """A store with nothing in it."""

    async def bounds(self) -> tuple[int, int]:
        """Empty."""
        return 1, 0

    async def read(self, after: int, limit: int) -> Sequence[StoredEvent]:  # noqa: ARG002
        """Nothing."""
        return []

    async def tail(self, after: int, limit: int) -> tuple[Sequence[StoredEvent], Rendered]:
        """Nothing."""
        events = await self.read(after, limit)
        return events, await self.render(events)

    async def render(self, events: Sequence[StoredEvent]) -> Rendered:  # noqa: ARG002
        """Nothing."""
        return Rendered(conversations={}, messages={}, contacts={}, agents={}, inboxes={})


def frames(first: int, count: int, size: int = 10) -> list[LiveFrame]:
    """Make frames of some size."""
    event: Any = None
    return [LiveFrame(seq, event, b"x" * size) for seq in range(first, first + count)]


def subscribe() -> tuple[LiveFeed, Subscription]:
    """Subscribe to nothing."""
    store: Feed = Still()
    live = LiveFeed(store)
    return live, live.subscribe(None)


async def test_one_who_does_not_read_is_cut_at_a_thousand_frames() -> None:
    _, subscription = subscribe()
    for first in range(1, 1_001, 100):
        subscription.push(frames(first, 100))
    assert not subscription.cut
    subscription.push(frames(1_001, 1))
    assert subscription.cut
    reader = Reader(subscription)
    await reader.end()
    assert reader.seen == []


async def test_one_who_does_not_read_is_cut_at_a_mebibyte() -> None:
    _, subscription = subscribe()
    subscription.push(frames(1, 16, size=1 << 16))
    assert not subscription.cut
    subscription.push(frames(17, 1, size=1))
    assert subscription.cut


async def test_one_who_reads_slowly_but_keeps_up_is_not_cut() -> None:
    _, subscription = subscribe()
    reader = Reader(subscription)
    for first in range(1, 10_000, 900):
        subscription.push(frames(first, 900))
        await until(lambda: subscription._waiting == type(subscription._waiting)())  # noqa: SLF001
    assert not subscription.cut
    assert reader.seen == list(range(1, reader.seen[-1] + 1))
    await reader.leave()


async def test_one_slow_reader_costs_the_others_nothing(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "BUFFER_FRAMES", 30)
    live = station.process.live
    slow, quick = Reader(live.subscribe(None)), Reader(live.subscribe(None))
    slow.may.clear()
    for number in range(40):
        await station.writes(f"k{number}")
    last = await live.newest()
    await until(lambda: bool(quick.seen) and quick.seen[-1] == last)
    assert not quick.subscription.cut
    assert slow.subscription.cut
    slow.may.set()
    await slow.end()
    again = Reader(live.subscribe(slow.seen[-1]))
    await until(lambda: bool(again.seen) and again.seen[-1] == last)
    assert slow.seen + again.seen == quick.seen
    await quick.leave()
    await again.leave()


async def test_a_store_that_is_away_for_a_while_does_not_end_the_tailer(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = station.process.live
    right = station.rooms.feed.tail
    failed: list[int] = []

    async def tail(after: int, limit: int) -> tuple[Sequence[StoredEvent], Rendered]:
        if len(failed) < 3:
            failed.append(after)
            live.wake()
            raise OSError("away")
        return await right(after, limit)

    reader = Reader(live.subscribe(None))
    monkeypatch.setattr(station.rooms.feed, "tail", tail)
    await station.writes("ann")
    last = await live.newest()
    await until(lambda: last in reader.seen)
    assert len(failed) == 3
    await reader.leave()


async def test_no_event_for_a_contact_ever_names_a_note(
    station: Station, database_url: str
) -> None:
    conversation = await station.writes("ann")
    for text in ("first", "second"):
        await station.process.services.workplace.reply(
            station.agent, conversation, Reply(text=text, note=True)
        )
        await station.says("ann", text)
    engine = make_engine(database_url, reads=True, pool=1)
    with engine.connect() as link:
        found = link.exec_driver_sql(
            "SELECT m.note, e.audience, e.position FROM event AS e "
            "JOIN message AS m ON m.id = e.message"
        ).all()
    engine.dispose()
    assert sum(bool(note) for note, _, _ in found) == 2
    for note, audience, position in found:
        if note:
            assert (audience, position) == ("agents", None)
    assert sum("contact" in audience for note, audience, _ in found if not note) >= 3
