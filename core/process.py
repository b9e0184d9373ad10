"""One running process: everything that `serve` and `demo` start, and how it stops.

Built in the order in which things need one another: plugins, channels, store, writers, feed,
workplace, routes. Stopped in the order in which nothing is lost: no new calls, calls under way
end, leases go back, what waits is written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from core.announcer import Announcer
from core.boot import declared
from core.bus import MemoryBusKind, read_hint, write_hint
from core.calls import Gate
from core.clock import SystemClock
from core.config import Config
from core.config.checks import check_inboxes
from core.duties import duties
from core.errors import FrontdeskError, Unavailable
from core.feed import LiveFeed
from core.hooks import Hooks
from core.intake import Intake
from core.leases import LeaseHolder
from core.login import StoredLogins
from core.metrics import Metrics
from core.passwords import Passwords
from core.ports.channel import Channel
from core.ports.rooms import Bus, BusKind, Handoff, Rooms, Services
from core.reception import NoDesk, NoReception
from core.stores import CannotServe, store_kind
from core.web import Web, make_rest
from core.writer import Committed, Writer

log = logging.getLogger("frontdesk")
DRAIN_SECONDS = 15.0
READY_SECONDS = 2.0


class Process:
    """Everything of one process. `start` and `stop` belong to one event loop."""

    def __init__(
        self,
        config: Config,
        hooks: Hooks,
        *,
        clock: SystemClock | None = None,
        home: str = "/console",
    ) -> None:
        """Build what needs no loop; raises ConfigError, WrongPlugin or CannotServe."""
        self.config = config
        self.hooks = hooks
        self.clock = clock or SystemClock()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.channels: dict[str, Channel] = {c.name: c for c in hooks.channels()}
        self.options = check_inboxes(
            config, {name: (c.config, c.route or None) for name, c in self.channels.items()}
        ).options
        self.metrics = Metrics()
        self.rooms = self._open_rooms()
        self.writer, self.lane2 = self._make_writers()
        self.live = LiveFeed(self.rooms.feed)
        self._bus = self._open_bus()
        self._gate = Gate()
        self._wakes: dict[str, asyncio.Event] = {}
        self._detached: frozenset[str] = frozenset()
        self._tasks: list[asyncio.Task[None]] = []
        self._leases: asyncio.Task[None] | None = None
        self._home = home
        passwords = Passwords()
        self.services = Services(
            config=config,
            clock=self.clock,
            process=self.name,
            channels=self.channels,
            writer=self.writer,
            lane2=self.lane2,
            rooms=self.rooms,
            live=self.live,
            workplace=NoDesk(),
            logins=NoDesk(),
            reception=NoReception(),
            metrics=self.metrics,
            passwords=passwords,
            tell=self.tell,
        )
        self.handoff = self._desk(passwords)
        self.intake = self._make_intake()
        self.app = Web(intake=self.intake, rest=self._make_rest())

    # -- building --------------------------------------------------------------------------------

    def _open_rooms(self) -> Rooms:
        section = self.config.frontdesk
        url, relaxed = section.database.first, section.durability == "relaxed"
        kind = store_kind(self.hooks, url)
        try:
            rooms = kind.open(url, clock=self.clock, relaxed=relaxed)
        except FrontdeskError as error:
            raise CannotServe(str(error)) from error
        problem = rooms.check()
        if problem is not None:
            raise CannotServe(problem)
        return rooms

    def _make_writers(self) -> tuple[Writer, Writer]:
        policies = self.hooks.policies()
        first = self.rooms.store(lane=1)
        writer = Writer(first, policies=policies, on_commit=self._committed)
        second = self.rooms.store(lane=2)
        if second is first:
            return writer, writer
        return writer, Writer(second, lane=2)

    def _open_bus(self) -> Bus:
        wanted = self.config.frontdesk.bus
        kinds: dict[str, BusKind] = {kind.name: kind for kind in self.hooks.buses()}
        kinds.setdefault("memory", MemoryBusKind())
        if wanted == "auto":
            wanted = "memory" if self.rooms.one_process else "notify"
        if wanted not in kinds:
            raise CannotServe(f"bus = {wanted!r} is not known. Known: {', '.join(sorted(kinds))}.")
        return kinds[wanted].open(self.config.frontdesk.database.first)

    def _desk(self, passwords: Passwords) -> Handoff | None:
        handoff = self.hooks.handoff(self.services)
        if handoff is not None:
            self.services.workplace = handoff.workplace
            self.services.reception = handoff.reception
            self.services.logins = StoredLogins(
                people=self.rooms.people,
                lane2=self.lane2,
                clock=self.clock,
                me=handoff.workplace.me,
                passwords=passwords,
            )
        return handoff

    def _make_intake(self) -> Intake:
        by_channel: dict[str, dict[str, msgspec.Struct]] = {name: {} for name in self.channels}
        routes: dict[tuple[str, str], str] = {}
        for name, inbox in self.config.inboxes.items():
            channel = self.channels[inbox.channel]
            by_channel[inbox.channel][name] = self.options[name]
            if channel.route:
                routes[inbox.channel, str(getattr(self.options[name], channel.route))] = name
        for name, channel in self.channels.items():
            channel.attach(by_channel[name])
        return Intake(
            channels=self.channels,
            inboxes={name: inbox.channel for name, inbox in self.config.inboxes.items()},
            routes=routes,
            detached=lambda inbox: inbox in self._detached,
            writer=self.writer,
            metrics=self.metrics,
        )

    def _make_rest(self) -> Any:
        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            await self.start()
            try:
                yield
            finally:
                await self.stop()

        return make_rest(
            routes=self.hooks.routes(self.services),
            lifespan=lifespan,
            metrics=self.metrics,
            ready=self.readiness,
            home=self._home,
        )

    # -- running ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start writing: all that one command needs. Ends with `close`."""
        self.writer.start()
        if self.lane2 is not self.writer:
            self.lane2.start()

    async def start(self) -> None:
        """Bring the store in line with the file, then start the feed, the jobs and the plugins."""
        await self.open()
        await self.align()
        await self.live.start()
        await self._bus.start(self._heard)
        if self.hooks.anyone_hears():
            self.live.announce_to(Announcer(self.hooks).announce)
        self._spawn(self.live.run, "feed")
        holder = LeaseHolder(self.lane2, self.name)
        for name, work in duties(self.services, self.handoff, self._wake_of, self._gate).items():
            holder.add(name, work)
        self._leases = asyncio.create_task(holder.run(), name="leases")
        for task in self.services.tasks:
            self._spawn(task, "plugin")
        await self.hooks.on_startup(self.services)

    def _spawn(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        async def run() -> None:
            await work()

        self._tasks.append(asyncio.create_task(run(), name=name))

    async def align(self) -> None:
        """Make what the file declares exist in the store, and detach what it no longer names."""
        people = self.rooms.people
        known = tuple(row.name for row in await people.inboxes())
        unit = declared(self.config, known, has_topics=bool(await people.topics()))
        self._detached = frozenset(
            cast("tuple[str, ...]", await self.writer.ask(unit, urgent=True))
        )

    async def stop(self) -> None:
        """Stop taking, let calls end, give leases back, write what waits, close."""
        await self.hooks.on_shutdown()
        await self._gate.drain(DRAIN_SECONDS)
        everything = [*self._tasks, *([self._leases] if self._leases else [])]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        for channel in self.channels.values():
            await channel.close()
        await self._bus.close()
        await self.close()

    async def close(self) -> None:
        """Write what waits and close the store."""
        await self.writer.stop()
        if self.lane2 is not self.writer:
            await self.lane2.stop()
        self.services.passwords.close()
        await self.rooms.close()

    # -- hints -----------------------------------------------------------------------------------

    def tell(self, hint: bytes) -> None:
        """Publish a hint to the other processes and to this one."""
        self._bus.publish(hint)
        self.live.hint(read_hint(hint))

    def _committed(self, committed: Committed) -> None:
        self.metrics.batches.count()
        self.live.wrote(committed.first, committed.seq)
        for lease in committed.leases:
            self._wake_of(lease).set()
        if committed.leases or committed.seq >= committed.first:
            self._bus.publish(write_hint(committed.seq, committed.leases))

    def _heard(self, raw: bytes) -> None:
        hint = read_hint(raw)
        if "seq" in hint:
            self.live.wake()
            leases = hint.get("leases", [])
            for name in self._wakes if leases == ["*"] else leases:
                if isinstance(name, str) and name in self._wakes:
                    self._wakes[name].set()
        else:
            self.live.hint(hint)

    def _wake_of(self, lease: str) -> asyncio.Event:
        return self._wakes.setdefault(lease, asyncio.Event())

    async def readiness(self) -> dict[str, Any]:
        """Say whether this process can take messages: the store answers in time."""
        state: dict[str, Any] = {
            "ready": True,
            "durability": self.config.frontdesk.durability,
            "process": self.name,
        }
        try:
            async with asyncio.timeout(READY_SECONDS):
                state["seq"] = await self.live.newest()
        except (TimeoutError, Unavailable):
            state.update(ready=False, problem="The store does not answer.")
        if self.writer.is_crowded():
            state.update(ready=False, problem="Too much waits to be written.")
        return state
