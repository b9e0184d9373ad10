"""The unit that brings the store in line with plugins.toml at start."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from typing_extensions import override

from core.config import Config
from core.models.people import Inbox, Product, Topic
from core.models.row import Key, Row
from core.units import Ask, Decision
from core.views import View
from core.world import World

replace = msgspec.structs.replace


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One product or inbox as the file declares it."""

    name: str
    title: str = ""
    timezone: str = "UTC"
    product: str = ""
    channel: str = ""


class Align(Ask, frozen=True, kw_only=True):
    """Make every declared product and inbox exist, detach the rest, make the topic General.

    Settings changed in the console stay as they are. Answers the names of detached inboxes.
    """

    products: tuple[Declared, ...]
    inboxes: tuple[Declared, ...]
    known_inboxes: tuple[str, ...]
    has_topics: bool

    @override
    def needs(self) -> Iterable[Key | View]:
        """Everything named."""
        keys: list[Key | View] = [(Product, p.name) for p in self.products]
        names = {*(i.name for i in self.inboxes), *self.known_inboxes}
        return [*keys, *((Inbox, name) for name in sorted(names))]

    def decide(self, world: World) -> Decision:
        """Put only what differs."""
        rows: list[Row] = [row for p in self.products for row in _product(world, p)]
        rows += [row for i in self.inboxes for row in _inbox(world, i)]
        declared = {i.name for i in self.inboxes}
        detached = []
        for name in self.known_inboxes:
            row = world.get(Inbox, name)
            if row is not None and name not in declared:
                detached.append(name)
                if row.state == "attached":
                    rows.append(replace(row, state="detached", changed_at=world.now))
        if not self.has_topics:
            rows.append(Topic(id=world.new_id(), name="General"))
        return Decision(rows=tuple(rows), answer=tuple(detached))


def _product(world: World, declared: Declared) -> list[Row]:
    row = world.get(Product, declared.name)
    title = declared.title or declared.name
    if row is None:
        return [Product(name=declared.name, title=title, timezone=declared.timezone)]
    after = replace(row, title=title, timezone=declared.timezone)
    return [] if after == row else [after]


def _inbox(world: World, declared: Declared) -> list[Row]:
    row = world.get(Inbox, declared.name)
    if row is None:
        return [
            Inbox(
                name=declared.name,
                product=declared.product,
                channel=declared.channel,
                changed_at=world.now,
            )
        ]
    after = replace(
        row,
        product=declared.product,
        channel=declared.channel,
        state="attached",
        changed_at=world.now,
    )
    return [] if replace(after, changed_at=row.changed_at) == row else [after]


def declared(config: Config, known: tuple[str, ...], *, has_topics: bool) -> Align:
    """Return the unit for a configuration, given the inboxes the store knows already."""
    return Align(
        products=tuple(
            Declared(name=p.name, title=p.title, timezone=p.timezone)
            for p in config.products.values()
        ),
        inboxes=tuple(
            Declared(name=i.name, product=i.product, channel=i.channel)
            for i in config.inboxes.values()
        ),
        known_inboxes=known,
        has_topics=has_topics,
    )


class SetHealth(Ask, frozen=True, kw_only=True):
    """Note whether an inbox's credentials work."""

    inbox: str
    health: str
    problem: str | None = None

    @override
    def needs(self) -> Iterable[Key | View]:
        """The inbox."""
        return ((Inbox, self.inbox),)

    def decide(self, world: World) -> Decision:
        """Change something only when it differs."""
        row = world.get(Inbox, self.inbox)
        if row is None or (row.health, row.problem) == (self.health, self.problem):
            return Decision()
        return Decision(
            rows=(replace(row, health=self.health, problem=self.problem, changed_at=world.now),)
        )
