"""A customer who writes on through a bad day, and what must hold when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.journeys import observer
from tests.journeys.place import free_port, hire, write_config
from tests.journeys.posting import Answer, Poster
from tests.journeys.program import Program

BACK_SECONDS = 10.0
TROUBLE_SECONDS = 30.0
WORDS = "x" * 3000
NOWHERE = "http://127.0.0.1:9"
STORED = "SELECT source_id, count(*) FROM message WHERE kind = 'incoming' GROUP BY source_id"


@asynccontextmanager
async def serving(
    database: str, folder: Path, *, durability: str = "full", agents: Sequence[str] = ("Deniz",)
) -> AsyncIterator[Program]:
    """Serve a desk with these agents, who are hired first; its provider cannot be reached."""
    port = free_port()
    config = write_config(
        folder, port=port, database=database, graph=NOWHERE, durability=durability
    )
    if agents:
        await hire(config, agents)
    program = Program(config, port=port, folder=folder)
    await program.start()
    try:
        yield program
    finally:
        await program.stop()


class Customer:
    """Writes, and writes again what was not answered 2xx, as a provider does."""

    def __init__(self, url: str) -> None:
        self.accepted: set[str] = set()
        self.waiting: list[str] = []
        self._poster = Poster(url)

    def write(self) -> Answer:
        """Post what waits, or something new; whatever is no 2xx must be a 503 that says when."""
        answer = self._poster.post(wamid=self.waiting[0] if self.waiting else "", words=WORDS)
        if answer.status == 200:
            self.accepted.add(answer.wamid)
            if self.waiting:
                self.waiting.pop(0)
        else:
            assert answer.status == 503
            assert answer.retry_after is not None
            assert int(answer.retry_after) > 0
            if not self.waiting:
                self.waiting.append(answer.wamid)
        return answer

    def write_until(self, done: Callable[[Answer], bool], within: float) -> float:
        """Go on until an answer is as wanted; return how many seconds that took."""
        begun = time.monotonic()
        while not done(self.write()):
            assert time.monotonic() - begun < within, "it goes on for too long"
        return time.monotonic() - begun

    def suffer(self, times: int) -> None:
        """Write until it has been refused so many times in a row."""
        refused = 0

        def is_enough(answer: Answer) -> bool:
            nonlocal refused
            refused = refused + 1 if answer.status == 503 else 0
            return refused == times

        self.write_until(is_enough, TROUBLE_SECONDS)

    def recover(self) -> None:
        """Write until it works again, which must be soon, and then twice more."""
        assert self.write_until(lambda answer: answer.status == 200, 30) <= BACK_SECONDS
        assert [self.write().status for _ in range(2)] == [200, 200]

    def close(self) -> None:
        self._poster.__exit__(None, None, None)


Trouble = Callable[[], contextlib.AbstractContextManager[None]]


def suffer_and_recover(url: str, trouble: Trouble, *, rounds: int, times: int = 3) -> set[str]:
    """Go through a trouble several times, refused `times` in each; return what was accepted."""
    with contextlib.closing(Customer(url)) as customer:
        customer.write()
        for _ in range(rounds):
            with trouble():
                customer.suffer(times)
            customer.recover()
        return customer.accepted


async def accepted_despite(
    program: Program, trouble: Trouble, *, rounds: int, times: int = 3
) -> set[str]:
    """Do that beside the event loop."""
    return await asyncio.to_thread(
        suffer_and_recover, program.url, trouble, rounds=rounds, times=times
    )


def must_be_there(database: str, accepted: set[str]) -> None:
    counts: dict[str, int] = {
        str(name): int(count) for name, count in observer.observe(database).ask(STORED)
    }
    assert accepted <= set(counts), "a 2xx was false"
    assert set(counts.values()) == {1}
