"""An agent's program: a stream that resumes by its cursor, and replies that repeat their key."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from random import Random
from typing import Any

import aiohttp

from tests.journeys.evidence import Shown, Written
from tests.journeys.place import Hired
from tests.journeys.ring import Ring

API = "/api/v1"
PAUSE_SECONDS = 0.1
REPEATED = 0.1
NOTED = 0.1
_LOST = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Refusal(Exception):
    """The server refused for good."""


class AgentClient:
    """One agent. Prefers the server of its place in the ring."""

    def __init__(self, hired: Hired, ring: Ring, place: int, rng: Random) -> None:
        """Connect to nothing yet."""
        self.hired = hired
        self.start = 0
        self.cursor: int | None = None
        self.frames: list[Shown] = []
        self.resyncs = 0
        self.connects = 0
        self.owners: dict[str, str | None] = {}
        self.customers: dict[str, str] = {}
        self.written: list[Written] = []
        self.pace = 0.0
        self.is_stopping = False
        self.avoids: frozenset[str] = frozenset()
        self.ring = ring
        self._place = place
        self._rng = rng
        self._session: aiohttp.ClientSession | None = None
        self._headers = {"Authorization": f"Bearer {hired.token}"}

    # -- asking ----------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Make one request until it is answered; Refusal for a 4xx."""
        while True:
            status, body = await self.ask_once(method, path, **options)
            if status is not None and status < 300:
                return body
            if is_final(status):
                raise Refusal(f"{method} {path}: {status} {body}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask_once(self, method: str, path: str, **options: Any) -> tuple[int | None, Any]:
        """Make one request; None when no answer came."""
        url = self.ring.choose(self._place).url + API + path
        headers = self._headers | options.pop("headers", {})
        try:
            async with self._client().request(method, url, headers=headers, **options) as response:
                return response.status, await _body(response)
        except _LOST:
            return None, None

    # -- the stream ------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take the cursor from which the stream goes on."""
        self.start = self.cursor = (await self.ask("GET", "/events"))["cursor"]

    async def listen(self) -> None:
        """Follow the stream until cancelled, whatever happens to the servers."""
        while True:
            url = self.ring.choose(self._place).url + API + "/events"
            with suppress(*_LOST):
                async with self._client().ws_connect(url, max_msg_size=0) as socket:
                    await socket.send_json({"token": self.hired.token, "after": self.cursor})
                    self.connects += 1
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            self.take(json.loads(message.data))
            await asyncio.sleep(PAUSE_SECONDS)

    def take(self, frame: dict[str, Any]) -> None:
        """Note one frame."""
        if frame["type"] == "resync":
            self.resyncs += 1
        if "seq" not in frame:
            return
        data = frame.get("data") or {}
        kind = frame["type"]
        if kind.startswith("conversation."):
            self.owners[data["id"]] = data["agent"] if data["state"] == "active" else None
            self.customers[data["id"]] = data["contact"]["name"]
        self.frames.append(shown(frame))
        self.cursor = frame["seq"]
        self.ring.changes.tell()

    # -- writing ---------------------------------------------------------------------------------

    def mine(self) -> list[str]:
        """List the conversations that are mine as far as the stream has told, not the avoided."""
        return [
            one
            for one, owner in self.owners.items()
            if owner == self.hired.id and self.customers[one] not in self.avoids
        ]

    async def write(self) -> None:
        """Answer customers until told to stop; a key in doubt is repeated first."""
        while not self.is_stopping:
            if self.pace:
                await asyncio.sleep(self.pace)
            mine = self.mine()
            if not mine:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            await self.say(self._rng.choice(mine), note=self._rng.random() < NOTED)

    async def say(self, conversation: str, *, note: bool = False) -> Written:
        """Write once, and sometimes again with the same key after it was answered."""
        number = len(self.written)
        one = Written(
            key=f"{self.hired.name}-{number}",
            agent=self.hired.id,
            conversation=conversation,
            text=f"{'note' if note else 'answer'} {number} of {self.hired.name}",
            note=note,
        )
        self.written.append(one)
        await self._insist(one)
        if one.answers and self._rng.random() < REPEATED:
            await self._insist(one)
        self.ring.changes.tell()
        return one

    async def _insist(self, one: Written) -> None:
        """Send it until there is an answer, with the same key each time."""
        while True:
            status, body = await self.ask_once(
                "POST",
                f"/conversations/{one.conversation}/messages",
                json={"text": one.text, "note": one.note},
                headers={"Idempotency-Key": one.key},
            )
            if status is None:
                one.lost += 1
            elif status < 300:
                one.answers.append(body["id"])
                return
            elif is_final(status):
                self._refused(one, f"{status} {body}")
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _refused(self, one: Written, why: str) -> None:
        one.refused = why
        self.owners[one.conversation] = None
        if one.answers:
            one.answers.append(f"refused: {why}")  # a key that was answered once never is

    @property
    def accepted(self) -> int:
        """Count the replies that were accepted."""
        return sum(1 for one in self.written if one.answers and not one.note)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def is_final(status: int | None) -> bool:
    """Whether asking again would not change the answer."""
    return status is not None and 400 <= status < 500 and status != 429


async def _body(response: aiohttp.ClientResponse) -> Any:
    if response.content_type != "application/json":
        return await response.text()
    return await response.json()


def shown(frame: dict[str, Any]) -> Shown:
    """Read a frame of the stream, or of GET /events."""
    data = frame.get("data") or {}
    is_message = "author" in data
    return Shown(
        seq=frame["seq"],
        type=frame["type"],
        message=data["id"] if is_message else None,
        conversation=frame.get("conversation"),
        source_id=data.get("source_id") if is_message else None,
    )
