"""The net under presence: one process of the fleet looks every few seconds who is gone."""

from __future__ import annotations

from core.errors import Refused
from core.ports.rooms import Services
from core.presence import Gone


class Sweep:
    """Marks agents as gone whose console sockets have all been silent for 30 s."""

    def __init__(self, services: Services) -> None:
        """Keep what the process offers."""
        self._services = services

    async def look(self) -> None:
        """Look once at everybody whose stint depends on a socket."""
        rooms = self._services.rooms
        watched = [
            a.id
            for a in await rooms.people.agents()
            if a.alive and a.desk == "console" and a.status != "offline"
        ]
        if not watched:
            return
        seen = await rooms.jobs.present(watched)
        now = self._services.clock.now()
        for agent in watched:
            until = seen.get(agent)
            if until is None or until <= now:
                try:
                    await self._services.writer.ask(Gone(agent=agent))
                except Refused:
                    return
