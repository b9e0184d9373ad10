"""Whom a waiting conversation goes to. Pure: rows in, a choice and its reasons out."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from core.models.people import Agent, Product
from core.models.rows import Conversation
from core.views import Load


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The agent who gets it, and why: inputs, rule, tie-break and one sentence."""

    agent: Agent
    why: dict[str, Any]


def is_alive(agent: Agent) -> bool:
    """Say whether somebody is there: only a stint begun in the console needs a living socket."""
    return agent.desk != "console" or agent.alive


def is_eligible(agent: Agent, conversation: Conversation) -> bool:
    """Say whether he may be given it, room aside."""
    return (
        agent.status == "online"
        and not agent.disabled
        and is_alive(agent)
        and conversation.inbox in agent.inboxes
        and (conversation.team is None or conversation.team in agent.teams)
    )


def capacity_of(agent: Agent, product: Product) -> int:
    """Return how many open conversations of a product he takes."""
    return agent.capacities.get(product.name, product.capacity)


def room_of(agent: Agent, product: Product, load: Load) -> int:
    """Return how many more he may be given now, never below 0.

    Below his capacity in that product, below `max_total` over all, and at most
    `unanswered_max` still without his first reply.
    """
    room = min(
        capacity_of(agent, product) - load.open.get(product.name, 0),
        agent.max_total - load.total,
        product.unanswered_max - load.unanswered,
    )
    return max(room, 0)


def is_full(agent: Agent, product: Product, load: Load) -> bool:
    """Say whether even a claim needs a confirm: his capacity or his total is used up."""
    return (
        load.open.get(product.name, 0) >= capacity_of(agent, product)
        or load.total >= agent.max_total
    )


def choose(
    conversation: Conversation,
    agents: Sequence[Agent],
    loads: Mapping[str, Load],
    product: Product,
    talking: frozenset[str],
    rng: random.Random,
) -> Choice | None:
    """Return the best eligible agent with room, None when there is none.

    One already talking with the contact or the former owner first; then the fewest open
    conversations; a tie is decided at random.
    """
    fit = [
        a for a in agents if is_eligible(a, conversation) and room_of(a, product, loads[a.id]) > 0
    ]
    if not fit:
        return None
    known = [a for a in fit if a.id in talking]
    former = [a for a in fit if a.id == conversation.former]
    pool, rule = (known, "knows") if known else (former, "former") if former else (fit, "fewest")
    fewest = min(loads[a.id].total for a in pool)
    tied = [a for a in pool if loads[a.id].total == fewest]
    agent = tied[0] if len(tied) == 1 else rng.choice(tied)
    return Choice(agent=agent, why=_why(agent, rule, len(agents), len(fit), len(tied), fewest))


_RULES = {
    "knows": "already talks with this contact elsewhere",
    "former": "had this conversation before",
    "fewest": "had the fewest open conversations",
}


def _why(agent: Agent, rule: str, online: int, fit: int, tied: int, load: int) -> dict[str, Any]:
    tie = f", chosen at random among {tied} alike" if tied > 1 else ""
    sentence = (
        f"{agent.name} {_RULES[rule]} ({load} open{tie}); "
        f"{fit} of {online} online agents were eligible and had room."
    )
    return {
        "rule": rule,
        "online": online,
        "fit": fit,
        "tied": tied,
        "load": load,
        "sentence": sentence,
    }
