"""Leases: one holder at a time, whatever the processes believe."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from core import leases as leases_module
from core.clock import SystemClock
from core.leases import TERM, HoldLeases, LeaseHolder, ReleaseLeases
from core.ports.rooms import Rooms
from core.writer import Writer
from plugins.sql.plugin import register_stores
from tests.core.station import until

ONE = ("one",)


class Fleet:
    """Two processes' second lanes on one database (one lane where there is one process)."""

    def __init__(self, writers: list[Writer], clock: SystemClock) -> None:
        """The writers are started."""
        self.writers = writers
        self.clock = clock

    async def hold(self, process: int, *names: str) -> object:
        """Ask for leases as a process."""
        unit = HoldLeases(names=names or ONE, holder=f"p{process}")
        return await self.writers[process].ask(unit, urgent=True)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[tuple[Rooms, SystemClock]]:
    clock = SystemClock()
    scheme = url.partition(":")[0]
    kind = next(kind for kind in register_stores() if scheme in kind.schemes)
    rooms = kind.open(url, clock=clock, relaxed=True)
    yield rooms, clock
    await rooms.close()


@pytest_asyncio.fixture
async def fleet(database_url: str) -> AsyncIterator[Fleet]:
    """Two on PostgreSQL; on SQLite one, which answers for both names."""
    async with _opened(database_url) as (rooms, clock):
        first = Writer(rooms.store(lane=2), lane=1 if rooms.one_process else 2)
        second = first if rooms.one_process else Writer(rooms.store(lane=2), lane=2)
        for writer in {first, second}:
            writer.start()
        yield Fleet([first, second], clock)
        for writer in {first, second}:
            await writer.stop()


async def test_the_first_holds_it_until_it_runs_out(fleet: Fleet) -> None:
    assert await fleet.hold(0) == {"one": 1}
    assert await fleet.hold(1) == {}
    fleet.clock.advance(TERM / 2)
    assert await fleet.hold(0) == {"one": 1}
    fleet.clock.advance(TERM / 2 + timedelta(seconds=1))
    assert await fleet.hold(1) == {}, "the renewal counts from when it was made"
    fleet.clock.advance(TERM)
    assert await fleet.hold(1) == {"one": 2}
    assert await fleet.hold(0) == {}


async def test_one_that_ran_out_is_taken_anew_even_by_its_holder(fleet: Fleet) -> None:
    """He may have slept through somebody else's term: what he began before is void."""
    assert await fleet.hold(0) == {"one": 1}
    fleet.clock.advance(2 * TERM)
    assert await fleet.hold(0) == {"one": 2}


async def test_one_given_back_is_free_at_once(fleet: Fleet) -> None:
    await fleet.hold(0, "one", "two")
    await fleet.writers[1].ask(ReleaseLeases(names=ONE, holder="p1"))
    assert await fleet.hold(1) == {}, "nobody gives back what is not his"
    await fleet.writers[0].ask(ReleaseLeases(names=ONE, holder="p0"))
    assert await fleet.hold(1, "one", "two") == {"one": 2}


async def test_many_ask_at_once_and_one_gets_it(fleet: Fleet) -> None:
    names = [f"n{number}" for number in range(20)]
    for turn in range(1, 6):
        asked = [
            fleet.writers[number % 2].ask(
                HoldLeases(names=tuple(names[number % 7 :]), holder=f"p{number}"), urgent=True
            )
            for number in range(16)
        ]
        answers = await asyncio.gather(*asked)
        held = Counter(
            (name, epoch)
            for answer in answers
            for name, epoch in answer.items()  # type: ignore[attr-defined]
        )
        assert held == Counter({(name, turn): 1 for name in names})
        fleet.clock.advance(2 * TERM)


class Worker:
    """Counts how often its work begins, goes on and ends."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.epochs: list[int] = []
        self.running = 0
        self.fails = False
        self.changed = asyncio.Event()

    async def work(self, epoch: int) -> None:
        """Run until cancelled, or fail at once."""
        self.epochs.append(epoch)
        if self.fails:
            raise RuntimeError("broken")
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


async def test_work_runs_while_the_lease_is_held_and_never_twice(fleet: Fleet) -> None:
    workers = [Worker(), Worker()]
    holders = [LeaseHolder(fleet.writers[n], f"p{n}") for n in range(2)]
    for holder, worker in zip(holders, workers, strict=True):
        holder.add("one", worker.work)
    await holders[0].renew()
    await holders[1].renew()
    await until(lambda: workers[0].running == 1)
    assert workers[1].running == 0
    fleet.clock.advance(2 * TERM)  # the first sleeps
    await holders[1].renew()
    await until(lambda: workers[1].running == 1)
    await holders[0].renew()  # and wakes up
    await until(lambda: workers[0].running == 0)
    assert (workers[0].epochs, workers[1].epochs) == ([1], [2])
    fleet.clock.advance(2 * TERM)
    await holders[1].renew()
    await until(lambda: workers[1].epochs == [2, 3] and workers[1].running == 1)
    for holder in holders:
        stopped = asyncio.create_task(holder.run())
        await asyncio.sleep(0)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
    assert [worker.running for worker in workers] == [0, 0]
    assert await fleet.hold(0, "one") == {"one": 4}, "both gave back what they had"


async def test_work_that_fails_begins_again(fleet: Fleet) -> None:
    worker = Worker()
    worker.fails = True
    holder = LeaseHolder(fleet.writers[0], "p0")
    holder.add("one", worker.work)
    await holder.renew()
    await until(lambda: worker.epochs == [1])
    worker.fails = False
    await holder.renew()
    await until(lambda: worker.running == 1)
    assert worker.epochs == [1, 1]


async def test_a_holder_renews_well_before_the_end(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=3 * leases_module.RENEW_SECONDS) < TERM
    monkeypatch.setattr(leases_module, "RENEW_SECONDS", 0.01)
    worker = Worker()
    holder = LeaseHolder(fleet.writers[0], "p0")
    holder.add("one", worker.work)
    running = asyncio.create_task(holder.run())
    await until(lambda: worker.running == 1)
    for _ in range(5):
        fleet.clock.advance(0.9 * TERM)
        asked = await fleet.hold(0)
        assert asked == {"one": 1}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await fleet.hold(1) == {"one": 2}
