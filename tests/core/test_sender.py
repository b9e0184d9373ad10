"""Sends: in order, one at a time in a lane, never twice by themselves, and what each end means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from core import sender as sender_module
from core.calls import Gate, backoff, judge
from core.clock import SystemClock
from core.errors import (
    Ambiguous,
    AuthDead,
    Conflict,
    Rejected,
    SendError,
    Throttled,
    Unreachable,
    WindowClosed,
)
from core.leases import HoldLeases
from core.models.inbound import Outgoing
from core.models.row import Row
from core.models.rows import Attempt
from core.outbound import MarkCalls, RecordSend, Sent, send_lease
from core.units import NOTHING, Decision
from core.world import World
from tests.core.station import (
    Paper,
    Registered,
    Station,
    Step,
    configure,
    make_process,
    open_station,
    until,
)

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def station(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A running process on SQLite."""
    async with open_station(tmp_path, sqlite_url) as station:
        yield station


@pytest_asyncio.fixture
async def both(database_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A running process, on both stores."""
    async with open_station(tmp_path, database_url) as station:
        yield station


# -- the pure part -------------------------------------------------------------------------------


@pytest.mark.parametrize(("tries", "bound"), [(0, 1), (1, 2), (3, 8), (6, 60), (5_000, 60)])
def test_backoff_is_full_jitter(tries: int, bound: float) -> None:
    rng = Random(1)
    waits = [backoff(tries, rng).total_seconds() for _ in range(2_000)]
    assert min(waits) >= 0
    assert max(waits) <= bound
    for tenth in range(10):  # as likely anywhere below the bound
        share = sum(tenth <= 10 * wait / bound < tenth + 1 for wait in waits) / len(waits)
        assert 0.07 < share < 0.13


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Rejected("no"), "failed"),
        (WindowClosed("late"), "failed"),
        (Ambiguous("perhaps"), "unknown"),
        (SendError("something else"), "unknown"),
        (Unreachable("down"), "again"),
        (Throttled("slow"), "again"),
        (AuthDead("token"), "again"),
    ],
)
def test_only_certain_failures_are_tried_again(error: SendError, state: str) -> None:
    assert judge(error, 0, Random(1)).state == state


def test_the_providers_own_figure_is_obeyed_exactly() -> None:
    for seconds in (0, 1, 7, 60, 3600):
        error = Throttled("slow", after=timedelta(seconds=seconds))
        assert judge(error, 5, Random(1)).again_in == timedelta(seconds=seconds)


def test_a_figure_beyond_reason_is_a_day() -> None:
    """A third-party channel may hand over whatever a header says."""
    error = Throttled("slow", after=timedelta(seconds=10**9))
    assert judge(error, 0, Random(1)).again_in == timedelta(days=1)


# -- lanes -----------------------------------------------------------------------------------------


async def test_one_lane_keeps_its_order_while_another_hangs(both: Station) -> None:
    hang = asyncio.Event()
    both.paper.script["stuck"] = [hang]
    stuck = await both.says("ann", "stuck")
    behind = await both.says("ann", "behind it")
    others = [await both.says("bob", f"b{number}") for number in range(20)]
    for other in others:
        await both.reaches(other, "sent")
    assert [text for text in both.paper.texts if text.startswith("b") and text[1:].isdigit()] == [
        f"b{number}" for number in range(20)
    ]
    assert "behind it" not in both.paper.texts
    assert (await both.delivery(stuck)).state == "pending"
    hang.set()
    await both.reaches(stuck, "sent")
    await both.reaches(behind, "sent")


async def test_a_hanging_provider_costs_other_inboxes_nothing(station: Station) -> None:
    """Five hundred sends of one inbox end while every send of the other hangs."""
    hang = asyncio.Event()
    station.paper.always = lambda outgoing: hang if outgoing.inbox == "two" else None
    for number in range(40):
        await station.says(f"h{number}", f"hangs {number}", inbox="two")
    await until(lambda: len(station.paper.open) == 16)
    sent = [await station.says(f"k{number % 50}", f"goes {number}") for number in range(500)]
    for message in sent:
        await station.reaches(message, "sent")
    assert len(station.paper.open) == 16
    assert sum(text.startswith("goes") for text in station.paper.texts) == 500
    hang.set()


async def test_a_refusal_is_shown_at_once_and_frees_the_lane(station: Station) -> None:
    station.paper.script["bad"] = [Rejected("Not allowed.", hint="Write something else.")]
    bad = await station.says("ann", "bad")
    good = await station.says("ann", "good")
    await station.reaches(good, "sent")
    shown = await station.delivery(bad)
    assert (shown.state, shown.reason, shown.hint) == (
        "failed",
        "Not allowed.",
        "Write something else.",
    )
    await station.passes(timedelta(minutes=5))
    assert station.paper.texts.count("bad") == 1


async def test_an_unknown_fate_blocks_the_lane_for_half_a_minute(both: Station) -> None:
    both.paper.script["who knows"] = [Ambiguous("No answer.")]
    unknown = await both.says("ann", "who knows")
    behind = await both.says("ann", "behind")
    await both.reaches(unknown, "unknown")
    await both.passes(16 * SECOND)
    assert "behind" not in both.paper.texts
    await both.passes(16 * SECOND)
    await both.reaches(behind, "sent")
    assert both.paper.texts == ["who knows", "behind"]
    assert (await both.delivery(unknown)).state == "unknown"


async def test_a_receipt_settles_an_unknown_fate_and_frees_the_lane(both: Station) -> None:
    both.paper.script["who knows"] = [Ambiguous("No answer.")]
    unknown = await both.says("ann", "who knows")
    behind = await both.says("ann", "behind")
    await both.reaches(unknown, "unknown")
    await both.receipt("delivered", "late", tag=both.paper.calls[0].tag)
    await both.passes(4 * SECOND)
    await both.reaches(behind, "sent")
    assert (await both.delivery(unknown)).state == "delivered"


@pytest.mark.parametrize("weird", [KeyError("x"), ValueError("y"), TimeoutError()])
async def test_what_a_channel_never_declared_is_unknown(station: Station, weird: Exception) -> None:
    station.paper.script["weird"] = [weird]
    weird_one = await station.says("ann", "weird")
    other = await station.says("bob", "fine")
    await station.reaches(weird_one, "unknown")
    await station.reaches(other, "sent")


async def test_an_answer_of_the_wrong_type_hurts_its_own_message_only(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = station.paper.send
    hang = asyncio.Event()

    async def send(outgoing: Outgoing) -> object:
        receipt = await right(outgoing)
        return None if outgoing.text == "wrong" else receipt

    monkeypatch.setattr(station.paper, "send", send)
    station.paper.script["under way"] = [hang]
    under_way = await station.says("bob", "under way")
    await station.called("under way")
    wrong = await station.says("ann", "wrong")
    await station.reaches(wrong, "unknown")
    hang.set()
    await station.reaches(under_way, "sent")


async def test_no_answer_in_time_is_unknown(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "CALL_SECONDS", 0.05)
    station.paper.script["slow"] = [asyncio.Event()]
    slow = await station.says("ann", "slow")
    await station.reaches(slow, "unknown")
    assert station.paper.open == []


# -- waiting for the provider --------------------------------------------------------------------


async def test_retry_after_is_obeyed_to_the_second(both: Station) -> None:
    both.paper.script["slow down"] = [Throttled("Slow down.", after=40 * SECOND)]
    message = await both.says("ann", "slow down")
    await both.called("slow down")
    await both.quiet()
    await both.passes(20 * SECOND)
    assert both.paper.texts == ["slow down"]
    assert (await both.delivery(message)).state == "pending"
    await both.passes(20 * SECOND)
    await both.reaches(message, "sent")
    first, second = both.paper.times
    assert second - first >= 40 * SECOND


async def test_a_throttled_inbox_waits_as_a_whole_and_others_do_not(station: Station) -> None:
    slow = Throttled("Slow down.", after=40 * SECOND, whole_inbox=True)
    station.paper.script["slow down"] = [slow]
    message = await station.says("ann", "slow down")
    await station.called("slow down")
    await station.quiet()
    waits = await station.says("bob", "waits too")
    free = await station.says("cid", "goes", inbox="two")
    await station.reaches(free, "sent")
    await station.passes(20 * SECOND)
    assert "waits too" not in station.paper.texts
    await station.passes(20 * SECOND)
    await station.reaches(waits, "sent")
    await station.reaches(message, "sent")
    called = dict(zip(station.paper.texts, station.paper.times, strict=True))
    assert called["waits too"] - station.paper.times[0] >= 40 * SECOND


async def test_a_short_pause_never_ends_a_long_one(station: Station) -> None:
    """Two calls were under way; the provider gave the first an hour and the second a second."""
    gates = {text: asyncio.Event() for text in ("long", "short")}
    waits = {"long": 60 * SECOND, "short": SECOND}
    answered: set[str] = set()

    def answer(outgoing: Outgoing) -> Step | None:
        if outgoing.text in gates and outgoing.text not in answered:
            return gates[outgoing.text]
        return None

    right = station.paper.send

    async def send(outgoing: Outgoing) -> object:
        first = outgoing.text in gates and outgoing.text not in answered
        receipt = await right(outgoing)
        if first:
            answered.add(outgoing.text)
            raise Throttled("Slow down.", after=waits[outgoing.text], whole_inbox=True)
        return receipt

    station.paper.always = answer
    station.paper.send = send  # type: ignore[method-assign,assignment]
    for key, text in (("ann", "long"), ("bob", "short")):
        await station.says(key, text)
        await station.called(text)
    gates["long"].set()
    await until(lambda: "long" in answered)
    await station.quiet()
    gates["short"].set()
    await until(lambda: "short" in answered)
    await station.quiet()
    third = await station.says("cid", "third")
    await station.passes(30 * SECOND)
    assert "third" not in station.paper.texts
    await station.passes(31 * SECOND)
    await station.reaches(third, "sent")


async def test_dead_credentials_pause_the_inbox_and_one_send_finds_out(station: Station) -> None:
    dead = True
    station.paper.always = lambda _: AuthDead("Token expired.") if dead else None
    messages = [await station.says(f"k{number}", f"t{number}") for number in range(6)]
    await until(lambda: _health(station, "auth_dead"))
    await station.quiet()
    first = len(station.paper.texts)
    assert first <= 6
    await station.passes(61 * SECOND)
    assert len(station.paper.texts) == first + 1
    await station.passes(30 * SECOND)
    assert len(station.paper.texts) == first + 1
    dead = False
    await station.passes(31 * SECOND)
    for message in messages:
        await station.reaches(message, "sent")
    await until(lambda: _health(station, "ok"))


async def _health(station: Station, health: str) -> bool:
    inboxes = await station.rooms.people.inboxes()
    return next(row for row in inboxes if row.name == "one").health == health


async def test_after_a_restart_with_a_new_token_the_inbox_is_well_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The sender that saw the credentials die is not the one that sees them work."""
    async with open_station(tmp_path, sqlite_url) as station:
        station.paper.always = lambda _: AuthDead("Token expired.")
        message = await station.says("ann", "hi")
        await until(lambda: _health(station, "auth_dead"))
    clock = SystemClock()
    process = make_process(configure(tmp_path, sqlite_url), Paper(), clock)
    await process.start()
    try:
        again = Station(process, Paper(), clock)
        await again.passes(61 * SECOND)
        await again.reaches(message, "sent")
        await until(lambda: _health(again, "ok"))
    finally:
        await process.stop()


async def test_no_time_left_is_a_failure_the_agent_sees(station: Station) -> None:
    station.paper.always = lambda _: Throttled("Slow down.", after=timedelta(hours=25))
    message = await station.says("ann", "too late")
    behind = await station.says("ann", "behind")
    shown = await station.reaches(message, "failed")
    assert shown.reason == "Slow down."
    await station.reaches(behind, "failed")


# -- retry, and receipts that come early -----------------------------------------------------------


async def test_retry_is_a_new_attempt(both: Station) -> None:
    both.paper.script["again"] = [Rejected("No."), Rejected("Still no.")]
    message = await both.says("ann", "again")
    await both.reaches(message, "failed")
    await both.retry(message)
    await until(lambda: len(both.paper.calls) == 2)
    shown = await both.reaches(message, "failed")
    assert (shown.attempt, shown.reason) == (2, "Still no.")
    await both.retry(message)
    shown = await both.reaches(message, "sent")
    assert (shown.attempt, shown.reason) == (3, None)
    tags = [call.tag for call in both.paper.calls]
    assert tags == [f"{message}.1", f"{message}.2", f"{message}.3"]
    with pytest.raises(Conflict):
        await both.retry(message)


@pytest.mark.parametrize("tagged", [True, False])
async def test_a_receipt_before_the_answer_counts(
    sqlite_url: str, tmp_path: Path, *, tagged: bool
) -> None:
    async with open_station(tmp_path, sqlite_url, paper=Registered()) as station:
        right = station.paper.send
        hang = asyncio.Event()

        async def send(outgoing: Outgoing) -> object:
            receipt = await right(outgoing)
            await hang.wait()
            return receipt

        station.paper.send = send  # type: ignore[method-assign,assignment]
        station.paper.always = lambda _: "the-id"
        message = await station.says("ann", "fast")
        await station.called("fast")
        tag = station.paper.calls[0].tag if tagged else ""
        await station.receipt("read", "the-id", tag=tag)
        assert (await station.delivery(message)).state == ("read" if tagged else "pending")
        hang.set()
        await station.reaches(message, "read")
        await station.receipt("delivered", "the-id")
        await station.receipt("sent", "the-id", tag=tag)
        assert (await station.delivery(message)).state == "read"


# -- leases and ends of processes ------------------------------------------------------------------


async def test_what_was_called_and_never_answered_is_unknown_and_not_sent_again(
    both: Station,
) -> None:
    """The process dies in the middle of a call: nobody else may make the call once more."""
    hang = asyncio.Event()
    both.paper.script["cut off"] = [hang]
    cut_off = await both.says("ann", "cut off")
    behind = await both.says("ann", "behind")
    await both.called("cut off")
    await both.quiet()
    # What a kill leaves is what the tables hold now; another holder takes the lease over.
    both.clock.advance(11 * SECOND)
    taken = await both.lane2.ask(HoldLeases(names=(send_lease("one"),), holder="another"))
    assert taken == {send_lease("one"): 2}
    jobs = await both.rooms.jobs.open(send_lease("one"))
    assert [(one.called, one.job.tries) for one in jobs] == [(1, 0), (0, 0)]
    other = sender_module.Sender(
        inbox="one",
        channel=both.paper,
        jobs=both.rooms.jobs,
        writer=both.writer,
        lane2=both.lane2,
        clock=both.clock,
        holder="another",
        epoch=2,
        wake=asyncio.Event(),
        gate=Gate(),
    )
    running = asyncio.create_task(other.run())
    try:
        shown = await both.reaches(cut_off, "unknown")
        assert shown.hint
        assert both.paper.texts == ["cut off"]
        for _ in range(8):
            await both.lane2.ask(HoldLeases(names=(send_lease("one"),), holder="another"))
            both.clock.advance(4 * SECOND)
            await both.quiet()
        await both.lane2.ask(HoldLeases(names=(send_lease("one"),), holder="another"))
        await both.reaches(behind, "sent")
        assert both.paper.texts == ["cut off", "behind"]
    finally:
        hang.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_result_under_an_old_epoch_is_refused(both: Station) -> None:
    hang = asyncio.Event()
    both.paper.script["hangs"] = [hang]
    message = await both.says("ann", "hangs")
    await both.called("hangs")
    both.clock.advance(11 * SECOND)
    await both.lane2.ask(HoldLeases(names=(send_lease("one"),), holder="another"))
    (job,) = (one.job for one in await both.rooms.jobs.open(send_lease("one")))
    stale = RecordSend(
        job=job.id,
        lease=send_lease("one"),
        epoch=1,
        number=1,
        result=Sent(state="sent", source_ids=("stale",)),
        inbox="one",
        message=message,
        attempt=1,
    )
    with pytest.raises(Conflict):
        await both.writer.ask(stale)
    assert (await both.delivery(message)).state == "pending"
    hang.set()
    # The answer that does come is the same stale one, and refused as well.
    await both.quiet()
    assert (await both.delivery(message)).state == "pending"


@pytest.mark.parametrize(("holder", "epoch"), [("another", 1), ("me", 2), ("me", 0)])
async def test_without_the_lease_no_call_is_written_down(
    both: Station, holder: str, epoch: int
) -> None:
    await both.lane2.ask(HoldLeases(names=("send:test",), holder="me"))
    mark = MarkCalls(lease="send:test", holder=holder, epoch=epoch, numbers={"job": 1})
    with pytest.raises(Conflict):
        await both.lane2.ask(mark)
    both.clock.advance(11 * SECOND)
    mine = MarkCalls(lease="send:test", holder="me", epoch=1, numbers={"job": 1})
    with pytest.raises(Conflict):
        await both.lane2.ask(mine)


async def test_stopping_lets_calls_end_and_starts_no_new_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    clock, paper = SystemClock(), Paper()
    process = make_process(configure(tmp_path, sqlite_url), paper, clock)
    await process.start()
    station = Station(process, paper, clock)
    await station.furnish()
    hang = asyncio.Event()
    paper.script["under way"] = [hang]
    under_way = await station.says("ann", "under way")
    behind = await station.says("ann", "behind")
    await station.called("under way")
    await station.quiet()
    stopping = asyncio.create_task(process.stop())
    gate = process._gate  # noqa: SLF001 - to see that it has closed
    await until(lambda: gate.closed)
    hang.set()
    await stopping
    assert paper.texts == ["under way"]
    after = make_process(configure(tmp_path, sqlite_url), paper, clock)
    await after.start()
    try:
        station = Station(after, paper, clock)
        assert (await station.delivery(under_way)).state == "sent"
        await station.reaches(behind, "sent")
        assert paper.texts == ["under way", "behind"]
    finally:
        await after.stop()


async def test_a_gate_drains_to_the_last_call() -> None:
    gate = Gate()
    for _ in range(3):
        await gate.enter()
    numbers = count(1)
    draining = asyncio.create_task(gate.drain(10))
    await until(lambda: gate.closed)
    late = asyncio.create_task(gate.enter())
    for _ in range(3):
        assert not draining.done(), next(numbers)
        gate.leave()
    await draining
    assert not late.done()
    late.cancel()


class Poison:
    """A policy of somebody else's that fails at whatever ends the sends of one message."""

    watches: frozenset[type[Row]] = frozenset({Attempt})

    def __init__(self) -> None:
        """Fail at nothing yet."""
        self.message = ""

    def react(self, world: World, decision: Decision) -> Decision:  # noqa: ARG002
        """Fail when an attempt at that message moves."""
        rows: tuple[Row, ...] = decision.rows
        if any(isinstance(row, Attempt) and self._is_it(row) for row in rows):
            raise ValueError(self.message)
        return NOTHING

    def _is_it(self, row: Attempt) -> bool:
        return row.message == self.message and row.state != "pending"


async def test_a_result_that_cannot_be_written_hurts_no_other_lane_and_sends_nothing_twice(
    sqlite_url: str, tmp_path: Path
) -> None:
    policy, paper, hang = Poison(), Paper(), asyncio.Event()
    paper.script = {"under way": [hang], "poison": [second := asyncio.Event()]}
    async with open_station(tmp_path, sqlite_url, paper=paper, policies=[policy]) as station:
        under_way = await station.says("bob", "under way")
        policy.message = await station.says("ann", "poison")
        await station.called("under way", "poison")
        second.set()
        behind = await station.says("ann", "behind")
        await station.reaches(behind, "sent")
        hang.set()
        await station.reaches(under_way, "sent")
    clock = SystemClock()
    again = make_process(configure(tmp_path, sqlite_url), paper, clock, [policy])
    await again.start()
    try:
        station = Station(again, paper, clock)
        await station.passes(60 * SECOND)
        assert paper.texts.count("poison") == 1
    finally:
        await again.stop()
