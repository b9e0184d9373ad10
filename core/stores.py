"""Which plugin opens which database."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import FrontdeskError
from core.hooks import Hooks
from core.ports.rooms import StoreKind


class CannotServe(FrontdeskError):
    """The file is right, but this cannot run: another schema, another process, no store."""


def store_kind(hooks: Hooks, url: str) -> StoreKind:
    """Return the kind of store for a database URL; raises CannotServe."""
    scheme = url.partition(":")[0].partition("+")[0]
    kinds: Mapping[str, StoreKind] = {s: kind for kind in hooks.stores() for s in kind.schemes}
    if scheme not in kinds:
        known = ", ".join(sorted(kinds)) or "none: enable plugins.sql"
        raise CannotServe(f"No plugin opens {scheme!r} databases. Known: {known}.")
    return kinds[scheme]
