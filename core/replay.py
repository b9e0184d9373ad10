"""Taking a kept webhook body in once more: after a parser was mended, or a block is gone.

Idempotent by the provider's ids: what was stored the first time is not stored again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import msgspec
from typing_extensions import override

from core.errors import Impossible, NotFound
from core.models.inbound import WebhookRequest
from core.models.row import Key
from core.models.rows import ParkedItem, Webhook
from core.ports.channel import Channel
from core.ports.reading import Jobs
from core.units import Ask, Decision, Unit
from core.views import View
from core.world import World

replace = msgspec.structs.replace


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one body; `problem` says why it is not done, `parked` counts items."""

    id: str
    inbox: str
    state: Literal["done", "unparsed", "failed"]
    parked: int = 0
    problem: str | None = None


class CloseWebhook(Ask, frozen=True, kw_only=True):
    """Every item of a body is stored now: nothing is left to replay."""

    id: str
    items: tuple[int, ...]

    @override
    def needs(self) -> Iterable[Key | View]:
        """The body and its parked items."""
        return ((Webhook, self.id), *((ParkedItem, self.id, item) for item in self.items))

    def decide(self, world: World) -> Decision:
        """Keep the items' problems; they are history."""
        body = world.get(Webhook, self.id)
        if body is None:
            raise NotFound
        parked = [world.get(ParkedItem, self.id, item) for item in self.items]
        rows = [replace(row, done=True) for row in parked if row is not None and not row.done]
        if body.state != "done":
            return Decision(rows=(replace(body, state="done", problem=None), *rows))
        return Decision(rows=tuple(rows))


class Takes(Protocol):
    """The intake, as far as it is needed here."""

    async def store(self, request: WebhookRequest, channel: Channel, *, webhook: str = "") -> int:
        """Store what a body carries; return how many items were parked."""


class Asks(Protocol):
    """The writer, as far as it is needed here."""

    async def ask(self, unit: Unit, *, urgent: bool = False) -> object:
        """Decide and write one unit."""


async def replay(
    webhook: str,
    *,
    jobs: Jobs,
    intake: Takes,
    writer: Asks,
    channels: Mapping[str, Channel],
) -> Replayed:
    """Take one kept body in again; `channels` maps an inbox to its channel.

    Raises NotFound, Impossible when its inbox is detached, Unavailable.
    """
    found = await jobs.webhook(webhook)
    if found is None:
        raise NotFound(f"There is no kept body {webhook}.")
    body, items = found
    channel = channels.get(body.inbox)
    if channel is None:
        raise Impossible(f"The inbox {body.inbox} is not in plugins.toml.", code="detached")
    request = WebhookRequest(
        inbox=body.inbox,
        method="POST",
        body=body.body,
        headers={},
        query={},
        received_at=body.received_at,
        replayed=True,
    )
    if await intake.store(request, channel, webhook=webhook) == 0:
        await writer.ask(CloseWebhook(id=webhook, items=tuple(items)), urgent=True)
    again = await jobs.webhook(webhook)
    assert again is not None  # noqa: S101 - kept bodies go by retention only
    after, left = again
    return Replayed(
        id=webhook, inbox=after.inbox, state=after.state, parked=len(left), problem=after.problem
    )
