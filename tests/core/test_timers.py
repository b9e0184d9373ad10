"""Timers: one open at most, moved and cleared by units, fired once and looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from typing_extensions import override

from core.models.people import Team, Timer
from core.models.row import Key
from core.timers import LEASE, Fire, Timers, clear_timer, set_timer
from core.units import Ask, Decision, Unit
from core.views import View
from core.world import World
from tests.core.station import Station, open_station, until

MINUTE = timedelta(minutes=1)


class Arm(Ask, frozen=True, kw_only=True):
    """Set, move or clear the timer of a subject."""

    subject: str
    wait: timedelta | None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The timer."""
        return ((Timer, "test", self.subject),)

    def decide(self, world: World) -> Decision:
        """Set it, or clear it when there is no wait."""
        if self.wait is None:
            return Decision(rows=tuple(clear_timer(world, "test", self.subject)))
        rows = set_timer(world, "test", self.subject, world.now + self.wait)
        return Decision(rows=tuple(rows))


class Ring(Ask, frozen=True, kw_only=True):
    """What a timer of these tests stands for: a team is named after it, once for each time."""

    subject: str

    def decide(self, world: World) -> Decision:
        """Fail for the subject `poison`."""
        if self.subject.startswith("poison"):
            raise ValueError(self.subject)
        return Decision(rows=(Team(id=world.new_id(), name=self.subject),))


@pytest_asyncio.fixture
async def station(database_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A running process, on both stores."""
    async with open_station(tmp_path, database_url) as station:
        yield station


@asynccontextmanager
async def ticking(station: Station) -> AsyncIterator[None]:
    """Fire the timers of these tests; the process's own leave foreign kinds alone."""

    def ring(subject: str) -> Unit:
        return Ring(subject=subject)

    timers = Timers(
        jobs=station.rooms.jobs,
        writer=station.writer,
        clock=station.clock,
        handlers={"test": ring},
        wake=asyncio.Event(),
    )
    running = asyncio.create_task(timers.run())
    try:
        yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def rung(station: Station) -> list[str]:
    """Name what has rung."""
    return sorted(team.name for team in await station.rooms.people.teams())


async def arm(station: Station, subject: str, wait: timedelta | None) -> None:
    """Set, move or clear."""
    await station.writer.ask(Arm(subject=subject, wait=wait))


async def test_it_rings_once_and_not_before_its_time(station: Station) -> None:
    async with ticking(station):
        await arm(station, "tea", 10 * MINUTE)
        station.clock.advance(8 * MINUTE)
        await station.quiet()
        assert await rung(station) == []
        station.clock.advance(2 * MINUTE)

        async def has_rung() -> bool:
            return await rung(station) == ["tea"]

        await until(has_rung)
        station.clock.advance(60 * MINUTE)
        await station.quiet()
        assert await rung(station) == ["tea"]


async def test_it_can_be_moved_and_cleared_and_set_again(station: Station) -> None:
    async with ticking(station):
        for subject in ("moved", "cleared", "again"):
            await arm(station, subject, 10 * MINUTE)
        await arm(station, "moved", 30 * MINUTE)
        await arm(station, "cleared", None)
        await arm(station, "again", None)
        await arm(station, "again", 5 * MINUTE)
        station.clock.advance(20 * MINUTE)

        async def one_has_rung() -> bool:
            return await rung(station) == ["again"]

        await until(one_has_rung)
        station.clock.advance(20 * MINUTE)

        async def both_have_rung() -> bool:
            return await rung(station) == ["again", "moved"]

        await until(both_have_rung)
        jobs = await station.rooms.jobs.open(LEASE)
        assert [one for one in jobs if one.job.kind == "test"] == []


async def test_two_that_fire_the_same_one_ring_once(station: Station) -> None:
    """A process that lost the lease may still have its hand on the bell."""
    await arm(station, "tea", 10 * MINUTE)
    (job,) = [o.job for o in await station.rooms.jobs.open(LEASE) if o.job.kind == "test"]
    early = await station.writer.ask(Fire(job=job.id, unit=Ring(subject="tea")))
    assert early is None
    assert await rung(station) == []
    station.clock.advance(11 * MINUTE)
    fires = [Fire(job=job.id, unit=Ring(subject="tea")) for _ in range(5)]
    await station.writer.ask_all(fires)
    assert await rung(station) == ["tea"]


async def test_one_that_fails_does_not_keep_the_others(station: Station) -> None:
    for subject in ("poison 1", "poison 2", "sound"):
        await arm(station, subject, 10 * MINUTE)
    async with ticking(station):
        station.clock.advance(11 * MINUTE)

        async def has_rung() -> bool:
            return await rung(station) == ["sound"]

        await until(has_rung)

        async def are_given_up() -> bool:
            station.clock.advance(2 * MINUTE)
            await station.quiet()
            dead = await station.rooms.jobs.dead()
            return sorted(job.subject for job in dead) == ["poison 1", "poison 2"]

        await until(are_given_up)
        assert {job.tries for job in await station.rooms.jobs.dead()} == {5}
        await arm(station, "poison 1", MINUTE)  # and may be set anew
    assert await rung(station) == ["sound"]
