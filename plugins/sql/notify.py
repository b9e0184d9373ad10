"""The bus between processes on one PostgreSQL: NOTIFY after commit, LISTEN on the loop.

Both sides have autocommit connections of their own, outside the writer's batches. Whatever is
lost here costs a poll (core.feed): after each new connection everybody is woken once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import psycopg
import sqlalchemy as sa

from core.bus import HINT_BYTES, read_hint, write_hint
from core.ids import make_secret
from plugins.sql.engine import ALIVE

log = logging.getLogger("frontdesk.sql")
CHANNEL = "frontdesk"
PENDING = 1_000
LOOK_SECONDS = 10.0
ANSWER_SECONDS = 5.0
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_TELL = "SELECT pg_notify(%s, told) FROM unnest(%s::text[]) AS told"


class Pending:
    """What is still to be told: one hint for all commits, and each other hint, bounded."""

    def __init__(self, bound: int = PENDING) -> None:
        """Start empty; over the bound the oldest hint is dropped."""
        self._seq: int | None = None
        self._leases: set[str] = set()
        self._others: deque[bytes] = deque(maxlen=bound)

    def add(self, hint: bytes) -> None:
        """Fold the hint of a commit into the one that waits; keep any other hint as it is."""
        told = read_hint(hint)
        seq, leases = told.get("seq"), told.get("leases", [])
        if isinstance(seq, int) and isinstance(leases, list):
            self._seq = max(seq, self._seq or 0)
            self._leases.update(map(str, leases))
        else:
            self._others.append(hint)

    def take(self) -> list[bytes]:
        """Return everything, and start anew."""
        taken = list(self._others)
        self._others.clear()
        if self._seq is not None:
            taken.append(write_hint(self._seq, self._leases))
            self._seq = None
            self._leases = set()
        return taken


def conninfo_of(url: str) -> str:
    """Return how the bus connects. A hint may be lost, so its commit need not reach the disk."""
    # No space after -c: in a URL it would become a plus sign, which libpq takes literally.
    more = {**ALIVE, "options": "-csynchronous_commit=off"}
    parsed = sa.make_url(url).set(drivername="postgresql").update_query_dict(more)
    return parsed.render_as_string(hide_password=False)


class NotifyBus:
    """Implements core.ports.rooms.Bus."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet."""
        self._conninfo = conninfo_of(url)
        self._me = make_secret()[:12]
        self._pending = Pending()
        self._wake = threading.Condition()
        self._stopping = False
        self._speaker = threading.Thread(target=self._speak, name="notify", daemon=True)
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def start(self, hear: Callable[[bytes], None]) -> None:
        """Begin to hear; when the server does not answer at once, go on trying beside."""
        self._speaker.start()
        self._listener = asyncio.create_task(self._listen(hear), name="listen")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), ANSWER_SECONDS)

    def publish(self, hint: bytes) -> None:
        """Put it down for the speaking thread; a hint over 2 kB is dropped."""
        if len(hint) > HINT_BYTES:
            log.warning("a hint of %d bytes was dropped", len(hint))
            return
        with self._wake:
            self._pending.add(hint)
            self._wake.notify()

    async def close(self) -> None:
        """Tell what waits, then stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        if self._speaker.ident is not None:
            await asyncio.to_thread(self._speaker.join, ANSWER_SECONDS)

    # -- telling, in a thread --------------------------------------------------------------------

    def _speak(self) -> None:
        pause = SHORTEST_PAUSE
        connection: psycopg.Connection | None = None
        while (taken := self._wait()) is not None:
            try:
                if connection is None:
                    connection = psycopg.connect(self._conninfo, autocommit=True)
                told = [f"{self._me} {b64encode(hint).decode()}" for hint in taken]
                connection.execute(_TELL, (CHANNEL, told))
                pause = SHORTEST_PAUSE
            except psycopg.Error as error:
                log.warning("a hint was not told: %s", str(error).strip())
                if connection is not None:
                    connection.close()
                    connection = None
                self._put_back(taken)
                with self._wake:
                    self._wake.wait_for(lambda: self._stopping, pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                if self._stopping:
                    break
        if connection is not None:
            connection.close()

    def _wait(self) -> list[bytes] | None:
        """Return what is to be told; None at the end."""
        with self._wake:
            while not (taken := self._pending.take()):
                if self._stopping:
                    return None
                self._wake.wait()
            return taken

    def _put_back(self, taken: list[bytes]) -> None:
        with self._wake:
            newer = self._pending.take()
            for hint in (*taken, *newer):
                self._pending.add(hint)

    # -- hearing, on the loop --------------------------------------------------------------------

    async def _listen(self, hear: Callable[[bytes], None]) -> None:
        pause = SHORTEST_PAUSE
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._listening.set()
                    # What was told meanwhile is lost: let everybody look.
                    hear(write_hint(0, ["*"]))
                    pause = SHORTEST_PAUSE
                    await self._hear_all(connection, hear)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the bus does not hear: %s", str(error).strip())
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _hear_all(
        self, connection: psycopg.AsyncConnection, hear: Callable[[bytes], None]
    ) -> None:
        """Pass on what comes; ask for a sign of life when nothing does."""
        while True:
            async for told in connection.notifies(timeout=LOOK_SECONDS):
                sender, _, body = told.payload.partition(" ")
                if sender == self._me:
                    continue
                with suppress(ValueError):  # somebody else's NOTIFY on our channel
                    hear(b64decode(body, validate=True))
            await asyncio.wait_for(connection.execute("SELECT 1"), ANSWER_SECONDS)
