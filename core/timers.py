"""Timers: jobs that are due later, one open job at most per (kind, subject).

A timer says only that it is time to look again: the unit it fires decides from what is true then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from typing_extensions import override

from core.clock import SystemClock
from core.errors import Faulty, Refused
from core.models.people import Job, Timer
from core.models.row import Key, Row
from core.ports.reading import Jobs
from core.units import NOTHING, Ask, Decision, Unit
from core.views import View
from core.world import World
from core.writer import Writer

log = logging.getLogger("frontdesk.timers")
replace = msgspec.structs.replace
LEASE = "timers"
POLL = timedelta(seconds=2)
AGAIN = timedelta(minutes=1)
TRIES = 5


def set_timer(world: World, kind: str, subject: str, due_at: datetime) -> list[Row]:
    """Return the rows that make a timer fire at a time; an open one is moved."""
    timer = world.get(Timer, kind, subject)
    job = None if timer is None or timer.job is None else world.get(Job, timer.job)
    if job is not None and job.state == "open":
        return [] if job.due_at == due_at else [replace(job, due_at=due_at)]
    job = Job(
        id=world.new_id(),
        kind=kind,
        lane=subject,
        lease=LEASE,
        subject=subject,
        due_at=due_at,
        created_at=world.now,
    )
    return [job, Timer(kind=kind, subject=subject, job=job.id)]


def clear_timer(world: World, kind: str, subject: str) -> list[Row]:
    """Return the rows that keep a timer from firing."""
    timer = world.get(Timer, kind, subject)
    if timer is None or timer.job is None:
        return []
    job = world.need(Job, timer.job)
    rows: list[Row] = [replace(timer, job=None)]
    return [replace(job, state="done"), *rows] if job.state == "open" else rows


class Fire(Ask, frozen=True, kw_only=True):
    """A timer is due: close its job and decide what it stands for, in one unit."""

    job: str
    unit: Unit

    @override
    def needs(self) -> Iterable[Key | View]:
        """The job and whatever the unit needs."""
        return ((Job, self.job), *self.unit.needs())

    def decide(self, world: World) -> Decision:
        """Nothing happens when it was cleared or moved meanwhile."""
        job = world.get(Job, self.job)
        if job is None or job.state != "open" or job.due_at > world.now:
            return NOTHING
        timer = world.get(Timer, job.kind, job.subject)
        rows: list[Row] = [replace(job, state="done", tries=job.tries + 1)]
        if timer is not None and timer.job == job.id:
            rows.append(replace(timer, job=None))
        world.put(rows)
        decision = self.unit.decide(world)
        return replace(decision, rows=(*rows, *decision.rows))


class Missed(Ask, frozen=True, kw_only=True):
    """What a timer stands for failed: look again in a minute, and after five times never."""

    job: str
    problem: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The job."""
        return ((Job, self.job),)

    def decide(self, world: World) -> Decision:
        """Put it off, or list it among the dead."""
        job = world.get(Job, self.job)
        if job is None or job.state != "open":
            return NOTHING
        after = replace(job, tries=job.tries + 1, due_at=world.now + AGAIN, note=self.problem)
        if after.tries < TRIES:
            return Decision(rows=(after,))
        rows: list[Row] = [replace(after, state="dead")]
        timer = world.get(Timer, job.kind, job.subject)
        if timer is not None and timer.job == job.id:
            rows.append(replace(timer, job=None))
        return Decision(rows=tuple(rows))


Handlers = Mapping[str, Callable[[str], Unit]]


class Timers:
    """Fires what is due while the lease `timers` is held."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        writer: Writer,
        clock: SystemClock,
        handlers: Handlers,
        wake: asyncio.Event,
    ) -> None:
        """`handlers` makes the unit of a kind from its subject."""
        self._jobs = jobs
        self._writer = writer
        self._clock = clock
        self._handlers = handlers
        self._wake = wake

    async def run(self) -> None:
        """Look at every open timer, fire the due ones, wait for the next."""
        while True:
            self._wake.clear()
            nearest = self._clock.now() + POLL
            after = ""
            while found := await self._jobs.open(LEASE, after=after):
                for called in found:
                    after = called.job.id
                    if called.job.due_at <= self._clock.now():
                        await self._fire(called.job)
                    else:
                        nearest = min(nearest, called.job.due_at)
            await self._clock.wait_until(nearest, self._wake)

    async def _fire(self, job: Job) -> None:
        handler = self._handlers.get(job.kind)
        if handler is None:
            return
        try:
            await self._writer.ask(Fire(job=job.id, unit=handler(job.subject)))
        except Refused as refusal:
            log.warning("a timer must wait: %s", refusal.message)
        except Faulty as fault:
            # The others must ring: this one steps back, and is given up after a few tries.
            log.exception("a timer failed: %s", job.kind)
            with suppress(Refused, Faulty):
                await self._writer.ask(Missed(job=job.id, problem=str(fault)))
