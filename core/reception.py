"""What stands in where no plugin routes: channels hear "unknown", desks hear why."""

from __future__ import annotations

from typing import Any

from core.errors import NotFound


class NoReception:
    """Answers "unknown"; the widget then hides the element."""

    async def availability(self, inbox: str) -> str:  # noqa: ARG002 - the port's shape
        """Nobody knows."""
        return "unknown"

    async def place(self, conversation: str) -> int | None:  # noqa: ARG002 - the port's shape
        """There is no queue."""
        return None

    async def end(self, address: str) -> None:
        """Nothing ends."""


class NoDesk:
    """A workplace nobody has enabled: everything is 404 with the reason in the log at start."""

    def __getattr__(self, name: str) -> Any:
        """Refuse every call alike."""

        async def refuse(*_: object, **__: object) -> None:
            raise NotFound(f"No plugin offers {name}: enable handoff in plugins.toml.")

        return refuse
