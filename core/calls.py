"""Around a provider call: what its failure means for the job, and how a process stops calling."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta

from core.errors import Ambiguous, AuthDead, Rejected, SendError, Throttled, Unreachable
from core.outbound import Sent

AUTH_PAUSE = timedelta(seconds=60)
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_ASKED = timedelta(days=1)


def backoff(tries: int, rng: random.Random) -> timedelta:
    """Return a wait with full jitter: anywhere up to 1, 2, 4 ... 60 seconds."""
    # An outage of hours takes more tries than a float has exponents.
    return timedelta(seconds=rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries, 16))))


def asked_wait(error: Throttled) -> timedelta | None:
    """Return the wait the provider asks for, at most a day; None when it gave no figure."""
    if error.after is None:
        return None
    return min(max(error.after, timedelta()), LONGEST_ASKED)


def judge(error: SendError, tries: int, rng: random.Random) -> Sent:
    """Turn what a channel raised into what becomes of the job. Only certain failures try again."""
    if isinstance(error, Ambiguous):
        return Sent(state="unknown", reason=error.reason, hint=error.hint)
    if isinstance(error, Rejected):
        return Sent(state="failed", reason=error.reason, hint=error.hint)
    if isinstance(error, Throttled):
        asked = asked_wait(error)
        wait = asked if asked is not None else backoff(tries, rng)
    elif isinstance(error, AuthDead):
        wait = AUTH_PAUSE
    elif isinstance(error, Unreachable):
        wait = backoff(tries, rng)
    else:
        return Sent(state="unknown", reason=error.reason, hint=error.hint)
    return Sent(state="again", reason=error.reason, hint=error.hint, again_in=wait)


class Gate:
    """Counts the calls under way in a process; closed, it lets no new one begin."""

    def __init__(self) -> None:
        """Start open."""
        self.closed = False
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def enter(self) -> None:
        """Begin a call; once closed, wait for the end of the process instead."""
        if self.closed:
            await asyncio.Event().wait()
        self._open += 1
        self._idle.clear()

    def leave(self) -> None:
        """End a call."""
        self._open -= 1
        if self._open == 0:
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Close, and wait for the calls under way."""
        self.closed = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
