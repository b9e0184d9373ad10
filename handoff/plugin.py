"""Registers handoff: the policies that route, and the workplace."""

from __future__ import annotations

from collections.abc import Sequence

from core.hookspecs import hookimpl
from core.ports.rooms import Handoff, Services
from core.presence import TakeBreak
from core.units import Policy
from handoff.policy import Leaving, Routing
from handoff.reception import FrontOffice
from handoff.sweep import Sweep
from handoff.unanswered import AWAY, UNANSWERED, Requeue, Unanswered
from handoff.workplace import Desk


@hookimpl
def register_policies() -> Sequence[Policy]:
    """Who leaves, who gets what waits, and who is away: in this order."""
    return [Leaving(), Routing(), Unanswered()]


@hookimpl
def register_workplace(services: Services) -> Handoff:
    """Make the workplace of this process."""
    return Handoff(
        workplace=Desk(services),
        reception=FrontOffice(services),
        timers={
            UNANSWERED: lambda subject: Requeue(conversation=subject),
            AWAY: lambda subject: TakeBreak(agent=subject),
        },
        sweeps=(Sweep(services).look,),
    )
