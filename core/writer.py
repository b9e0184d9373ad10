"""The writer: one thread that turns what waits into batches, each one transaction.

What is asked of it is a list of units (core.units). A batch takes the counter row, loads what the
units need, decides them in order, writes their rows and numbers their events, and commits; only
then does anybody hear of it. design.md §1 gives the rules and the figures behind them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from core.batch import Decided, Limit, Outcome, decide_batch
from core.errors import Faulty, StoreBusy, StoreLost, StoreRefused, Unavailable
from core.failpoints import hit
from core.models.people import Job
from core.ports.store import Store
from core.units import Policy, Unit
from core.world import World

log = logging.getLogger("frontdesk.writer")
BATCH_UNITS = 128
QUEUE_BOUND = 2_000
QUEUE_SECONDS = 2.0


class Committed(msgspec.Struct, frozen=True):
    """What a commit changed: first and last event (none if last < first), leases with jobs."""

    first: int
    seq: int
    leases: frozenset[str]


class _Asked:
    """Units that were asked for together, and whoever waits for their outcomes."""

    __slots__ = ("future", "left", "outcomes", "since", "units", "urgent")

    def __init__(
        self,
        units: Sequence[Unit],
        future: asyncio.Future[list[Outcome]] | None,
        *,
        urgent: bool = True,
    ) -> None:
        self.urgent = urgent
        self.units = units
        self.outcomes: list[Outcome | None] = [None] * len(units)
        self.left = len(units)
        self.future = future
        self.since = time.monotonic()


_Item = tuple[_Asked, int]


class Writer:
    """Owns the thread, the two queues, the batches and their replay. Knows one port: Store."""

    def __init__(
        self,
        store: Store,
        *,
        policies: Sequence[Policy] = (),
        lane: int = 1,
        batch_units: int = BATCH_UNITS,
        world: World | None = None,
        on_commit: Callable[[Committed], None] = lambda _: None,
    ) -> None:
        """`on_commit` is called on the event loop after each commit that wrote."""
        self._store = store
        self._policies = policies
        self._lane = lane
        self._batch_units = batch_units
        self._world = world or World()
        self._on_commit = on_commit
        self._version = -1
        self._wake = threading.Condition()
        self._agents: deque[_Item] = deque()
        self._others: deque[_Item] = deque()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- asking, on the event loop ---------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; answers are delivered on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"writer-{self._lane}", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, then end the thread and close the store."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    async def ask(self, unit: Unit, *, urgent: bool = False) -> object:
        """Decide and write one unit; return its answer or raise its error."""
        (outcome,) = await self.ask_all([unit], urgent=urgent)
        if outcome.error is not None:
            raise outcome.error
        return outcome.answer

    async def ask_all(self, units: Sequence[Unit], *, urgent: bool = False) -> list[Outcome]:
        """Decide and write several units, each by itself; `urgent` = an agent waits.

        Raises Unavailable when too much waits already.
        """
        if not units:
            return []
        if not urgent and self.is_crowded():
            raise Unavailable("Too much waits to be written. Try again.")
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._put(_Asked(units, future, urgent=urgent))
        return await future

    def is_crowded(self) -> bool:
        """Say whether webhooks must be turned away."""
        waiting = len(self._others)
        if waiting == 0:
            return False
        with suppress(IndexError):
            if time.monotonic() - self._others[0][0].since > QUEUE_SECONDS:
                return True
        return waiting > QUEUE_BOUND

    def _put(self, asked: _Asked) -> None:
        items = [(asked, index) for index in range(len(asked.units))]
        with self._wake:
            if self._stopping:
                raise Unavailable("Shutting down. Try again.")
            self._queue_of(asked).extend(items)
            self._wake.notify()

    # -- the thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._agents or self._others or self._stopping):
                    self._wake.wait()
                if not (self._agents or self._others):
                    break
                items = self._gather()
            try:
                self._write(items)
            except Exception:
                # Whatever it was, the thread must live: those who wait get a 503.
                log.exception("a batch failed")
                self._world.forget()
                self._store.rollback()
                self._fail(items, Unavailable())
        self._store.close()

    def _gather(self) -> list[_Item]:
        items: list[_Item] = []
        for queue in (self._agents, self._others):
            while queue and len(items) < self._batch_units:
                items.append(queue.popleft())
        return items

    def _write(self, items: list[_Item]) -> None:
        for last_try in (False, True):
            try:
                self._batch(items)
            except StoreBusy as busy:
                self._abandon()
                if last_try:
                    log.warning("the store is busy: %s", busy)
                    self._fail(items, Unavailable())
                    return
            except StoreLost as lost:
                self._abandon()
                log.warning("the answer of COMMIT was lost: %s", lost)
                self._fail(
                    items, Unavailable("It is not known whether this was stored. Ask again.")
                )
                return
            except StoreRefused as refused:
                self._abandon()
                self._replay(items, refused)
                return
            else:
                return

    def _replay(self, items: list[_Item], refused: StoreRefused) -> None:
        """Write each unit by itself: the one that is to blame stands alone then."""
        if len(items) == 1:
            self._park(items[0], refused)
            return
        for item in items:
            self._write([item])

    def _abandon(self) -> None:
        self._store.rollback()
        self._world.forget()

    def _park(self, item: _Item, refused: StoreRefused) -> None:
        asked, index = item
        log.error("the store would not have a %s: %s", type(asked.units[index]).__name__, refused)
        self._fail([item], self._trace(asked.units[index], Faulty(str(refused))))

    def _trace(self, unit: Unit, fault: Faulty) -> Exception:
        """Record that a unit failed, where somebody waits for that; without a record, 503."""
        trace = unit.parked(str(fault))
        if trace is None:
            return fault
        asked = _Asked([trace], None)
        self._write([(asked, 0)])
        outcome = asked.outcomes[0]
        return fault if outcome is not None and outcome.error is None else Unavailable()

    def _batch(self, items: list[_Item]) -> None:
        begun = self._store.begin(lane=self._lane)
        world = self._world
        world.begin(begun.now, begun.stamp, fresh=self._lane != 1 or begun.version != self._version)
        self._version = -1
        units = [asked.units[index] for asked, index in items]
        decided = decide_batch(world, self._store, units, self._policies, Limit().is_over)
        self._put_back(items[len(decided.outcomes) :])
        decided_items = items[: len(decided.outcomes)]
        del items[len(decided.outcomes) :]
        rows = world.written()
        if rows or decided.events:
            self._store.write(rows, decided.events, begun, world.stamp)
        hit(f"writer{self._lane}.before_commit")
        self._store.commit()
        hit(f"writer{self._lane}.after_commit")
        self._version = begun.version + bool(rows or decided.events)
        committed = None
        if rows or decided.events:
            leases = frozenset(row.lease for _, row in rows if isinstance(row, Job))
            committed = Committed(begun.seq + 1, begun.seq + len(decided.events), leases)
        self._finish(decided_items, decided, committed)

    def _put_back(self, items: list[_Item]) -> None:
        """Return what the batch had no time for to the head of its own queue."""
        with self._wake:
            for item in reversed(items):
                self._queue_of(item[0]).appendleft(item)

    def _queue_of(self, asked: _Asked) -> deque[_Item]:
        return self._agents if asked.urgent else self._others

    def _finish(self, items: list[_Item], decided: Decided, committed: Committed | None) -> None:
        outcomes = [
            Outcome(error=self._trace(asked.units[index], outcome.error))
            if isinstance(outcome.error, Faulty)
            else outcome
            for (asked, index), outcome in zip(items, decided.outcomes, strict=True)
        ]
        done = _settle(items, outcomes)
        if decided.then:
            with self._wake:
                self._agents.extend((_Asked([unit], None), 0) for unit in decided.then)
        self._deliver(done, committed)

    def _fail(self, items: list[_Item], error: Exception) -> None:
        self._deliver(_settle(items, [Outcome(error=error)] * len(items)), None)

    def _deliver(self, done: list[_Asked], committed: Committed | None) -> None:
        if self._loop is None or not (done or committed):
            return
        with suppress(RuntimeError):  # the loop is gone: nobody listens any more
            self._loop.call_soon_threadsafe(self._answer, done, committed)

    def _answer(self, done: list[_Asked], committed: Committed | None) -> None:
        for asked in done:
            if asked.future is not None and not asked.future.done():
                asked.future.set_result([o for o in asked.outcomes if o is not None])
        if committed is not None:
            self._on_commit(committed)


def _settle(items: list[_Item], outcomes: Sequence[Outcome]) -> list[_Asked]:
    """Note the outcomes; return those that have all of theirs."""
    done: list[_Asked] = []
    for (asked, index), outcome in zip(items, outcomes, strict=True):
        asked.outcomes[index] = outcome
        asked.left -= 1
        if asked.left == 0:
            done.append(asked)
    return done
