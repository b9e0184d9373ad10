"""An agent's client that knows nothing but a snapshot and the frames after it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any, Literal

import msgspec

from core.errors import NotFound, SignedOut
from core.ports.reading import ConversationFilter
from core.ports.workplace import Actor, Workplace
from core.process import Process
from tests.core.station import until

VIEWS: tuple[Literal["active", "archive"], ...] = ("active", "archive")
SIGN_IN, SIGNED_OUT = 4001, 4003
SEEN_OF_AGENT = ("id", "name", "status", "status_since", "inboxes", "disabled")
_encode = msgspec.json.Encoder().encode


def plain(view: object) -> Any:
    """Return what a client would read of an object."""
    return json.loads(_encode(view))


class Picture(msgspec.Struct, kw_only=True):
    """What an agent sees, by id. People are known by their id, wherever they are shown."""

    conversations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    contacts: dict[str, Any] = {}
    agents: dict[str, Any] = {}

    def put_conversation(self, data: dict[str, Any]) -> None:
        """Take a conversation and the person in it apart."""
        self.contacts[data["contact"]["id"]] = data["contact"]
        self.conversations[data["id"]] = {**data, "contact": data["contact"]["id"]}

    def differences(self, other: Picture) -> list[str]:
        """Say where this one is not like another."""
        found: list[str] = []
        shown = {one["contact"] for one in other.conversations.values()}
        for kind in ("conversations", "messages", "contacts", "agents"):
            mine, theirs = getattr(self, kind), getattr(other, kind)
            for name in mine.keys() | theirs.keys():
                if kind == "contacts" and name not in shown:
                    continue
                one, two = mine.get(name), theirs.get(name)
                if one != two:
                    found.append(f"{kind} {name[:16]}: {_changed(one, two)}")
        return found


def _changed(one: Any, two: Any) -> str:
    if one is None or two is None:
        return (
            f"folded {'nothing' if one is None else one}, read {'nothing' if two is None else two}"
        )
    return ", ".join(
        f"{k}: folded {one[k]!r}, read {two.get(k)!r}" for k in one if one[k] != two.get(k)
    )


Shelf = dict[str, dict[str, Any]]


async def read_all(
    work: Workplace, actor: Actor, *, agents: bool, shelf: Shelf | None = None
) -> Picture:
    """Read everything an agent may see, page by page.

    What stands on the `shelf` (messages by conversation) is not read once more.
    """
    picture = Picture()
    shelf = {} if shelf is None else shelf
    for view in VIEWS:
        await _read_view(work, actor, ConversationFilter(view=view, limit=100), picture)
    for conversation in picture.conversations:
        if conversation not in shelf:
            shelf[conversation] = await _read_messages(work, actor, conversation)
        picture.messages |= shelf[conversation]
    if agents:
        for agent in await work.agents(actor):
            seen = plain(agent)
            picture.agents[agent.id] = {name: seen[name] for name in SEEN_OF_AGENT}
    return picture


async def _read_messages(work: Workplace, actor: Actor, conversation: str) -> dict[str, Any]:
    messages: dict[str, Any] = {}
    more, after = True, ""
    while more:
        found = await work.messages(actor, conversation, after=after, before=None, limit=200)
        messages |= {one.id: plain(one) for one in found.items}
        more, after = found.more, found.items[-1].id if found.items else ""
    return messages


async def _read_view(
    work: Workplace, actor: Actor, wanted: ConversationFilter, picture: Picture
) -> None:
    while True:
        page = await work.conversations(actor, wanted)
        for one in page.items:
            picture.put_conversation(plain(one))
        if page.cursor is None:
            return
        wanted = msgspec.structs.replace(wanted, cursor=page.cursor)


class Follower:
    """One agent at one socket, through the real application."""

    def __init__(self, process: Process, agent: str, token: str, *, leads: bool) -> None:
        """`leads`: the status of others is his business."""
        self.actor = Actor(agent=agent, desk="api")
        self.picture = Picture()
        self.resyncs = 0
        self.connects = 0
        self.cursor: int | None = None
        self._process = process
        self._token = token
        self._leads = leads
        self._gone = asyncio.Event()
        self._signed_out = False
        self._task: asyncio.Task[None] | None = None
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    @property
    def _work(self) -> Workplace:
        return self._process.services.workplace

    async def begin(self) -> None:
        """Take the cursor, then the snapshot, then follow."""
        await self._snapshot()
        self._task = asyncio.create_task(self._follow())

    async def _snapshot(self) -> None:
        cursor = await self._process.live.newest()
        while True:
            # What he loses the right to read while he reads is gone at the next try.
            with suppress(NotFound):
                picture = await self.read()
                break
        # Together or not at all: the connection may be lost in the middle of it.
        self.cursor, self.picture = cursor, picture

    async def read(self, shelf: Shelf | None = None) -> Picture:
        """Read what he would see if he came now."""
        return await read_all(self._work, self.actor, agents=self._leads, shelf=shelf)

    def hang_up(self) -> None:
        """Lose the connection; he comes back with his cursor."""
        self._gone.set()

    def raise_if_failed(self) -> None:
        """Raise what ended him, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def end(self) -> None:
        """Leave for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        """Connect again and again; a socket lives until one side ends it."""
        while True:
            self._gone.clear()
            self.connects += 1
            self._frames = asyncio.Queue()
            taking = asyncio.create_task(self._take_all(self._frames))
            taking.add_done_callback(lambda _, gone=self._gone: gone.set())  # type: ignore[misc]
            try:
                await self._connect()
            finally:
                # What was on its way when the connection was lost is lost.
                taking.cancel()
                with suppress(asyncio.CancelledError):
                    await taking
            if self._signed_out:
                await self._sign_in()

    async def _sign_in(self) -> None:
        """One who was disabled signs in anew once he is not; his old token is gone for good."""

        async def is_enabled() -> bool:
            row = await self._process.rooms.people.agent(self.actor.agent)
            return row is not None and not row.disabled

        await until(is_enabled, 600)
        with suppress(NotFound):  # disabled once more meanwhile
            self._token = await self._process.services.logins.make_token(self.actor.agent, "again")
            self._signed_out = False

    async def _connect(self) -> None:
        hello = {"token": self._token, "after": self.cursor}
        waiting = [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": json.dumps(hello)},
        ]

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop(0)
            await self._gone.wait()
            return {"type": "websocket.disconnect", "code": 1006}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                self._frames.put_nowait(json.loads(message["text"]))
            elif message["type"] == "websocket.close":
                self._signed_out = message["code"] in {SIGN_IN, SIGNED_OUT}
                self._gone.set()

        await self._process.app(_SCOPE.copy(), receive, send)

    async def _take_all(self, frames: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            await self._take(await frames.get())

    async def _take(self, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if kind == "resync":
            self.resyncs += 1
            with suppress(SignedOut):
                await self._snapshot()
        if "seq" not in frame:
            return
        data = frame["data"]
        known = self.picture.conversations
        if kind.startswith("conversation.") and data["id"] not in known:
            # New, or it changed its list between two pages of the snapshot: open it.
            with suppress(NotFound, SignedOut):
                self.picture.messages |= await _read_messages(self._work, self.actor, data["id"])
        self._fold(kind, data)
        self.cursor = frame["seq"]

    def _fold(self, kind: str, data: dict[str, Any]) -> None:
        if kind.startswith("conversation."):
            self.picture.put_conversation(data)
        elif kind.startswith("message.") or kind == "receipt.changed":
            self.picture.messages[data["id"]] = data
        elif kind == "contact.updated":
            self.picture.contacts[data["id"]] = data
        elif kind == "agent.status" and self._leads:
            self.picture.agents[data["id"]] = data


_SCOPE: dict[str, Any] = {
    "type": "websocket",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "ws",
    "path": "/api/v1/events",
    "raw_path": b"/api/v1/events",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
    "subprotocols": [],
    "extensions": {},
}
