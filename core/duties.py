"""What one process of the fleet does for all: sending for each inbox, timers, sweeps. By lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from core.calls import Gate
from core.leases import Work
from core.outbound import send_lease
from core.ports.channel import Channel
from core.ports.rooms import Handoff, Services
from core.sender import Sender
from core.timers import LEASE as TIMERS
from core.timers import Timers

log = logging.getLogger("frontdesk.duties")
RETENTION = "retention"
FORGET_EVERY = timedelta(minutes=10)
SWEEP = "sweep"
SWEEP_SECONDS = 5.0
WakeOf = Callable[[str], asyncio.Event]


def duties(
    services: Services, handoff: Handoff | None, wake_of: WakeOf, gate: Gate
) -> dict[str, Work]:
    """Return the work of each lease; an inbox whose clients fetch by themselves has none."""
    found: dict[str, Work] = {}
    for name, inbox in services.config.inboxes.items():
        channel = services.channels[inbox.channel]
        if not channel.can.pull:
            found[send_lease(name)] = _sending(services, name, channel, wake_of, gate)
    timers = Timers(
        jobs=services.rooms.jobs,
        writer=services.writer,
        clock=services.clock,
        handlers=handoff.timers if handoff is not None else {},
        wake=wake_of(TIMERS),
    )
    found[TIMERS] = lambda _: timers.run()
    found[RETENTION] = lambda _: _forget(services)
    if handoff is not None and handoff.sweeps:
        found[SWEEP] = lambda _: _sweep(handoff.sweeps)
    return found


def _sending(services: Services, inbox: str, channel: Channel, wake_of: WakeOf, gate: Gate) -> Work:
    async def work(epoch: int) -> None:
        sender = Sender(
            inbox=inbox,
            channel=channel,
            jobs=services.rooms.jobs,
            writer=services.writer,
            lane2=services.lane2,
            clock=services.clock,
            holder=services.process,
            epoch=epoch,
            wake=wake_of(send_lease(inbox)),
            gate=gate,
        )
        await sender.run()

    return work


async def _forget(services: Services) -> None:
    """Delete what is kept for a time only, chunk by chunk, and look again in ten minutes."""
    clock = services.clock
    while True:
        try:
            gone = 1
            while gone:
                gone = await services.rooms.prune(clock.now())
        except Exception:
            # A busy store: nothing is lost by forgetting later.
            log.exception("retention failed")
        await clock.wait_until(clock.now() + FORGET_EVERY)


async def _sweep(sweeps: Sequence[Callable[[], Awaitable[None]]]) -> None:
    while True:
        for look in sweeps:
            try:
                await look()
            except Exception:
                # The next look comes in a few seconds; the lease must not be lost for it.
                log.exception("a sweep failed")
        await asyncio.sleep(SWEEP_SECONDS)
