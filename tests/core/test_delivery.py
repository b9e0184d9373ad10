"""What becomes of a message of ours, in whatever order it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import permutations, product
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from core.delivery import RANK, advance, change, read_tag, tag_of
from core.models.inbound import ReceiptState
from core.models.rows import Attempt, DeliveryState, Message
from tests.core.station import Registered, Station, open_station

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STATES: tuple[DeliveryState, ...] = ("pending", "unknown", "sent", "delivered", "read", "failed")


def message_of(attempt: int, state: DeliveryState = "pending") -> Message:
    """A message whose newest attempt has this number."""
    return Message(
        id="m",
        conversation="c",
        address="a",
        inbox="one",
        position=1,
        kind="outgoing",
        author_kind="agent",
        created_at=NOW,
        attempt=attempt,
        delivery_state=state,
    )


class Told:
    """A message and its attempts, and whatever is told of them."""

    def __init__(self, attempts: int = 1) -> None:
        """All attempts begin as pending."""
        self.message = message_of(attempts)
        self.attempts = {
            n: Attempt(message="m", number=n, state="pending", changed_at=NOW)
            for n in range(1, attempts + 1)
        }

    def tell(self, number: int, state: DeliveryState) -> None:
        """Apply one piece of news."""
        for row in change(self.attempts[number], self.message, state, NOW, reason="r"):
            if isinstance(row, Attempt):
                self.attempts[row.number] = row
            else:
                self.message = row


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "read", "unknown"))))
def test_receipts_in_any_order_end_at_the_highest(order: tuple[DeliveryState, ...]) -> None:
    told = Told()
    highest = 0
    for state in order:
        told.tell(1, state)
        highest = max(highest, RANK[state])
        assert told.attempts[1].state == told.message.delivery_state
        assert RANK[told.attempts[1].state] == highest
    for state in order:  # and again, the other way round
        told.tell(1, state)
    assert told.message.delivery_state == "read"


@pytest.mark.parametrize("later", STATES)
def test_a_failed_attempt_stays_failed(later: DeliveryState) -> None:
    assert advance("failed", later) == "failed"


@pytest.mark.parametrize(("old", "may"), list(zip(STATES, (1, 1, 1, 0, 0, 1), strict=True)))
def test_what_was_delivered_cannot_fail_any_more(old: DeliveryState, may: int) -> None:
    assert (advance(old, "failed") == "failed") == bool(may)


@given(st.lists(st.sampled_from(STATES), max_size=12))
def test_an_attempt_only_moves_up(news: list[DeliveryState]) -> None:
    state: DeliveryState = "pending"
    for one in news:
        moved = advance(state, one)
        assert moved in {state, one}
        assert moved == "failed" or state == "failed" or RANK[moved] >= RANK[state]
        state = moved


@pytest.mark.parametrize("newest", ["pending", "unknown", "sent", "failed"])
@pytest.mark.parametrize("arrived", ["delivered", "read"])
def test_an_older_attempt_that_arrived_wins(newest: DeliveryState, arrived: DeliveryState) -> None:
    told = Told(2)
    told.tell(2, newest)
    told.tell(1, "unknown")
    told.tell(1, "sent")
    shown: DeliveryState | None = told.message.delivery_state
    assert shown == newest
    told.tell(1, arrived)
    assert told.message.delivery_state == arrived
    assert told.message.delivery_reason is None
    told.tell(2, "failed")
    assert told.message.delivery_state == arrived
    told.tell(2, "read")
    assert told.message.delivery_state in {arrived, "read"}


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATES)), max_size=20),
)
def test_the_message_shows_what_arrived_else_its_newest_attempt(
    news: list[tuple[int, DeliveryState]],
) -> None:
    told = Told(3)
    for number, state in news:
        told.tell(number, state)
    arrived = [
        a.state for a in told.attempts.values() if RANK.get(a.state, -1) >= RANK["delivered"]
    ]
    shown = max(arrived, key=lambda state: RANK[state]) if arrived else told.attempts[3].state
    assert told.message.delivery_state == shown


@given(st.text(), st.integers(1, 99_999))
def test_our_own_tag_is_read_back(message: str, number: int) -> None:
    wanted = None if not message else (message, number)
    assert read_tag(tag_of(message, number)) == wanted


@pytest.mark.parametrize(
    "tag", ["", "x", ".1", "m.", "m.x", "m.-1", "m.123456", "m.\u0661", "m.1 "]
)
def test_a_tag_of_somebody_else_is_nobodys(tag: str) -> None:
    assert read_tag(tag) is None


# -- through the writer, with the answer of the call among the news --------------------------------


@pytest_asyncio.fixture
async def station(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A channel whose messages count as sent at their first receipt."""
    async with open_station(tmp_path, sqlite_url, paper=Registered()) as station:
        yield station


async def test_receipts_and_the_answer_in_any_order_end_alike(station: Station) -> None:
    """Every order of the answer and three receipts, told by our tag or by the provider's id."""
    news = ("answer", "sent", "delivered", "read")
    orders = list(product(permutations(news), (True, False)))
    for number, (order, tagged) in enumerate(orders):
        text, source = f"t{number}", f"id{number}"
        gate = station.paper.hold(text, source)
        message = await station.says(f"k{number}", text)
        await station.called(text)
        tag = station.paper.calls[-1].tag
        assert tag == tag_of(message, 1)
        for one in order:
            if one == "answer":
                gate.set()
                await station.settles(message)
            else:
                state: ReceiptState = one  # type: ignore[assignment]
                await station.receipt(state, source, tag=tag if tagged else "")
        assert (await station.delivery(message)).state == "read", (order, tagged)
    assert len(station.paper.calls) == len(orders)
    assert await station.rooms.jobs.open("send:one") == []


async def test_a_failure_told_before_the_answer_counts(station: Station) -> None:
    for tagged in (True, False):
        text = f"fails {tagged}"
        gate = station.paper.hold(text, text)
        message = await station.says("ann", text)
        await station.called(text)
        await station.receipt("failed", text, tag=tag_of(message, 1) if tagged else "")
        gate.set()
        await station.settles(message)
        await station.reaches(message, "failed")
        await station.receipt("sent", text)
        assert (await station.delivery(message)).state == "failed"


async def test_a_receipt_of_another_inbox_changes_nothing(station: Station) -> None:
    message = await station.says("ann", "hello there")
    await station.called("hello there")
    await station.settles(message)
    await station.receipt("read", "p1", tag=tag_of(message, 1), inbox="two")
    await station.receipt("read", "p1", inbox="two")
    assert (await station.delivery(message)).state == "pending"
    await station.receipt("read", "p1")
    assert (await station.delivery(message)).state == "read"
