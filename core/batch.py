"""Decides the units of one batch in order, loading what they need together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from core.announce import events_of
from core.errors import Faulty, NotLoaded, Refused
from core.models.row import Key
from core.ports.store import Store
from core.units import Decision, Event, Policy, Unit
from core.views import View
from core.world import World

log = logging.getLogger("frontdesk.writer")
BATCH_SECONDS = 0.020
ROUNDS = 20
"""How often one unit may ask for more keys. Three do for a message; blocking somebody whose
conversations three policies then move has taken nine."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one unit: an answer, or the error to raise where it was asked for."""

    answer: object = None
    error: Exception | None = None


class Decided(msgspec.Struct):
    """The decided part of a batch. `outcomes` may be shorter than the units: time was up."""

    outcomes: list[Outcome] = []
    events: list[Event] = []
    then: list[Unit] = []


class Limit:
    """The time a batch may take, from when its first unit is decided.

    If waiting for another process or reading for all units counted, each of two processes would
    write one unit a commit, and read for the others in vain.
    """

    _at = 0.0

    def is_over(self) -> bool:
        """Say whether no further unit should be decided."""
        now = time.monotonic()
        self._at = self._at or now + BATCH_SECONDS
        return now > self._at


def decide_batch(
    world: World,
    store: Store,
    units: Sequence[Unit],
    policies: Sequence[Policy],
    time_is_up: Callable[[], bool],
) -> Decided:
    """Decide units in order until all are decided or time is up. At least one is decided."""
    load(world, store, (key for unit in units for key in unit.needs()))
    decided = Decided()
    rounds = 0
    while len(decided.outcomes) < len(units):
        if decided.outcomes and time_is_up():
            break
        unit = units[len(decided.outcomes)]
        try:
            outcome = _decide(world, unit, policies, decided)
        except NotLoaded as missing:
            world.drop()
            rounds += 1
            if rounds > ROUNDS:
                outcome = Outcome(error=Faulty(f"{type(unit).__name__} never stops asking"))
            else:
                ahead = _peek(world, units[len(decided.outcomes) + 1 :], policies)
                load(world, store, {*missing.keys, *ahead})  # type: ignore[arg-type]
                continue
        decided.outcomes.append(outcome)
        rounds = 0
    return decided


def _decide(world: World, unit: Unit, policies: Sequence[Policy], decided: Decided) -> Outcome:
    try:
        decision = unit.decide(world)
        decision = _react(world, decision, policies)
        events = [*events_of(world.changes()), *decision.events]
    except NotLoaded:
        raise
    except Refused as refusal:
        world.drop()
        return Outcome(error=refusal)
    except Exception as problem:
        # A plugin's policy or a poison row must hurt this unit only; its neighbours go on.
        world.drop()
        log.exception("a unit failed: %s", type(unit).__name__)
        return Outcome(error=Faulty(f"{type(unit).__name__}: {type(problem).__name__}"))
    world.keep()
    decided.events += events
    decided.then += decision.then
    return Outcome(answer=decision.answer)


def _react(world: World, decision: Decision, policies: Sequence[Policy]) -> Decision:
    world.put(decision.rows)
    if not decision.rows:
        return decision
    kinds = {type(row) for row in decision.rows}
    for policy in policies:
        if policy.watches.isdisjoint(kinds):
            continue
        more = policy.react(world, decision)
        if more.rows or more.events or more.then:
            world.put(more.rows)
            kinds.update(type(row) for row in more.rows)
            decision = Decision(
                rows=(*decision.rows, *more.rows),
                events=(*decision.events, *more.events),
                answer=decision.answer,
                then=(*decision.then, *more.then),
            )
    return decision


def _peek(world: World, units: Sequence[Unit], policies: Sequence[Policy]) -> set[object]:
    """Find what the units behind will ask for, so that it is loaded in one go."""
    keys: set[object] = set()
    for unit in units:
        try:
            _react(world, unit.decide(world), policies)
        except NotLoaded as missing:
            keys.update(missing.keys)
        except Exception:  # noqa: BLE001, S110 - it will be raised again when its turn comes
            pass
        finally:
            world.drop()
    return keys


def load(world: World, store: Store, keys: Iterable[Key | View]) -> None:
    """Load keys and whatever their rows follow, one set at a time."""
    todo = {key for key in keys if not world.is_known(key)}
    while todo:
        loaded = store.load(todo)
        world.take(todo, loaded.rows, loaded.views)
        todo = {key for row in loaded.rows for key in row.follows() if not world.is_known(key)}
