"""Messages of ours: the rows of a new one, and the units around one provider call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from typing_extensions import override

from core.delivery import change
from core.errors import Conflict
from core.models.parts import Part
from core.models.people import Call, Job, Lease
from core.models.row import Key, Row
from core.models.rows import Address, Attempt, Conversation, Delivery, HeldReceipt, Message
from core.units import NOTHING, Ask, Decision
from core.views import View
from core.world import World

replace = msgspec.structs.replace
UNKNOWN_BLOCKS = timedelta(seconds=30)
SEND_FOR = timedelta(hours=24)
_UNSETTLED = frozenset({"pending", "unknown"})


def send_lease(inbox: str) -> str:
    """Name the lease whose holder sends for an inbox."""
    return f"send:{inbox}"


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks for us."""

    kind: Literal["agent", "bot", "system"]
    id: str | None = None
    name: str = ""


def say(
    world: World,
    conversation: Conversation,
    address: Address,
    author: Author,
    *,
    text: str,
    parts: tuple[Part, ...] = (),
    quote: str | None = None,
    pulls: bool = False,
) -> tuple[Message, list[Row]]:
    """Return a message to the contact and the rows that send it.

    `pulls`: the contact's client fetches it, so it is sent when it is committed, without a job.
    """
    message = Message(
        id=world.new_id(),
        conversation=conversation.id,
        address=address.id,
        inbox=conversation.inbox,
        position=address.position + 1,
        kind="outgoing",
        author_kind=author.kind,
        author=author.id,
        author_name=author.name,
        text=text,
        parts=parts,
        quote=quote,
        created_at=world.now,
        attempt=1,
        delivery_state="sent" if pulls else "pending",
    )
    rows: list[Row] = [message, replace(address, position=message.position)]
    rows += [] if pulls else attempt_rows(world, message, conversation, 1)
    return message, rows


def attempt_rows(
    world: World, message: Message, conversation: Conversation, number: int
) -> list[Row]:
    """Return one more attempt at a message and the job that makes it."""
    job = Job(
        id=world.new_id(),
        kind="send",
        lane=message.address,
        lease=send_lease(message.inbox),
        subject=message.id,
        due_at=world.now,
        until=conversation.window_expires_at or world.now + SEND_FOR,
        data={"attempt": number},
        created_at=world.now,
    )
    attempt = Attempt(
        message=message.id, number=number, state="pending", job=job.id, changed_at=world.now
    )
    return [job, attempt]


def note(
    world: World, conversation: Conversation, address: Address, author: Author, text: str
) -> Message:
    """Return a private message: it has no delivery and never leaves the desk."""
    return Message(
        id=world.new_id(),
        conversation=conversation.id,
        address=address.id,
        inbox=conversation.inbox,
        position=address.position,
        kind="activity" if author.kind == "system" else "outgoing",
        note=True,
        author_kind=author.kind,
        author=author.id,
        author_name=author.name,
        text=text,
        created_at=world.now,
    )


class MarkCalls(Ask, frozen=True, kw_only=True):
    """Write down the calls about to be made, if the lease is still ours. Lane 2.

    `numbers` maps a job to the number of the call. Conflict means: do not call.
    """

    lease: str
    holder: str
    epoch: int
    numbers: dict[str, int]

    @override
    def needs(self) -> Iterable[Key | View]:
        """The lease, locked, and earlier calls of the same jobs."""
        return ((Lease, self.lease), *((Call, job) for job in self.numbers))

    def decide(self, world: World) -> Decision:
        """Guard by holder, epoch and time."""
        lease = world.get(Lease, self.lease)
        if (
            lease is None
            or (lease.holder, lease.epoch) != (self.holder, self.epoch)
            or lease.until <= world.now
        ):
            raise Conflict("The lease has passed to another process.")
        calls = []
        for job, number in self.numbers.items():
            world.get(Call, job)
            calls.append(Call(job=job, number=number, epoch=self.epoch, called_at=world.now))
        return Decision(rows=tuple(calls))


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What one call came to. `again_in` = try again after that; None = it is over."""

    state: Literal["accepted", "sent", "unknown", "failed", "again"]
    source_ids: tuple[str, ...] = ()
    reason: str = ""
    hint: str = ""
    again_in: timedelta | None = None


class RecordSend(Ask, frozen=True, kw_only=True):
    """Write down what a call came to, unless the lease has passed on meanwhile."""

    job: str
    lease: str
    epoch: int
    number: int
    result: Sent
    inbox: str
    message: str
    attempt: int

    @override
    def needs(self) -> Iterable[Key | View]:
        """The lease, the job, the attempt, and what came in for the ids meanwhile."""
        keys: list[Key | View] = [
            (Lease, self.lease),
            (Job, self.job),
            (Attempt, self.message, self.attempt),
        ]
        for source_id in self.result.source_ids:
            keys += [(Delivery, self.inbox, source_id), (HeldReceipt, self.inbox, source_id)]
        return keys

    def decide(self, world: World) -> Decision:
        """Move job and attempt; take up receipts that came before this answer."""
        lease = world.get(Lease, self.lease)
        if lease is None or lease.epoch != self.epoch:
            raise Conflict("The lease has passed to another process.")
        job = world.need(Job, self.job)
        if job.state != "open":
            return NOTHING
        attempt = world.need(Attempt, self.message, self.attempt)
        message = world.need(Message, self.message)
        if self.result.state in {"unknown", "again"} and attempt.state not in _UNSETTLED:
            # A receipt was faster: the lane need not wait, and nothing may be sent again.
            return Decision(rows=(replace(job, tries=self.number, state="done"),))
        after = _job_after(job, self.result, self.number, world.now)
        rows: list[Row] = [after]
        if after.state == "open":
            return Decision(rows=tuple(rows))
        rows += _deliveries(world, self.inbox, attempt, self.result.source_ids)
        # "Again" with no time left in which to try is a failure the agent must see.
        state = "failed" if self.result.state == "again" else self.result.state
        rows += self._delivery_change(world, attempt, message, state)
        return Decision(rows=tuple(rows))

    def _delivery_change(
        self, world: World, attempt: Attempt, message: Message, state: str
    ) -> list[Row]:
        rows: list[Row] = []
        if state in {"sent", "unknown", "failed"}:
            rows += change(
                attempt,
                message,
                state,  # type: ignore[arg-type]
                world.now,
                reason=self.result.reason,
                hint=self.result.hint,
            )
        for source_id in self.result.source_ids:
            held = world.get(HeldReceipt, self.inbox, source_id)
            if held is None:
                continue
            for row in rows:
                attempt = row if isinstance(row, Attempt) else attempt
                message = row if isinstance(row, Message) else message
            rows += change(
                attempt, message, held.state, world.now, reason=held.reason, hint=held.hint
            )
        return rows


def _job_after(job: Job, result: Sent, number: int, now: datetime) -> Job:
    if result.state == "again" and result.again_in is not None:
        due = now + result.again_in
        if job.until is None or due < job.until:
            return replace(job, tries=number, due_at=due, note=result.reason or None)
    if result.state == "unknown":
        return replace(job, tries=number, state="unknown", due_at=now + UNKNOWN_BLOCKS)
    state: Literal["done", "dead"] = "done" if result.state in {"accepted", "sent"} else "dead"
    return replace(job, tries=number, state=state, note=result.reason or None)


def _deliveries(
    world: World, inbox: str, attempt: Attempt, source_ids: tuple[str, ...]
) -> list[Row]:
    return [
        Delivery(inbox=inbox, source_id=source_id, message=attempt.message, attempt=attempt.number)
        for source_id in source_ids
        if world.get(Delivery, inbox, source_id) is None
    ]
