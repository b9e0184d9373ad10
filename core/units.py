"""Units: what is asked of the store, as data with two pure functions; and policies beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from core.models.row import Key, Row
from core.views import View

if TYPE_CHECKING:
    from core.world import World

Audience = frozenset[str]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, by reference: ids only, never text. `seq` and `at` come at write.

    `subject` is the agent or inbox an event without conversation is about.
    """

    type: str
    audience: str
    conversation: str | None = None
    message: str | None = None
    address: str | None = None
    position: int | None = None
    inbox: str | None = None
    subject: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit wants: rows to put, events that no row change tells, and its answer.

    `then` are units to queue at once, behind this batch (the rest of a long drain).
    """

    rows: tuple[Row, ...] = ()
    events: tuple[Event, ...] = ()
    answer: Any = None
    then: tuple[Unit, ...] = ()


class Unit(Protocol):
    """Data with two pure functions; it may be decided several times and is written once."""

    def needs(self) -> Iterable[Key | View]:
        """Name the keys that are known beforehand, so that a batch loads them together."""

    def decide(self, world: World) -> Decision:
        """Decide from what the world shows; raise Refused to refuse, NotLoaded asks for a key."""

    def parked(self, problem: str) -> Unit | None:
        """Return the unit that records that this one could not be written, if anybody asks."""


class Policy(Protocol):
    """Looks at what a unit decided and adds to it, inside the same batch. Sync and pure.

    `watches` are the kinds of rows it cares about: without one among the changes it is not asked.
    """

    watches: frozenset[type[Row]]

    def react(self, world: World, decision: Decision) -> Decision:
        """Return what to add; the unit's rows already lie in the world."""


class Ask(msgspec.Struct, frozen=True):
    """The usual start of a unit: nothing to prefetch, nobody waits for a trace of a failure."""

    def needs(self) -> Iterable[Key | View]:
        """Name nothing."""
        return ()

    def parked(self, problem: str) -> Unit | None:  # noqa: ARG002 - the port's shape
        """Leave no trace."""
        return None


NOTHING = Decision()
