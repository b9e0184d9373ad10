"""Waiting for a condition on state that changes in the same event loop."""

import asyncio
from collections.abc import Callable
from datetime import timedelta


class Changes:
    """Whoever changes the state tells; whoever waits looks again then, and needs no sleep."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Let everybody who waits look again."""
        self._told.set()
        self._told = asyncio.Event()

    async def until(self, happened: Callable[[], bool], within: timedelta) -> None:
        """Wait until `happened()` is true, or raise TimeoutError."""
        async with asyncio.timeout(within.total_seconds()):
            while not happened():
                await self._told.wait()
