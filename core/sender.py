"""The sender of one inbox: makes the calls that jobs ask for, lane by lane, while its lease holds.

Before a call a `call` row is committed under the lease's epoch; after it the result. So after a
crash the next holder knows exactly which sends were called and never answered, and makes those
`unknown` instead of sending them again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from core.boot import SetHealth
from core.calls import AUTH_PAUSE, FIRST_WAIT, Gate, asked_wait, judge
from core.clock import SystemClock
from core.delivery import tag_of
from core.errors import AuthDead, Conflict, Faulty, Refused, SendError, Throttled, Unavailable
from core.failpoints import hit
from core.models.inbound import Outgoing, SendReceipt
from core.models.people import Job
from core.outbound import MarkCalls, RecordSend, Sent, send_lease
from core.ports.channel import Channel
from core.ports.reading import CalledJob, Jobs
from core.writer import Writer

T = TypeVar("T")
log = logging.getLogger("frontdesk.sender")
AT_ONCE = 16
CALL_SECONDS = 20.0
POLL = timedelta(seconds=2)


class Sender:
    """Sends for one inbox under one epoch. Made anew whenever the lease is taken."""

    def __init__(
        self,
        *,
        inbox: str,
        channel: Channel,
        jobs: Jobs,
        writer: Writer,
        lane2: Writer,
        clock: SystemClock,
        holder: str,
        epoch: int,
        wake: asyncio.Event,
        gate: Gate,
    ) -> None:
        """`wake` is set when this inbox may have new jobs."""
        self._gate = gate
        self._probe = asyncio.Lock()
        self._inbox = inbox
        self._lease = send_lease(inbox)
        self._channel = channel
        self._jobs = jobs
        self._writer = writer
        self._lane2 = lane2
        self._clock = clock
        self._holder = holder
        self._epoch = epoch
        self._wake = wake
        self._rng = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._lanes: dict[str, deque[Job]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._paused_until: datetime | None = None
        self._auth_dead = False
        self._told_well = False
        self._last = ""

    async def run(self) -> None:
        """Take over what the last holder left, then follow the table until cancelled."""
        async with asyncio.TaskGroup() as group:
            await self._take_over()
            while True:
                self._wake.clear()
                while found := await self._open(self._last):
                    for called in found:
                        # Still open, it could not be marked: sent again, it might be twice.
                        if not _was_left_open(called):
                            self._queue(called.job, group)
                        self._last = max(self._last, called.job.id)
                await self._clock.wait_until(self._clock.now() + POLL, self._wake)

    async def _open(self, after: str) -> Sequence[CalledJob]:
        return await self._read(lambda: self._jobs.open(self._lease, after=after))

    def _queue(self, job: Job, group: asyncio.TaskGroup) -> None:
        line = self._lanes.get(job.lane)
        if line is None:
            line = self._lanes[job.lane] = deque()
            line.append(job)
            group.create_task(self._walk(job.lane, line))
        else:
            line.append(job)

    async def _take_over(self) -> None:
        """Mark as unknown what the last holder called and never recorded."""
        after = ""
        while found := await self._open(after):
            for called in found:
                after = called.job.id
                if _was_left_open(called):
                    result = Sent(
                        state="unknown",
                        reason="The process stopped while the provider was being called.",
                        hint="It may have arrived. Retry sends it again.",
                    )
                    await self._record(called.job, called.called, result)

    async def _walk(self, lane: str, line: deque[Job]) -> None:
        """Send one lane in order; only its head is ever under way."""
        while line:
            job = line[0]
            if job.state == "open":
                if job.due_at > self._clock.now():
                    await self._clock.wait_until(job.due_at)
                after = await self._attempt(job)
                if after is not None:
                    line[0] = after
                    continue
            else:
                await self._wait_for_fate(job)
            line.popleft()
        if self._lanes.get(lane) is line:
            del self._lanes[lane]

    async def _wait_for_fate(self, job: Job) -> None:
        """Hold the lane for an unknown send until a receipt settles it or 30 s have passed."""
        while job.due_at > self._clock.now():
            await self._clock.wait_until(min(job.due_at, self._clock.now() + POLL))
            now = await self._read(lambda: self._jobs.get(job.id))
            if now is None or now.state != "unknown":
                return

    async def _attempt(self, job: Job) -> Job | None:
        """Make one call; return the job as it stands when it must be looked at again."""
        async with self._slots:
            await self._wait_out_pause()
            if not self._auth_dead:
                return await self._try(job)
            # Until the credentials work again one send at a time finds out.
            async with self._probe:
                await self._wait_out_pause()
                return await self._try(job)

    async def _try(self, job: Job) -> Job | None:
        current = await self._read(lambda: self._jobs.get(job.id)) if job.tries else job
        if current is None or current.state != "open":
            return current if current is not None and current.state == "unknown" else None
        number = current.tries + 1
        await self._gate.enter()
        result = None
        try:
            mark = MarkCalls(
                lease=self._lease,
                holder=self._holder,
                epoch=self._epoch,
                numbers={job.id: number},
            )
            if await self._insist(lambda: self._lane2.ask(mark, urgent=True)):
                result = await self._call(current)
                await self._record(current, number, result)
        finally:
            self._gate.leave()
        if result is None:
            await asyncio.Event().wait()  # the lease has passed on; the holder cancels us
        elif result.state in {"again", "unknown"}:
            after = await self._read(lambda: self._jobs.get(job.id))
            return after if after is not None and after.state in {"open", "unknown"} else None
        return None

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read until the store answers: a reader's trouble must not cancel calls under way."""
        while True:
            try:
                return await read()
            except Exception:
                log.exception("jobs cannot be read")
                await asyncio.sleep(0.5)

    async def _call(self, job: Job) -> Sent:
        found = await self._read(lambda: self._jobs.to_send(job.subject))
        if found is None:
            return Sent(state="failed", reason="The message is gone.")
        message, address, quote = found
        outgoing = Outgoing(
            inbox=self._inbox,
            to=address.keys,
            tag=tag_of(message.id, int(job.data["attempt"])),
            text=message.text,
            parts=message.parts,
            quote=quote or "",
        )
        hit("sender.before_call")
        try:
            receipt = await self._send(outgoing)
        except SendError as error:
            await self._note_trouble(error)
            return judge(error, job.tries, self._rng)
        except TimeoutError:
            return Sent(state="unknown", reason="The provider did not answer in time.")
        except Exception:
            # A channel that raises what it never declared: the call may have gone out.
            log.exception("a send failed unexpectedly")
            return Sent(state="unknown", reason="Sending failed unexpectedly.")
        hit("sender.after_call")
        await self._note_health()
        state = "accepted" if self._channel.can.receipts else "sent"
        return Sent(state=state, source_ids=receipt.source_ids)  # type: ignore[arg-type]

    async def _send(self, outgoing: Outgoing) -> SendReceipt:
        async with asyncio.timeout(CALL_SECONDS):
            receipt: object = await self._channel.send(outgoing)
        if not isinstance(receipt, SendReceipt):
            raise TypeError(f"{self._channel.name} answered a {type(receipt).__name__}")
        return receipt

    async def _record(self, job: Job, number: int, result: Sent) -> None:
        attempt = int(job.data["attempt"])
        unit = RecordSend(
            job=job.id,
            lease=self._lease,
            epoch=self._epoch,
            number=number,
            result=result,
            inbox=self._inbox,
            message=job.subject,
            attempt=attempt,
        )
        await self._insist(lambda: self._writer.ask(unit, urgent=True))
        hit("sender.after_record")

    async def _insist(self, ask: Callable[[], Awaitable[object]]) -> bool:
        """Write until the store takes it; False when the lease has passed to another process."""
        while True:
            try:
                await ask()
            except Unavailable:
                await asyncio.sleep(0.2)
            except Conflict:
                return False
            except Faulty:
                # A policy or a row that fails must not end the calls of the other lanes.
                log.exception("a result cannot be written")
                return False
            except Refused:
                log.exception("a result was refused")
                return True
            else:
                return True

    async def _wait_out_pause(self) -> None:
        while self._paused_until is not None and self._paused_until > self._clock.now():
            await self._clock.wait_until(self._paused_until)

    async def _note_trouble(self, error: SendError) -> None:
        if isinstance(error, AuthDead):
            self._auth_dead = True
            self._pause(AUTH_PAUSE)
            await self._insist(
                lambda: self._writer.ask(
                    SetHealth(inbox=self._inbox, health="auth_dead", problem=error.reason),
                    urgent=True,
                )
            )
        elif isinstance(error, Throttled) and error.whole_inbox:
            self._pause(asked_wait(error) or timedelta(seconds=FIRST_WAIT))

    def _pause(self, wait: timedelta) -> None:
        """Let the inbox wait; the answer to a call made before never ends a longer pause."""
        until = self._clock.now() + wait
        self._paused_until = max(until, self._paused_until or until)

    async def _note_health(self) -> None:
        """Say once that the credentials work: who saw them die may have been another process."""
        if self._auth_dead or not self._told_well:
            self._auth_dead = False
            self._told_well = True
            await self._insist(
                lambda: self._writer.ask(SetHealth(inbox=self._inbox, health="ok"), urgent=True)
            )


def _was_left_open(called: CalledJob) -> bool:
    return called.job.state == "open" and called.called > called.job.tries
