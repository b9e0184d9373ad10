"""Turns events that this process committed into the `on_*` announcements."""

from __future__ import annotations

from collections.abc import Sequence

from core.hooks import Hooks
from core.ports.reading import Rendered, StoredEvent


class Announcer:
    """Rings the doorbell; whoever must not miss anything reads the feed."""

    def __init__(self, hooks: Hooks) -> None:
        """`hooks` knows who listens."""
        self._hooks = hooks

    async def announce(self, events: Sequence[StoredEvent], rendered: Rendered) -> None:
        """Tell of each event in turn."""
        for event in events:
            if event.message is not None:
                await self._of_message(event, rendered)
            elif event.conversation is not None:
                await self._of_conversation(event, rendered)
            elif event.type == "agent.status" and event.subject in rendered.agents:
                agent = rendered.agents[event.subject]
                await self._hooks.on_status(agent.id, agent.status)

    async def _of_message(self, event: StoredEvent, rendered: Rendered) -> None:
        message = rendered.messages.get(event.message or "")
        if message is None or message.note:
            return
        if event.type == "receipt.changed":
            await self._hooks.on_receipt(message)
        elif event.type == "message.created" and message.kind == "incoming":
            await self._hooks.on_message_received(message)
        elif event.type == "message.created" and message.kind == "outgoing":
            await self._hooks.on_message_sent(message)

    async def _of_conversation(self, event: StoredEvent, rendered: Rendered) -> None:
        conversation = rendered.conversations.get(event.conversation or "")
        if conversation is None:
            return
        tell = {
            "conversation.waiting": self._hooks.on_waiting,
            "conversation.assigned": self._hooks.on_assigned,
            "conversation.resolved": self._hooks.on_resolved,
        }.get(event.type)
        if tell is not None:
            await tell(conversation)
