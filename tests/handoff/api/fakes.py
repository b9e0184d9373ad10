"""A desk without a store behind it: what the API asks for, kept in memory, and a socket to hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp

from core.config import Config, FrontdeskConfig, Secret
from core.config.lines import Lines
from core.errors import NotFound, Refused, SignedOut
from core.feed import LiveFeed
from core.ports.reading import Rendered, StoredEvent
from core.ports.rooms import Services
from core.ports.views import AgentView, ContactView, ConversationView, Counters
from core.ports.workplace import Actor, SessionView
from handoff.api.gate import Gate
from handoff.api.guesses import Guesses
from handoff.api.plugin import routes_of
from handoff.api.sockets import Sockets
from handoff.api.stream import Stream

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PUBLIC = "http://127.0.0.1:8000"
PASSWORD = "correct horse battery"


def agent_view(name: str, **over: Any) -> AgentView:
    """Return an agent whose id is his name."""
    given: dict[str, Any] = {
        "id": name,
        "name": name.title(),
        "email": f"{name}@acme.example",
        "role": "agent",
        "products": ("acme",),
        "inboxes": ("site",),
        "teams": (),
        "languages": (),
        "status": "online",
        "status_since": NOW,
        "capacities": {},
        "max_total": 20,
        "disabled": False,
        "slack_user": None,
    }
    return AgentView(**{**given, **over})


def conversation_view(name: str, inbox: str = "site") -> ConversationView:
    """Return a waiting conversation whose id is its name."""
    contact = ContactView(id="k1", name="Ada", phone="", email="", username="", attributes={})
    return ConversationView(
        id=name,
        inbox=inbox,
        channel="webchat",
        product="acme",
        state="waiting",
        contact=contact,
        agent=None,
        team=None,
        topic=None,
        tags=(),
        epoch=1,
        created_at=NOW,
        last_message_at=NOW,
        waiting_since=NOW,
        assigned_at=None,
        first_reply_at=None,
        resolved_at=None,
        resolved_by=None,
        ended_by=None,
        window_expires_at=None,
        unread=1,
        ticket=None,
        closed=None,
    )


class FakeLogins:
    """Sessions and tokens by their secrets; every password is the same."""

    def __init__(self) -> None:
        self.agents = {"ann": agent_view("ann"), "bob": agent_view("bob")}
        self.known: dict[str, tuple[Actor, str, str]] = {
            "token-ann": (Actor(agent="ann", desk="api"), "", "l1"),
            "session-ann": (Actor(agent="ann", desk="console"), "csrf-ann", "l2"),
            "session-bob": (Actor(agent="bob", desk="console"), "csrf-bob", "l3"),
        }
        self.fails: Exception | None = None
        self.tries = 0
        self.asked = 0

    async def sign_in(
        self, email: str, password: str, *, address: str
    ) -> tuple[str, str, AgentView]:
        assert address
        self.tries += 1
        if self.fails is not None:
            raise self.fails
        agent = self.agents.get(email.partition("@")[0])
        if agent is None or password != PASSWORD:
            raise SignedOut("The e-mail or the password is wrong.")
        secret = f"session-{agent.id}-{self.tries}"
        actor = Actor(agent=agent.id, desk="console")
        self.known[secret] = (actor, f"csrf-{self.tries}", f"n{self.tries}")
        return secret, f"csrf-{self.tries}", agent

    async def who(self, secret: str) -> tuple[Actor, str, str]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        if secret not in self.known:
            raise SignedOut("You are not signed in. Sign in again.")
        return self.known[secret]

    async def sign_out(self, secret: str) -> None:
        self.known.pop(secret, None)

    async def sessions(self, actor: Actor) -> Sequence[SessionView]:
        return [
            SessionView(id=login, kind="session", name="", created_at="", seen_at="", until="")
            for who, _, login in self.known.values()
            if who.agent == actor.agent
        ]

    async def revoke(self, actor: Actor, login: str) -> None:
        for secret, (who, _, one) in list(self.known.items()):
            if one == login and who.agent == actor.agent:
                del self.known[secret]
                return
        raise NotFound

    async def make_token(self, agent: str, name: str) -> str:
        raise NotImplementedError


class FakeWorkplace:
    """Answers what it was given, and remembers what it was asked: (method, actor, arguments)."""

    def __init__(self, logins: FakeLogins) -> None:
        self._logins = logins
        self.calls: list[tuple[str, Actor, dict[Any, Any]]] = []
        lists = ("status_changes", "products", "inboxes", "teams", "topics", "why", "dead_jobs")
        self.answers: dict[str, Any] = {name: [] for name in (*lists, "webhooks")}
        self.raises: dict[str, Exception] = {}

    async def me(self, actor: Actor) -> AgentView:
        found = self._logins.agents.get(actor.agent)
        if found is None or found.disabled:
            raise SignedOut("This account is disabled.")
        return found

    async def agents(self, actor: Actor) -> Sequence[AgentView]:
        await self.me(actor)
        return list(self._logins.agents.values())

    async def counters(self, actor: Actor, **wanted: str | None) -> Counters:
        self.calls.append(("counters", actor, wanted))
        return Counters(waiting=3, online=2, status="online", status_since=NOW)

    def __getattr__(self, name: str) -> Any:
        async def call(actor: Actor, *given: Any, **named: Any) -> Any:
            arguments: dict[Any, Any] = dict(enumerate(given))
            self.calls.append((name, actor, {**arguments, **named}))
            if name in self.raises:
                raise self.raises[name]
            return self.answers.get(name)

        return call


class FakeFeed:
    """The store's side of the feed: a list."""

    def __init__(self) -> None:
        self.events: list[StoredEvent] = []
        self.oldest = 1

    def add(self, kind: str, *, audience: str = "agents", **names: Any) -> StoredEvent:
        event = StoredEvent(
            seq=self.oldest + len(self.events), at=NOW, type=kind, audience=audience, **names
        )
        self.events.append(event)
        return event

    async def bounds(self) -> tuple[int, int]:
        return self.oldest, self.oldest + len(self.events) - 1

    async def read(self, after: int, limit: int) -> Sequence[StoredEvent]:
        return [event for event in self.events if event.seq > after][:limit]

    async def tail(self, after: int, limit: int) -> tuple[Sequence[StoredEvent], Rendered]:
        events = await self.read(after, limit)
        return events, await self.render(events)

    async def render(self, events: Sequence[StoredEvent]) -> Rendered:
        named = {
            e.conversation: conversation_view(e.conversation) for e in events if e.conversation
        }
        return Rendered(conversations=named, messages={}, contacts={}, agents={}, inboxes={})


class FakeWriter:
    """Takes units and remembers them."""

    def __init__(self) -> None:
        self.units: list[Any] = []
        self.fails: Refused | None = None

    async def ask(self, unit: Any, *, urgent: bool = False) -> object:
        await self.ask_all([unit], urgent=urgent)
        return None

    async def ask_all(self, units: Sequence[Any], *, urgent: bool = False) -> list[object]:
        assert urgent, "an agent waits"
        if self.fails is not None:
            raise self.fails
        self.units += units
        return []


class World:
    """One process's API around these fakes."""

    def __init__(self, public_url: str = PUBLIC, *, tick: float = 0.02) -> None:
        self.logins = FakeLogins()
        self.workplace = FakeWorkplace(self.logins)
        self.feed = FakeFeed()
        self.lane2 = FakeWriter()
        self.writer = FakeWriter()
        self.live = LiveFeed(cast("Any", self.feed), poll_seconds=0.02)
        self.services = Services(
            config=config_of(public_url),
            clock=cast("Any", None),
            process="p1",
            channels={},
            writer=cast("Any", self.writer),
            lane2=cast("Any", self.lane2),
            rooms=cast("Any", None),
            live=self.live,
            workplace=cast("Any", self.workplace),
            logins=self.logins,
            reception=cast("Any", None),
            metrics=cast("Any", None),
            passwords=cast("Any", None),
            tell=lambda _: None,
        )
        self.guesses_now = 0.0
        self.gate = Gate(self.services, guesses=Guesses(lambda: self.guesses_now))
        self.sockets = Sockets(self.services, tick=tick)
        self.stream = Stream(self.gate, self.sockets, hello_seconds=0.2)
        self.app = Starlette(routes=routes_of(self.gate, self.stream))

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """Return a client that talks to the app without a network."""
        peer = options.pop("peer", ("203.0.113.7", 40000))
        transport = httpx2.ASGITransport(app=cast("Any", self.app), client=peer)
        return httpx2.AsyncClient(transport=transport, base_url=PUBLIC, **options)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the tailer and the task that looks after the sockets."""
        await self.live.start()
        tasks = [asyncio.create_task(self.live.run()), asyncio.create_task(self.sockets.watch())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def happen(self, kind: str, **names: Any) -> StoredEvent:
        """Write an event and wake the tailer."""
        event = self.feed.add(kind, **names)
        self.live.wake()
        return event


def config_of(public_url: str) -> Config:
    """Return the least configuration there is."""
    section = FrontdeskConfig(
        public_url=public_url,
        database=Secret("sqlite:///nowhere.db"),
        files=Path("var/files"),
        secret_key=Secret("k" * 48, "old" * 16),
        plugins=("handoff.api",),
    )
    return Config(
        path=Path("plugins.toml"),
        frontdesk=section,
        products={},
        inboxes={},
        desks={},
        warnings=(),
        lines=cast("Lines", None),
    )


class Peer:
    """A client's end of one socket: an ASGI server with two queues."""

    def __init__(self, app: ASGIApp, *, path: str = "/api/v1/events", headers: Any = ()) -> None:
        self._app = app
        pairs = [(b"host", b"127.0.0.1:8000"), *((k.encode(), v.encode()) for k, v in headers)]
        self._scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": pairs,
            "scheme": "ws",
            "subprotocols": [],
            "client": ("203.0.113.7", 40000),
            "server": ("127.0.0.1", 8000),
        }
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Peer:
        self._in.put_nowait({"type": "websocket.connect"})
        run: Any = self._app(self._scope, self._receive, self._send)
        self.task = asyncio.create_task(run)
        self.opening = await self._next()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reading.set()
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})
        assert self.task is not None
        async with asyncio.timeout(5):
            await self.task

    async def _receive(self) -> dict[str, Any]:
        return await self._in.get()

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        self._out.put_nowait(message)

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self._out.get()

    @property
    def accepted(self) -> bool:
        """Say whether the handshake went through."""
        return bool(self.opening["type"] == "websocket.accept")

    def say(self, frame: Any) -> None:
        """Send a frame: text as it is, bytes as binary, anything else as JSON."""
        if isinstance(frame, bytes):
            self._in.put_nowait({"type": "websocket.receive", "bytes": frame})
        else:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            self._in.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> dict[str, Any]:
        """Return the next frame, decoded, or {"closed": code}."""
        message = await self._next()
        if message["type"] == "websocket.close":
            return {"closed": message["code"]}
        return cast("dict[str, Any]", msgspec.json.decode(message["text"]))

    async def pong(self) -> None:
        """Wait until everything said before was answered."""
        self.say({"type": "ping"})
        assert await self.hear() == {"type": "pong"}
