"""Leases: who in the fleet may act under a name. Ten seconds, renewed every three, with an epoch.

What a holder believes is worth nothing by itself: every write it makes is guarded by the epoch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import cast

import msgspec
from typing_extensions import override

from core.errors import Refused
from core.models.people import Lease
from core.models.row import Key, Row
from core.units import Ask, Decision
from core.views import View
from core.world import World
from core.writer import Writer

log = logging.getLogger("frontdesk.leases")
replace = msgspec.structs.replace
TERM = timedelta(seconds=10)
RENEW_SECONDS = 3.0


class HoldLeases(Ask, frozen=True, kw_only=True):
    """Take what is free, renew what is ours. Answers {name: epoch} of what is held. Lane 2."""

    names: tuple[str, ...]
    holder: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The leases, locked in key order."""
        return [(Lease, name) for name in self.names]

    def decide(self, world: World) -> Decision:
        """The epoch rises with each new holder."""
        rows: list[Row] = []
        held: dict[str, int] = {}
        until = world.now + TERM
        for name in self.names:
            lease = world.get(Lease, name)
            if lease is None:
                lease = Lease(name=name, holder=self.holder, until=until, epoch=1)
            elif lease.holder == self.holder and lease.until > world.now:
                lease = replace(lease, until=until)
            elif lease.until <= world.now:
                lease = replace(lease, holder=self.holder, until=until, epoch=lease.epoch + 1)
            else:
                continue
            rows.append(lease)
            held[name] = lease.epoch
        return Decision(rows=tuple(rows), answer=held)


class ReleaseLeases(Ask, frozen=True, kw_only=True):
    """Give leases back so that another process need not wait for their end. Lane 2."""

    names: tuple[str, ...]
    holder: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The leases."""
        return [(Lease, name) for name in self.names]

    def decide(self, world: World) -> Decision:
        """End those that are still ours."""
        rows = [
            replace(lease, until=world.now)
            for name in self.names
            if (lease := world.get(Lease, name)) is not None and lease.holder == self.holder
        ]
        return Decision(rows=tuple(rows))


Work = Callable[[int], Awaitable[None]]


class LeaseHolder:
    """Runs one coroutine per name while the lease is held; it is given the epoch."""

    def __init__(self, writer: Writer, holder: str) -> None:
        """`writer` is lane 2's; `holder` names this process."""
        self._writer = writer
        self._holder = holder
        self._work: dict[str, Work] = {}
        self._running: dict[str, tuple[int, asyncio.Task[None]]] = {}

    def add(self, name: str, work: Work) -> None:
        """Do `work` whenever the lease `name` is ours. It must end when cancelled."""
        self._work[name] = work

    async def run(self) -> None:
        """Hold and renew until cancelled, then give everything back."""
        try:
            while True:
                await self.renew()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            await self._let_go()

    async def renew(self) -> None:
        """Ask for every lease once; start and stop work accordingly."""
        if not self._work:
            return
        try:
            held = await self._writer.ask(
                HoldLeases(names=tuple(sorted(self._work)), holder=self._holder), urgent=True
            )
        except Refused as refusal:
            log.warning("leases cannot be renewed: %s", refusal.message)
            return
        held = cast("dict[str, int]", held)
        for name, work in self._work.items():
            epoch, task = self._running.get(name, (0, None))
            if held.get(name) == epoch and task is not None and not task.done():
                continue
            if task is not None:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    log.error("work under %s failed", name, exc_info=task.exception())
                task.cancel()
                self._running.pop(name)
            if name in held:
                self._running[name] = (
                    held[name],
                    asyncio.create_task(work(held[name]), name=name),  # type: ignore[arg-type]
                )

    async def _let_go(self) -> None:
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._running:
            try:
                await self._writer.ask(
                    ReleaseLeases(names=tuple(sorted(self._running)), holder=self._holder),
                    urgent=True,
                )
            except Refused:
                log.warning("leases run out by themselves")
        self._running.clear()
