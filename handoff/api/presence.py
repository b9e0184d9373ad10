"""Tells the store that an agent's console is open."""

from __future__ import annotations

import logging
from collections.abc import Collection

from core.errors import FrontdeskError
from core.ports.rooms import Services
from core.presence import Alive, Seen, Unseen

log = logging.getLogger("frontdesk.api")


async def seen(services: Services, agents: Collection[str]) -> None:
    """Renew the presence of these agents, and bring back to life whoever was thought gone."""
    if not agents:
        return
    try:
        await services.lane2.ask_all(
            [Seen(agent=agent, process=services.process) for agent in agents], urgent=True
        )
        await services.writer.ask_all([Alive(agent=agent) for agent in agents], urgent=True)
    except FrontdeskError as error:
        # The next renewal is seconds away; half a minute has to pass before anybody counts as gone.
        log.warning("presence could not be renewed: %s", error)


async def gone(services: Services, agent: str) -> None:
    """An agent's last console socket in this process has closed."""
    try:
        await services.lane2.ask(Unseen(agent=agent, process=services.process), urgent=True)
    except FrontdeskError as error:
        log.info("presence could not be ended: %s", error)
