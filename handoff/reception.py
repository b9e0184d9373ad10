"""What channels may ask about this side of the desk."""

from __future__ import annotations

from core.ports.reading import ConversationFilter
from core.ports.rooms import Services
from handoff.closing import EndByContact
from handoff.policy import online_now


class FrontOffice:
    """Implements core.ports.workplace.Reception."""

    def __init__(self, services: Services) -> None:
        """Keep what the process offers."""
        self._services = services

    async def availability(self, inbox: str) -> str:
        """Say whether anyone who is online is authorised for this inbox."""
        agents = await self._services.rooms.people.agents()
        return "online" if online_now(agents, inbox) else "offline"

    async def place(self, conversation: str) -> int | None:
        """Count those who wait in the same inbox at least as long."""
        conversations = self._services.rooms.conversations
        found = await conversations.get(conversation, None)
        if found is None or found.state != "waiting":
            return None
        page = await conversations.page(
            ConversationFilter(view="waiting", inbox=found.inbox, limit=1000), None
        )
        ids = [view.id for view in page.items]
        return ids.index(conversation) + 1 if conversation in ids else None

    async def end(self, address: str) -> None:
        """The customer ends the chat."""
        await self._services.writer.ask(EndByContact(address=address))
