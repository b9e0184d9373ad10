"""The rows of a conversation changing hands. Pure; every change of owner goes through here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from core.models.row import Row
from core.models.rows import Assignment, Conversation

replace = msgspec.structs.replace


def give(
    conversation: Conversation,
    agent: str,
    *,
    at: datetime,
    by: str,
    how: str,
    why: dict[str, Any],
) -> list[Row]:
    """Make an agent the owner. With nothing to answer there is no first reply to wait for."""
    after = replace(
        conversation,
        state="active",
        agent=agent,
        epoch=conversation.epoch + 1,
        assigned_at=at,
        queued_at=None,
        replied=conversation.waiting_since is None,
    )
    return [after, _line(conversation, after, at=at, by=by, how=how, why=why)]


def queue(
    conversation: Conversation,
    *,
    at: datetime,
    by: str,
    how: str,
    why: dict[str, Any],
    team: str | None = None,
    keep_former: bool = True,
) -> list[Row]:
    """Put it into a queue, at the place its waiting time gives it."""
    after = replace(
        conversation,
        state="waiting",
        agent=None,
        former=(conversation.agent or conversation.former) if keep_former else None,
        team=team,
        epoch=conversation.epoch + 1,
        queued_at=conversation.waiting_since or at,
        replied=False,
    )
    return [after, _line(conversation, after, at=at, by=by, how=how, why=why)]


def park(
    conversation: Conversation, *, at: datetime, by: str, how: str, why: dict[str, Any]
) -> list[Row]:
    """Leave it open without an owner: the customer has his answer and may write again."""
    after = replace(
        conversation,
        agent=None,
        former=conversation.agent,
        epoch=conversation.epoch + 1,
        replied=False,
    )
    return [after, _line(conversation, after, at=at, by=by, how=how, why=why)]


def archive(
    conversation: Conversation, *, at: datetime, by: str | None, reason: str, **changes: Any
) -> Conversation:
    """Close it by rule: `auto`, no topic, not counted as resolved. The epoch moves on."""
    defaults: dict[str, Any] = {"closed_as": "auto", "topic": None}
    return replace(
        conversation,
        state="archived",
        agent=None,
        former=conversation.agent or conversation.former,
        epoch=conversation.epoch + 1,
        queued_at=None,
        waiting_since=None,
        closed_reason=reason,
        closed_at=at,
        closed_by=by,
        **{**defaults, **changes},
    )


def _line(
    before: Conversation,
    after: Conversation,
    *,
    at: datetime,
    by: str,
    how: str,
    why: dict[str, Any],
) -> Assignment:
    return Assignment(
        conversation=after.id,
        epoch=after.epoch,
        agent=after.agent,
        previous=before.agent,
        team=after.team,
        at=at,
        by=by,
        how=how,
        why=why,
    )
