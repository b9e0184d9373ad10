"""What becomes of a message of ours: states of an attempt only move up. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.models.rows import Attempt, DeliveryState, Message

RANK: dict[str, int] = {"pending": 0, "unknown": 1, "sent": 2, "delivered": 3, "read": 4}
_MAY_FAIL = frozenset({"pending", "unknown", "sent"})


def advance(old: DeliveryState, new: DeliveryState) -> DeliveryState:
    """Return the higher state; failed is final, and only what was not delivered can fail."""
    if old == "failed":
        return old
    if new == "failed":
        return new if old in _MAY_FAIL else old
    return new if RANK[new] > RANK[old] else old


def tag_of(message: str, number: int) -> str:
    """Return our own name for an attempt, which providers give back in receipts."""
    return f"{message}.{number}"


def read_tag(tag: str) -> tuple[str, int] | None:
    """Return (message, number) of a tag of ours, None for anybody else's."""
    message, _, number = tag.rpartition(".")
    if message and number.isascii() and number.isdigit() and len(number) < 6:
        return message, int(number)
    return None


def change(
    attempt: Attempt,
    message: Message,
    state: DeliveryState,
    at: datetime,
    *,
    reason: str | None = None,
    hint: str | None = None,
) -> list[Attempt | Message]:
    """Return the rows that change when an attempt is said to be in a state; none for old news.

    The message shows its newest attempt, except that delivered or read of any attempt wins.
    """
    moved = advance(attempt.state, state)
    if moved == attempt.state:
        return []
    reason, hint = (
        (reason or None, hint or None) if moved in {"failed", "unknown"} else (None, None)
    )
    after = msgspec.structs.replace(attempt, state=moved, reason=reason, hint=hint, changed_at=at)
    shown = message.delivery_state or "pending"
    arrived = RANK.get(moved, -1) >= RANK["delivered"]
    if attempt.number == message.attempt:
        wins = shown not in {"delivered", "read"} or RANK.get(moved, -1) > RANK[shown]
    else:
        wins = arrived and RANK[moved] > RANK.get(shown, -1)
    if not wins:
        return [after]
    return [
        after,
        msgspec.structs.replace(
            message, delivery_state=moved, delivery_reason=reason, delivery_hint=hint
        ),
    ]
