"""The bus of a single process: there is nobody else to tell. And what a hint looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

HINT_BYTES = 2_000


def write_hint(seq: int, leases: Iterable[str]) -> bytes:
    """Say that something up to `seq` was committed and that these leases have new jobs."""
    hint = msgspec.json.encode({"seq": seq, "leases": sorted(leases)})
    return hint if len(hint) <= HINT_BYTES else msgspec.json.encode({"seq": seq, "leases": ["*"]})


def read_hint(hint: bytes) -> dict[str, Any]:
    """Read a hint; one that cannot be read says nothing."""
    try:
        value = msgspec.json.decode(hint)
    except (msgspec.DecodeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class MemoryBus:
    """Hears nothing and tells nobody: the process wakes itself after each commit."""

    async def start(self, hear: Callable[[bytes], None]) -> None:
        """Nothing to start."""

    def publish(self, hint: bytes) -> None:
        """Nobody else listens."""

    async def close(self) -> None:
        """Nothing to close."""


class MemoryBusKind:
    """`bus = "memory"`."""

    name = "memory"

    def open(self, url: str) -> MemoryBus:  # noqa: ARG002 - a kind of bus takes the database's URL
        """Make one."""
        return MemoryBus()
