"""A whole Frontdesk for browser tests: one process on SQLite, a simulated Graph API, agents."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from core.config import load
from core.config.checks import import_plugins
from core.hooks import Hooks
from core.models.people import Role, Status
from core.ports.reading import ConversationFilter
from core.ports.rooms import StoreKind
from core.ports.views import ConversationView, MessageView
from core.ports.workplace import Actor, NewAgent
from core.process import Process
from sandbox.graph import Graph, Line
from sandbox.payloads import Customer, Json, Number, encode_body, message_item, new_wamid, text
from sandbox.server import serve
from sandbox.webhooks import Webhook

PASSWORD = "correct horse battery"
SECRET = "app-secret-of-the-test"
LINES = {"acme-wa": Number(phone_number_id="1055", waba_id="7")}
_PLUGINS = """
[frontdesk]
public_url = "http://127.0.0.1:8000"
database = "sqlite:///frontdesk.db"
secret_key = {{ file = "secret_key" }}
plugins = ["plugins.sql", "handoff", "handoff.api", "handoff.console", "plugins.whatsapp"]

[products.acme]
name = "Acme"
timezone = "Europe/Istanbul"

[inboxes.acme-wa]
channel = "whatsapp"
product = "acme"
phone_number_id = "1055"
access_token = "t"
app_secret = "{secret}"
verify_token = "v"
api_base = "{graph}"
"""


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can sign in."""

    id: str
    email: str
    name: str
    actor: Actor


class Office:
    """The running server and what a test does to it from outside the browser."""

    def __init__(self, process: Process, graph: Graph, url: str) -> None:
        self.process = process
        self.graph = graph
        self.url = url
        self.work = process.services.workplace
        self._rng = Random(11)
        self._inbox = "acme-wa"

    async def hire(
        self, name: str, *, role: Role = "agent", status: Status = "offline"
    ) -> Colleague:
        """Add an agent for every inbox; a stint begun here needs no console."""
        email = f"{name.lower()}@acme.example"
        new = NewAgent(email=email, name=name, role=role, inboxes=(self._inbox,), password=PASSWORD)
        view = await self.work.add_agent(Actor(agent="", desk="cli"), new)
        one = Colleague(id=view.id, email=email, name=name, actor=Actor(agent=view.id, desk="api"))
        if status != "offline":
            await self.work.set_status(one.actor, status)
        return one

    async def write(
        self, customer: Customer, words: str | Json, *, ago: timedelta = timedelta()
    ) -> None:
        """Have a customer write; returns once the server has stored it."""
        item = message_item(
            LINES[self._inbox],
            customer,
            text(words) if isinstance(words, str) else words,
            wamid=new_wamid(customer.wa_id, self._rng, inbound=True),
            at=datetime.now(UTC) - ago,
        )
        webhook = self.graph.lines[LINES[self._inbox].phone_number_id].webhook
        assert webhook is not None
        assert await self.graph.webhooks.post(webhook, encode_body([item])) == 200

    async def conversation(self, customer: Customer) -> ConversationView:
        """Return the conversation of a customer, open or archived."""
        filters = (ConversationFilter(view="active"), ConversationFilter(view="archive"))
        for wanted in filters:
            for found in (await self.work.conversations(await self._anybody(), wanted)).items:
                if found.contact.name == customer.name:
                    return found
        raise LookupError(customer.name)

    async def messages(self, customer: Customer) -> tuple[MessageView, ...]:
        """Return the newest messages in a customer's conversation."""
        found = await self.conversation(customer)
        page = await self.work.messages(
            await self._anybody(), found.id, after=None, before=None, limit=200
        )
        return page.items

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for a condition on the simulated Graph API."""
        await self.graph.until(happened)

    async def _anybody(self) -> Actor:
        return Actor(agent=(await self.process.rooms.people.agents())[0].id, desk="api")


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Office]:
    """Start everything in this loop; a store in `folder`, the addresses on free loopback ports."""
    graph = Graph([], rng=Random(3))
    async with contextlib.AsyncExitStack() as stack:
        graph_url = await stack.enter_async_context(serve(graph.asgi()))
        process = _make(folder, graph_url)
        url = await stack.enter_async_context(serve(process.app))
        for inbox, number in LINES.items():
            webhook = Webhook(url=f"{url}/inboxes/{inbox}/webhook", app_secret=SECRET)
            graph.put_line(Line(number=number, title="Acme", access_token="t", webhook=webhook))
        await process.start()
        try:
            yield Office(process, graph, url)
        finally:
            await graph.close()
            await process.stop()


def _make(folder: Path, graph_url: str) -> Process:
    path = folder / "plugins.toml"
    path.write_text(_PLUGINS.format(secret=SECRET, graph=graph_url))
    path.chmod(0o600)
    config = load(path, create_key=True)
    hooks = Hooks(import_plugins(config))
    kinds: dict[str, StoreKind] = {s: kind for kind in hooks.stores() for s in kind.schemes}
    kinds["sqlite"].migrate(config.frontdesk.database.first)
    return Process(config, hooks)
