"""Five mistakes to sow into a serving process, one at a time: the checker must catch each.

A run that finds nothing proves nothing until it has been seen to find these.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import msgspec

from core.feed import LiveFeed, LiveFrame
from core.inbound import Accept
from core.intake import Intake
from core.leases import HoldLeases
from core.models.inbound import WebhookRequest
from core.models.people import Call, Lease
from core.models.rows import Delivery
from core.outbound import MarkCalls
from core.ports.channel import Channel
from core.units import Decision
from core.world import World
from handoff.replying import Say

replace = msgspec.structs.replace
LATE_SECONDS = 0.3
SKIPPED = 20


def ack_before_commit() -> None:
    """Answer 2xx first and store a moment later."""
    store = Intake.store
    late: set[asyncio.Task[int]] = set()

    async def hurry(
        self: Intake, request: WebhookRequest, channel: Channel, *, webhook: str = ""
    ) -> int:
        async def work() -> int:
            await asyncio.sleep(LATE_SECONDS)
            return await store(self, request, channel, webhook=webhook)

        task = asyncio.create_task(work())
        late.add(task)
        task.add_done_callback(late.discard)
        return 0

    _put(Intake, "store", hurry)


class _Forgetful:
    """A world that does not know one delivery."""

    def __init__(self, world: World, key: tuple[str, ...]) -> None:
        self._world = world
        self._key = key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def get(self, kind: type[Any], *key: str | int) -> Any:
        if kind is Delivery and key == self._key:
            return None
        return self._world.get(kind, *key)


def no_dedupe() -> None:
    """Take every delivery of a message for a new one."""
    decide = Accept.decide

    def forget(self: Accept, world: World) -> Decision:
        key = (self.inbox, self.incoming.source_id)
        known = world.get(Delivery, *key)
        decision = decide(self, cast("World", _Forgetful(world, key)))
        if known is None:
            return decision
        return replace(
            decision, rows=tuple(row for row in decision.rows if not isinstance(row, Delivery))
        )

    _put(Accept, "decide", forget)


def cursor_skip() -> None:
    """Go on behind the cursor a resuming client names, but some events too far."""
    replay = LiveFeed.replay

    def skip(self: LiveFeed, after: int, until: int) -> AsyncIterator[list[LiveFrame]]:
        return replay(self, max(after, min(after + SKIPPED, until)), until)

    _put(LiveFeed, "replay", skip)


def ignore_lease() -> None:
    """Send for every inbox, whoever holds its lease."""
    hold = HoldLeases.decide

    def hold_all(self: HoldLeases, world: World) -> Decision:
        decision = hold(self, world)
        held = dict(decision.answer)
        for name in self.names:
            lease = world.get(Lease, name)
            held.setdefault(name, 1 if lease is None else lease.epoch)
        return replace(decision, answer=held)

    def mark(self: MarkCalls, world: World) -> Decision:
        for job in self.numbers:
            world.get(Call, job)
        return Decision(
            rows=tuple(
                Call(job=job, number=number, epoch=self.epoch, called_at=world.now)
                for job, number in self.numbers.items()
            )
        )

    _put(HoldLeases, "decide", hold_all)
    _put(MarkCalls, "decide", mark)


def note_to_contact() -> None:
    """Send notes to the customer as if they were answers."""
    decide = Say.decide

    def blab(self: Say, world: World) -> Decision:
        return decide(replace(self, reply=replace(self.reply, note=False)), world)

    _put(Say, "decide", blab)


def _put(owner: type[Any], name: str, value: Callable[..., Any]) -> None:
    setattr(owner, name, value)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (ack_before_commit, no_dedupe, cursor_skip, ignore_lease, note_to_contact)
}
