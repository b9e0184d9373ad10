"""What one provider call came to, when the provider's receipts were faster than its answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.models.people import Job, Lease
from core.models.rows import Attempt, DeliveryState, Message
from core.outbound import RecordSend, Sent
from core.world import World

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def world_with(state: DeliveryState) -> World:
    """A message whose only attempt is in a state, and its job, open."""
    world = World()
    world.begin(NOW, 0, fresh=True)
    rows = (
        Lease(name="send:wa", holder="me", until=NOW, epoch=3),
        Job(
            id="j",
            kind="send",
            lane="a",
            lease="send:wa",
            subject="m",
            due_at=NOW,
            data={"attempt": 1},
            created_at=NOW,
        ),
        Attempt(message="m", number=1, state=state, job="j", changed_at=NOW),
        Message(
            id="m",
            conversation="c",
            address="a",
            inbox="wa",
            position=1,
            kind="outgoing",
            author_kind="agent",
            created_at=NOW,
            attempt=1,
            delivery_state=state,
        ),
    )
    world.take((), rows, {})
    return world


def job_after(state: DeliveryState, result: Sent) -> str:
    """Return the job's state once the result is recorded."""
    unit = RecordSend(
        job="j",
        lease="send:wa",
        epoch=3,
        number=1,
        result=result,
        inbox="wa",
        message="m",
        attempt=1,
    )
    (job,) = (row for row in unit.decide(world_with(state)).rows if isinstance(row, Job))
    return job.state


UNKNOWN = Sent(state="unknown", reason="The process stopped.")


@pytest.mark.parametrize("state", ["sent", "delivered", "read", "failed"])
def test_a_receipt_that_came_first_settles_an_unknown_call(state: DeliveryState) -> None:
    """Otherwise the lane would wait half a minute for what is known already."""
    assert job_after(state, UNKNOWN) == "done"


def test_without_a_receipt_an_unknown_call_blocks_its_lane() -> None:
    assert job_after("pending", UNKNOWN) == "unknown"


@pytest.mark.parametrize("state", ["sent", "delivered", "read"])
def test_what_a_receipt_says_arrived_is_not_sent_again(state: DeliveryState) -> None:
    assert job_after(state, Sent(state="again", again_in=timedelta(seconds=1))) == "done"
