"""The simulated graph.facebook.com: its state, what it accepts and what it reports."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom

import msgspec
from starlette.applications import Starlette

from sandbox.answers import Marking, Sending
from sandbox.changes import Changes
from sandbox.endpoint import graph_routes
from sandbox.faults import Fault, Faults, digits, failed_status_error
from sandbox.payloads import Json, Number, StatusName, encode_body, new_wamid, status_item
from sandbox.webhooks import RETRY_PAUSES, Webhook, Webhooks


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A number with the token that may send from it and the webhook that hears of it."""

    number: Number
    title: str
    access_token: str
    webhook: Webhook | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A message the Graph API accepted. `ordinal` counts from 1; `tag` is the caller's own mark."""

    ordinal: int
    phone_number_id: str
    to: str
    type: str
    text: str
    tag: str | None
    wamid: str
    body: Json
    at: datetime


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not accepted: `outcome` is a fault's mode or `invalid`."""

    phone_number_id: str
    to: str | None
    outcome: str
    at: datetime


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's message the business marked read; `typing` shows that it is writing."""

    phone_number_id: str
    wamid: str
    typing: bool
    at: datetime


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


class Graph:
    """WhatsApp Cloud API for some numbers, in this process and one event loop.

    `statuses` are reported after every accepted message, `pace` before each of them. `aliases`
    map a dialled number to another wa_id, as Brazil's and Mexico's numbers do.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        statuses: Sequence[StatusName] = ("sent", "delivered"),
        pace: timedelta = timedelta(0),
        pauses: Sequence[timedelta] = RETRY_PAUSES,
        aliases: Mapping[str, str] | None = None,
        rng: Random | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.rng = rng or SystemRandom()
        self.now = now
        self.statuses = tuple(statuses)
        self.pace = pace
        self.lines = {line.number.phone_number_id: line for line in lines}
        self.faults = Faults(self.rng)
        self.webhooks = Webhooks(pauses=pauses)
        self.calls: list[Call] = []
        self.refusals: list[Refusal] = []
        self.marks: list[Mark] = []
        self.open: dict[str, Call] = {}
        self.on_call: list[Callable[[Call], None]] = []
        self.on_mark: list[Callable[[Mark], None]] = []
        self.released = asyncio.Event()
        self._aliases = dict(aliases or {})
        self._changes = Changes()
        self._tasks: set[asyncio.Task[None]] = set()

    def asgi(self) -> Starlette:
        """Make the web application: the Graph API, and its own controls under /_control."""
        return Starlette(routes=graph_routes(self))

    def put_line(self, line: Line) -> None:
        """Add a number, or replace the one with its id."""
        self.lines[line.number.phone_number_id] = line

    def accept(self, line: Line, sending: Sending) -> Call:
        """Take a message for delivery and record it."""
        dialled = sending.to if sending.is_user_id else digits(sending.to)
        to = self._aliases.get(dialled, dialled)
        call = Call(
            ordinal=len(self.calls) + 1,
            phone_number_id=line.number.phone_number_id,
            to=to,
            type=sending.type,
            text=sending.text,
            tag=sending.tag,
            wamid=new_wamid(to, self.rng, inbound=False),
            body=sending.body,
            at=self.now(),
        )
        self.calls.append(call)
        for listener in self.on_call:
            listener(call)
        self._changes.tell()
        return call

    def mark(self, line: Line, marking: Marking) -> None:
        """Record that the business read a message."""
        mark = Mark(
            phone_number_id=line.number.phone_number_id,
            wamid=marking.wamid,
            typing=marking.typing,
            at=self.now(),
        )
        self.marks.append(mark)
        for listener in self.on_mark:
            listener(mark)
        self._changes.tell()

    def refuse(self, phone_number_id: str, to: str | None, outcome: str) -> None:
        """Record a request that was not accepted."""
        self.refusals.append(
            Refusal(phone_number_id=phone_number_id, to=to, outcome=outcome, at=self.now())
        )
        self._changes.tell()

    def report(self, call: Call, statuses: Sequence[StatusName] | None = None) -> None:
        """Send status webhooks for an accepted message in the background."""
        self.start(self.tell_statuses(call, self.statuses if statuses is None else statuses))

    async def tell_statuses(
        self, call: Call, statuses: Sequence[StatusName], fault: Fault | None = None
    ) -> None:
        """Send status webhooks one after the other, each repeated until it gets a 2xx."""
        line = self.lines[call.phone_number_id]
        if line.webhook is None:
            return
        for status in statuses:
            if self.pace:
                await asyncio.sleep(self.pace.total_seconds())
            item = status_item(
                line.number,
                wamid=call.wamid,
                status=status,
                recipient_id=call.to,
                at=self.now(),
                tag=call.tag,
                errors=[failed_status_error(fault)] if fault is not None else (),
            )
            await self.webhooks.deliver(line.webhook, encode_body([item]))

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run work in the background until it ends or the simulator closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def release(self) -> None:
        """Let every call that `slow` holds have its answer."""
        self.released.set()
        self.released = asyncio.Event()

    @contextmanager
    def opened(self, call: Call) -> Iterator[None]:
        """Count an accepted message as open while its caller waits for the answer."""
        self.open[call.wamid] = call
        self._changes.tell()
        try:
            yield
        finally:
            self.open.pop(call.wamid, None)
            self._changes.tell()

    async def until(
        self, happened: Callable[[], bool], *, within: timedelta = timedelta(seconds=10)
    ) -> None:
        """Wait until a condition on this state holds, or raise TimeoutError."""
        await self._changes.until(happened, within)

    async def settled(self) -> None:
        """Wait until every background webhook is delivered or given up."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def reset(self) -> None:
        """Forget calls, marks and faults, and stop the webhooks under way."""
        for task in self._tasks:
            task.cancel()
        for record in (self.calls, self.refusals, self.marks):
            record.clear()
        self.faults.clear()
        self.release()
        self._changes.tell()

    async def close(self) -> None:
        """Stop the webhooks under way and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changes.tell()
