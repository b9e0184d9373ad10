"""The live side of the feed: one tailer per process, any number of subscriptions.

The tailer reads what the store has after its cursor, renders it once, and hands the same bytes to
every subscription. A hint wakes it; without hints it looks every 2 s, so a lost hint costs at
most that. A subscription first reads what it missed from the store, then goes on live.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from core.announce import AGENTS
from core.errors import FrontdeskError
from core.models.people import Agent, Inbox
from core.ports.reading import Feed, Rendered, StoredEvent
from core.ports.views import Frame

log = logging.getLogger("frontdesk.feed")
POLL_SECONDS = 2.0
READ_LIMIT = 500
BUFFER_FRAMES = 1_000
BUFFER_BYTES = 1 << 20
_encode = msgspec.json.Encoder().encode


class Stale(FrontdeskError):
    """The cursor is older than the feed keeps, or was never given out: take a new snapshot."""


class LiveFrame(msgspec.Struct, frozen=True):
    """One event and its agents' frame, encoded once; empty for events that agents never see."""

    seq: int
    event: StoredEvent
    body: bytes


Announce = Callable[[Sequence[StoredEvent], Rendered], Awaitable[None]]


class Subscription:
    """What one socket still has to be sent. Bounded: whoever reads too slowly is cut."""

    def __init__(self, live: LiveFeed, after: int | None, joined_at: int) -> None:
        """`joined_at` is the tailer's cursor when this began; later frames come by `push`."""
        self._live = live
        self._after = after
        self._joined_at = joined_at
        self._waiting: deque[LiveFrame] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closed = False
        self.cut = False

    def push(self, frames: Sequence[LiveFrame]) -> None:
        """Take new frames; over the bound, drop everything and end."""
        if self.cut or self._closed:
            return
        self._waiting.extend(frames)
        self._bytes += sum(len(frame.body) for frame in frames)
        if len(self._waiting) > BUFFER_FRAMES or self._bytes > BUFFER_BYTES:
            self._waiting.clear()
            self.cut = True
        self._wake.set()

    def close(self) -> None:
        """End it; the iterator stops."""
        self._closed = True
        self._live.leave(self)
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[list[LiveFrame]]:
        """Yield batches of frames in rising seq, without gap or repeat, until closed or cut."""
        last = self._joined_at
        if self._after is not None:
            async for batch in self._live.replay(self._after, self._joined_at):
                yield batch
            last = max(last, self._after)
        while not self._closed:
            await self._wake.wait()
            self._wake.clear()
            if self.cut:
                return
            batch = [frame for frame in self._waiting if frame.seq > last]
            self._waiting.clear()
            self._bytes = 0
            if batch:
                last = batch[-1].seq
                yield batch


class LiveFeed:
    """The tailer of one process."""

    def __init__(self, feed: Feed, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Read through `feed`; nothing happens before `run`."""
        self._feed = feed
        self._poll = poll_seconds
        self._wake = asyncio.Event()
        self._subscriptions: set[Subscription] = set()
        self._hears: list[Callable[[dict[str, Any]], None]] = []
        self._announce: Announce | None = None
        self._written: deque[tuple[int, int]] = deque(maxlen=10_000)
        self.tail = 0

    async def start(self) -> None:
        """Begin behind the newest event there is."""
        _, self.tail = await self._feed.bounds()

    async def run(self) -> None:
        """Tail until cancelled; an error of the store is waited out."""
        while True:
            try:
                if not await self._advance():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), self._poll)
            except Exception:
                # A store that is away for a while must not end the tailer.
                log.exception("the feed cannot be read")
                await asyncio.sleep(0.5)

    def announce_to(self, announce: Announce) -> None:
        """Have the events that this process wrote told to the plugins' `on_*` hooks."""
        self._announce = announce

    def wrote(self, first: int, last: int) -> None:
        """Note that this process committed these events, and look at once."""
        if last >= first:
            self._written.append((first, last))
        self._wake.set()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def subscribe(self, after: int | None) -> Subscription:
        """Start a subscription behind `after`, or behind now. Iterating may raise Stale."""
        subscription = Subscription(self, after, self.tail)
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self._subscriptions.discard(subscription)

    def on_hint(self, hear: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call `hear` with each hint from the bus (typing and the like); returns the undo."""
        self._hears.append(hear)
        return lambda: self._hears.remove(hear)

    def hint(self, hint: dict[str, Any]) -> None:
        """Pass a hint to those who listen."""
        for hear in list(self._hears):
            hear(hint)

    async def replay(self, after: int, until: int) -> AsyncIterator[list[LiveFrame]]:
        """Yield the frames after a cursor up to `until`, from the store. Raises Stale."""
        oldest, newest = await self._feed.bounds()
        if after < oldest - 1 or after > newest:
            raise Stale(f"cursor {after} is outside {oldest - 1}..{newest}")
        while after < until:
            events = [e for e in await self._feed.read(after, READ_LIMIT) if e.seq <= until]
            if not events:
                return
            yield await self._frames(events)
            after = events[-1].seq

    async def page(self, after: int, limit: int) -> tuple[list[LiveFrame], bool]:
        """Return one page of frames for those who poll, and whether there is more."""
        oldest, newest = await self._feed.bounds()
        if after < oldest - 1 or after > newest:
            raise Stale(f"cursor {after} is outside {oldest - 1}..{newest}")
        events = await self._feed.read(after, limit)
        more = bool(events) and events[-1].seq < newest
        return await self._frames(events), more

    async def newest(self) -> int:
        """Return the newest seq in the store."""
        return (await self._feed.bounds())[1]

    async def _advance(self) -> bool:
        self._wake.clear()
        if not self._subscriptions and self._announce is None:
            return await self._skip()
        events, rendered = await self._feed.tail(self.tail, READ_LIMIT)
        if not events:
            return False
        frames = encode_frames(events, rendered)
        for subscription in list(self._subscriptions):
            subscription.push(frames)
        self.tail = events[-1].seq
        await self._tell(events, rendered)
        return True

    async def _skip(self) -> bool:
        """Nobody listens: move on without reading. Whoever comes later starts behind this."""
        _, newest = await self._feed.bounds()
        if not self._subscriptions:
            self.tail = max(self.tail, newest)
        return False

    async def _tell(self, events: Sequence[StoredEvent], rendered: Rendered) -> None:
        if self._announce is None:
            self._written.clear()
            return
        ours: list[StoredEvent] = []
        for event in events:
            while self._written and self._written[0][1] < event.seq:
                self._written.popleft()
            if self._written and self._written[0][0] <= event.seq:
                ours.append(event)
        if ours:
            await self._announce(ours, rendered)

    async def _frames(self, events: Sequence[StoredEvent]) -> list[LiveFrame]:
        return encode_frames(events, await self._feed.render(events))


def encode_frames(events: Sequence[StoredEvent], rendered: Rendered) -> list[LiveFrame]:
    """Encode the agents' frames; an object named by several events is encoded once."""
    cache: dict[str, msgspec.Raw] = {}
    frames: list[LiveFrame] = []
    for event in events:
        body = b""
        if AGENTS in event.audience:
            frame = Frame(
                seq=event.seq,
                type=event.type,
                at=event.at,
                conversation=event.conversation,
                data=_data(event, rendered, cache),
            )
            body = _encode(frame)
        frames.append(LiveFrame(event.seq, event, body))
    return frames


def _data(event: StoredEvent, rendered: Rendered, cache: dict[str, msgspec.Raw]) -> Any:
    name = event.message or event.conversation or event.subject or ""
    raw = cache.get(name)
    if raw is None:
        raw = cache[name] = msgspec.Raw(_encode(_object(event, rendered, name)))
    return raw


def _object(event: StoredEvent, rendered: Rendered, name: str) -> Any:
    if event.message is not None:
        return rendered.messages.get(name)
    if event.conversation is not None:
        return rendered.conversations.get(name)
    contact = rendered.contacts.get(name)
    if contact is not None:
        return contact
    agent = rendered.agents.get(name)
    if agent is not None:
        return _agent(agent)
    inbox = rendered.inboxes.get(name)
    return None if inbox is None else _inbox(inbox)


def _agent(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "status": agent.status,
        "status_since": agent.status_since,
        "inboxes": agent.inboxes,
        "disabled": agent.disabled,
    }


def _inbox(inbox: Inbox) -> dict[str, Any]:
    return {"inbox": inbox.name, "health": inbox.health, "problem": inbox.problem}
