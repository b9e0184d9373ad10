"""Two processes' worth of writers on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

import psycopg
import pytest
from typing_extensions import override

from core.clock import SystemClock
from core.errors import Conflict, Unavailable
from core.inbound import Accepted
from core.leases import TERM, HoldLeases
from core.outbound import MarkCalls
from core.ports.rooms import Rooms
from core.ports.store import Store
from core.testing.writer_suite import Wrapped, ask_both, declare, message, transcript, writing
from core.writer import Writer


@pytest.fixture
def rooms(postgres_rooms: Rooms) -> Rooms:
    """PostgreSQL only."""
    return postgres_rooms


async def test_numbers_are_gap_free_and_visible_in_order(rooms: Rooms) -> None:
    """A reader that follows the feed while two writers write never steps over an event."""
    await declare(rooms)
    units = [message(f"m{n}", sender=f"s{n % 40}") for n in range(600)]
    seen: list[int] = []
    over = asyncio.Event()

    async def follow() -> None:
        last = False
        while not last:
            last = over.is_set()
            events = await rooms.feed.read(seen[-1] if seen else 0, 1000)
            seen.extend(event.seq for event in events)

    async with writing(rooms.store(lane=1)) as one, writing(rooms.store(lane=1)) as two:
        follower = asyncio.create_task(follow())
        outcomes = await ask_both((one, two), units)
        over.set()
        await follower
    assert [o.error for o in outcomes if o.error] == []
    assert seen == list(range(1, (await rooms.feed.bounds())[1] + 1))
    assert len(await transcript(rooms, "shop")) == 40


async def test_the_same_message_at_both_is_stored_once(rooms: Rooms) -> None:
    await declare(rooms)
    units = [message(f"m{n // 2}", sender=f"s{n % 10 // 2}") for n in range(200)]
    async with writing(rooms.store(lane=1)) as one, writing(rooms.store(lane=1)) as two:
        outcomes = await ask_both((one, two), units)
    assert sum(o.answer != Accepted(None) for o in outcomes) == 100
    found = await transcript(rooms, "shop")
    assert len(found) == 5, "a first message at both made two conversations"
    for _, _, lines in found:
        assert [position for position, _, _ in lines] == list(range(1, len(lines) + 1))


async def test_a_lease_never_has_two_holders(rooms: Rooms, clock: SystemClock) -> None:
    """Time jumps past the term again and again while both ask; an epoch has one holder."""
    names = tuple(f"send:{n}" for n in range(5))
    holders: dict[tuple[str, int], set[str]] = defaultdict(set)

    async def hold(writer: Writer, holder: str) -> None:
        for turn in range(60):
            held = await writer.ask(HoldLeases(names=names, holder=holder))
            assert isinstance(held, dict)
            for name, epoch in held.items():
                holders[name, epoch].add(holder)
            if turn % 6 == 0:
                clock.advance(TERM)

    async with AsyncExitStack() as stack:
        writers = []
        for _ in range(2):
            writer = Writer(rooms.store(lane=2), lane=2)
            writer.start()
            stack.push_async_callback(writer.stop)
            writers.append(writer)
        await asyncio.gather(*(hold(w, f"p{n}") for n, w in enumerate(writers)))
    assert {len(who) for who in holders.values()} == {1}
    taken_over = {name: max(e for n, e in holders if n == name) for name in names}
    assert min(taken_over.values()) > 1, "nobody ever took over: the test looked at nothing"


async def test_a_call_is_refused_after_the_lease_passed_on(
    rooms: Rooms, clock: SystemClock
) -> None:
    async with AsyncExitStack() as stack:
        writer = Writer(rooms.store(lane=2), lane=2)
        writer.start()
        stack.push_async_callback(writer.stop)
        held = await writer.ask(HoldLeases(names=("send:shop",), holder="one"))
        assert isinstance(held, dict)
        mark = MarkCalls(
            lease="send:shop", holder="one", epoch=held["send:shop"], numbers={"job": 1}
        )
        await writer.ask(mark)
        clock.advance(TERM)
        with pytest.raises(Conflict):
            await writer.ask(mark)
        await writer.ask(HoldLeases(names=("send:shop",), holder="two"))
        with pytest.raises(Conflict):
            await writer.ask(mark)


async def test_lane_two_does_not_wait_for_the_counter(rooms: Rooms, postgres_url: str) -> None:
    """A lease is renewed while another process holds the counter row."""
    async with AsyncExitStack() as stack:
        writer = Writer(rooms.store(lane=2), lane=2)
        writer.start()
        stack.push_async_callback(writer.stop)
        with psycopg.connect(postgres_url) as other:
            other.execute("SELECT seq FROM counter WHERE id = 1 FOR UPDATE")
            held = await writer.ask(HoldLeases(names=("timers",), holder="one"))
            other.rollback()
    assert held == {"timers": 1}


class KilledAtCommit(Wrapped):
    """Its server process dies when COMMIT is about to be sent, once."""

    def __init__(self, store: Store, url: str) -> None:
        super().__init__(store)
        self.url = url
        self.armed = False

    @override
    def commit(self) -> None:
        if self.armed:
            self.armed = False
            with psycopg.connect(self.url, autocommit=True) as other:
                (count,) = other.execute(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND state = 'idle in transaction'"
                ).fetchone() or (0,)
                assert count == 1
        super().commit()


async def test_a_server_process_killed_before_commit(rooms: Rooms, postgres_url: str) -> None:
    """503, nothing stored; the next try finds a new connection and stores it once."""
    await declare(rooms)
    store = KilledAtCommit(rooms.store(lane=1), postgres_url)
    async with writing(store) as writer:
        await writer.ask(message("m0"))
        store.armed = True
        with pytest.raises(Unavailable):
            await writer.ask(message("m1"))
        assert await writer.ask(message("m1")) != Accepted(None)
    ((_, _, lines),) = await transcript(rooms, "shop")
    assert [source for _, source, _ in lines] == ["m0", "m1"]


async def test_a_key_too_long_for_its_index_is_one_units_fault(rooms: Rooms) -> None:
    """PostgreSQL calls it an operational error; the neighbours must not pay for it with a 503."""
    await declare(rooms)
    long = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(20_000))
    async with writing(rooms.store(lane=1)) as writer:
        outcomes = await writer.ask_all([message("m1"), message(long), message("m2")])
    assert [o.error is None for o in outcomes] == [True, False, True]
