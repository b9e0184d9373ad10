"""The unit that takes in what became of a message of ours."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.delivery import advance, change, read_tag
from core.inbound import ParkItem
from core.models.inbound import Receipt
from core.models.people import Job
from core.models.row import Key, Row
from core.models.rows import Attempt, Delivery, HeldReceipt, Message
from core.units import NOTHING, Ask, Decision, Unit
from core.views import View
from core.world import World

replace = msgspec.structs.replace


class TakeReceipt(Ask, frozen=True, kw_only=True):
    """Note what became of a message of ours; hold it when the message is not known yet."""

    inbox: str
    receipt: Receipt
    webhook: str = ""
    item: int = 0

    @override
    def needs(self) -> Iterable[Key | View]:
        """The attempt by our tag, and the provider's id."""
        source = (self.inbox, self.receipt.source_id)
        keys: list[Key | View] = [(Delivery, *source), (HeldReceipt, *source)]
        tagged = read_tag(self.receipt.tag)
        if tagged is not None:
            keys.append((Attempt, *tagged))
        return keys

    @override
    def parked(self, problem: str) -> Unit | None:
        """Leave a trace beside the raw body."""
        return (
            ParkItem(webhook=self.webhook, item=self.item, problem=problem)
            if self.webhook
            else None
        )

    def decide(self, world: World) -> Decision:
        """Move the attempt up, unlock its lane, or hold the receipt."""
        source = (self.inbox, self.receipt.source_id)
        delivery = world.get(Delivery, *source)
        attempt = self._attempt(world, delivery)
        if attempt is None:
            return self._hold(world) if delivery is None else NOTHING
        message = world.need(Message, attempt.message)
        if message.inbox != self.inbox:
            return NOTHING
        rows: list[Row] = list(
            change(
                attempt,
                message,
                self.receipt.state,
                world.now,
                reason=self.receipt.reason,
                hint=self.receipt.hint,
            )
        )
        if delivery is None and self.receipt.source_id:
            rows.append(
                Delivery(
                    inbox=self.inbox,
                    source_id=self.receipt.source_id,
                    message=attempt.message,
                    attempt=attempt.number,
                )
            )
        job = world.get(Job, attempt.job) if attempt.job else None
        if job is not None and job.state == "unknown":
            rows.append(replace(job, state="done"))
        return Decision(rows=tuple(rows))

    def _attempt(self, world: World, delivery: Delivery | None) -> Attempt | None:
        tagged = read_tag(self.receipt.tag)
        attempt = world.get(Attempt, *tagged) if tagged is not None else None
        if attempt is None and delivery is not None and delivery.attempt:
            attempt = world.get(Attempt, delivery.message, delivery.attempt)
        return attempt

    def _hold(self, world: World) -> Decision:
        if not self.receipt.source_id:
            return NOTHING
        held = world.get(HeldReceipt, self.inbox, self.receipt.source_id)
        state = self.receipt.state if held is None else advance(held.state, self.receipt.state)
        row = HeldReceipt(
            inbox=self.inbox,
            source_id=self.receipt.source_id,
            state=state,
            reason=self.receipt.reason or None,
            hint=self.receipt.hint or None,
            at=world.now,
        )
        return Decision(rows=(row,))
