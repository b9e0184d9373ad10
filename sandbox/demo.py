"""What `frontdesk demo` runs: the server, the simulated WhatsApp, a phone page, two agents."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from starlette.routing import BaseRoute

from core import logs
from core.cli import say
from core.config import Config, Secret, load
from core.errors import FrontdeskError
from core.hookspecs import hookimpl
from core.models.people import Agent, Role
from core.ops import COMMAND_LINE
from core.ports.rooms import Services
from core.ports.workplace import Actor, AgentPatch, NewAgent
from core.process import Process
from core.serving import PortBusy, listen, make_server, new_loop, open_process, serve
from sandbox import server as simulators
from sandbox.demo_folder import Folder
from sandbox.graph import Graph, Line
from sandbox.payloads import Customer, Number
from sandbox.phone import build_demo_app
from sandbox.threads import Chat
from sandbox.webhooks import Webhook

HOST: Final = "127.0.0.1"
PORTS: Final = 100
PACE: Final = timedelta(milliseconds=400)
CUSTOMERS: Final = (
    ("Elif Kaya", "905321110001", ("Hello, is the oak lamp in stock?", "Where is my order?")),
    ("Jonas Weber", "4915110000002", ("My new bike squeaks.", "Can I come by on Saturday?")),
    ("Mei Lin", "8613800000003", ("你好", "Do you ship to Shanghai?")),
    ("Omar Haddad", "971500000004", ("I was charged twice 😕", "Thank you!")),
)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A demo agent, and the host under which his console is opened."""

    name: str
    email: str
    role: Role
    host: str


PEOPLE: Final = (
    Person(name="Ayşe", email="ayse@demo.example", role="supervisor", host=HOST),
    Person(name="Deniz", email="deniz@demo.example", role="agent", host="localhost"),
)


def run(path: Path, *, reset: bool, port: int, tokens: bool) -> None:
    """Run until Ctrl-C."""
    logs.set_up(level="warning")
    folder = Folder(path)
    with say.starting():
        if reset:
            folder.wipe()
        folder.need_free()
        listener = free_port(port)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            started = runner.run(serve_demo(folder, listener, tokens=tokens))
    if not started:
        say.stop("It could not start; the log above says why.")
    say.line("Stopped. `make run` goes on where you left, `make run RESET=1` begins anew.")


def free_port(port: int) -> socket.socket:
    """Open this port or the next free one."""
    for candidate in range(port, min(port + PORTS, 65535)):
        try:
            return listen(HOST, candidate)
        except PortBusy:
            continue
    return listen(HOST, 0)


async def serve_demo(folder: Folder, listener: socket.socket, *, tokens: bool) -> bool:
    """Serve everything until a signal comes; say whether it started."""
    here = f"http://{HOST}:{listener.getsockname()[1]}"
    graph = Graph([], pace=PACE)
    try:
        async with simulator(graph, folder.graph_port()) as api_base:
            folder.write(public_url=here, api_base=api_base)
            chats = chats_of(load(folder.config, create_key=True))
            pages = Pages(folder, graph, chats, tokens=tokens)
            with open_process(folder.config, more={"sandbox.demo": pages}) as process:
                for line in lines_of(process, here, api_base):
                    graph.put_line(line)
                server = make_server(process, lambda: pages.tell(here))
                return await serve(server, listener)
    finally:
        await graph.close()


@asynccontextmanager
async def simulator(graph: Graph, port: int) -> AsyncIterator[str]:
    """Serve the simulated Graph API, on the port of the last time when it is free."""
    try:
        listen(HOST, port).close()
    except PortBusy:
        port = 0
    async with simulators.serve(graph.asgi(), host=HOST, port=port) as address:
        yield address


def chats_of(config: Config) -> list[Chat]:
    """Return the customers' chats, spread over the WhatsApp inboxes of the file."""
    numbers = [
        str(inbox.options.get("phone_number_id", ""))
        for inbox in config.inboxes.values()
        if inbox.channel == "whatsapp"
    ]
    return [
        Chat(
            id=f"chat-{place}",
            customer=Customer(wa_id=wa_id, name=name),
            phone_number_id=numbers[place % len(numbers)],
            ideas=ideas,
        )
        for place, (name, wa_id, ideas) in enumerate(CUSTOMERS)
        if numbers
    ]


def lines_of(process: Process, here: str, api_base: str) -> list[Line]:
    """Return what the simulator must know of each inbox; a real address is refused."""
    lines = []
    for inbox in process.config.inboxes.values():
        options = process.options[inbox.name]
        if getattr(options, "api_base", api_base) != api_base:
            raise FrontdeskError(
                f"The inbox {inbox.name} names no api_base: a demo talks to its simulator only. "
                f'Add api_base = "{api_base}".'
            )
        if inbox.channel != "whatsapp":
            continue
        webhook = Webhook(
            url=f"{here}/inboxes/{inbox.name}/webhook", app_secret=secret(options, "app_secret")
        )
        number = Number(
            phone_number_id=str(getattr(options, "phone_number_id", "")), waba_id="100000000000000"
        )
        lines.append(
            Line(
                number=number,
                title=process.config.products[inbox.product].title,
                access_token=secret(options, "access_token"),
                webhook=webhook,
            )
        )
    return lines


def secret(options: msgspec.Struct, name: str) -> str:
    """Return the first value of a secret option."""
    value = getattr(options, name, None)
    return value.first if isinstance(value, Secret) else ""


class Pages:
    """The plugin of the demo: the phone page at /, and two agents who are online."""

    def __init__(
        self, folder: Folder, graph: Graph, chats: Sequence[Chat], *, tokens: bool
    ) -> None:
        """Lay out the page; `tokens` = make API tokens as well."""
        self._folder = folder
        self._wants_tokens = tokens
        self._phone = build_demo_app(graph, chats)
        self._tokens: dict[str, str] = {}

    @hookimpl
    def register_routes(self) -> Sequence[BaseRoute]:
        """Hand over the phone, at / and beside it."""
        return self._phone.routes

    @hookimpl
    async def on_startup(self, services: Services) -> None:
        """Make the agents, or bring back those of the last time."""
        people = services.rooms.people
        inboxes = tuple(row.name for row in await people.inboxes() if row.state == "attached")
        for person in PEOPLE:
            found = await people.agent_by_email(person.email)
            agent = found[0] if found else await self._add(services, person)
            if set(inboxes) - set(agent.inboxes):
                patch = AgentPatch(inboxes=inboxes)
                await services.workplace.change_agent(COMMAND_LINE, agent.id, patch)
            await be_online(services, agent)
            if self._wants_tokens:
                self._tokens[person.email] = await services.logins.make_token(agent.id, "demo")

    async def _add(self, services: Services, person: Person) -> Agent:
        new = NewAgent(
            email=person.email,
            name=person.name,
            role=person.role,
            password=self._folder.password(person.email),
        )
        added = await services.workplace.add_agent(COMMAND_LINE, new)
        agent = await services.rooms.people.agent(added.id)
        assert agent is not None  # noqa: S101 - it was added a moment ago
        return agent

    def tell(self, here: str) -> None:
        """Print where everything is."""
        port = here.rpartition(":")[2]
        say.line()
        say.line("Frontdesk demo: a simulation on this computer, nothing reaches WhatsApp.")
        say.line()
        say.line(f"  Customers' phone   {here}/")
        for person in PEOPLE:
            place = f"http://{person.host}:{port}/console"
            say.line(f"  Console of {person.name:6}  {place}")
            say.line(f"    {person.email}   {self._folder.password(person.email)}   {person.role}")
            if person.email in self._tokens:
                say.line(f"    API token {self._tokens[person.email]}")
        say.line(f"  API                {here}/openapi.json")
        say.line()
        say.line("  The two consoles have different hosts, so both can be open in one browser.")
        say.line(f"  Files: {self._folder.config}")
        say.line("  Stop: Ctrl-C    Begin anew: make run RESET=1")
        say.line(f"  For real: {say.COMMAND} init")


async def be_online(services: Services, agent: Agent) -> None:
    """Begin a stint that needs no open console: an empty demo has none."""
    actor = Actor(agent=agent.id, desk="demo")
    if agent.status == "online" and agent.desk == "demo":
        return
    if agent.status == "online":
        await services.workplace.set_status(actor, "invisible")
    await services.workplace.set_status(actor, "online")
