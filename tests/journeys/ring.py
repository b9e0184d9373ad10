"""The servers of a run, some of them dead at times, and posting webhooks round them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random

import msgspec
from typing_extensions import override

from sandbox.changes import Changes
from sandbox.customers import Parcel
from sandbox.load import Log, Sender
from sandbox.payloads import Number
from sandbox.webhooks import Webhook
from tests.journeys.evidence import Post
from tests.journeys.program import Program


class Ring:
    """All servers. `changes` tells when one comes up and when somebody has done something."""

    def __init__(self, programs: Sequence[Program]) -> None:
        """Take the programs; none need run yet."""
        self.programs = list(programs)
        self.changes = Changes()
        self._next = 0

    def choose(self, preferred: int | None = None) -> Program:
        """Return one that is up: the preferred one, else in turn; a dead one when all are."""
        if preferred is not None and self.programs[preferred].is_up:
            return self.programs[preferred]
        for _ in self.programs:
            self._next = (self._next + 1) % len(self.programs)
            if self.programs[self._next].is_up:
                break
        return self.programs[self._next]


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One body sent to one server."""

    server: str
    started: float
    ended: float
    answered: bool


class RingSender(Sender):
    """A provider that posts to whichever server is up, at a pace that may change.

    `pace` is a pause in seconds before each post.
    """

    def __init__(self, ring: Ring, path: str, app_secret: str, *, number: Number, rng: Random):
        """Post to `path` on every server."""
        super().__init__("", app_secret, number=number, rng=rng)
        self._ring = ring
        self._path = path
        self._secret = app_secret
        self.pace = 0.0
        self.tries: list[Try] = []

    @override
    async def post(self, body: bytes) -> int | None:
        """Post once. Gives the HTTP status, or None when no answer came."""
        if self.pace:
            await asyncio.sleep(self.pace)
        program = self._ring.choose()
        webhook = Webhook(url=program.url + self._path, app_secret=self._secret)
        started = time.monotonic()
        status = await self.webhooks.post(webhook, body)
        self.tries.append(
            Try(
                server=program.url,
                started=started,
                ended=time.monotonic(),
                answered=status is not None,
            )
        )
        return status

    def cut_since(self, server: str, since: float) -> int:
        """Count bodies that were with a server when it died: sent before the first lost answer."""
        lost = [one for one in self.tries if one.server == server and not one.answered]
        lost = [one for one in lost if one.ended > since]
        first = min((one.ended for one in lost), default=0.0)
        return sum(1 for one in lost if one.started <= first)


class PostLog(Log):
    """A load's log that keeps every post."""

    def __init__(self, ring: Ring) -> None:
        """Tell the ring's changes too."""
        super().__init__()
        self.posts: list[Post] = []
        self._ring = ring

    @override
    def note(self, parcel: Parcel, status: int | None, seconds: float) -> None:
        """Record the answer to one post."""
        super().note(parcel, status, seconds)
        ended = time.monotonic()
        self.posts.append(
            Post(
                wamids=tuple(item.wamid for item in parcel.items),
                started=ended - seconds,
                ended=ended,
                status=status,
            )
        )
        self._ring.changes.tell()
