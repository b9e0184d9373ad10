"""Two real servers on one PostgreSQL, the provider they call, and those who write to them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import sqlalchemy as sa

from core.config import load
from core.config.checks import import_plugins
from core.hooks import Hooks
from core.ports.workplace import Actor, AgentPatch, NewAgent, ProductPatch
from core.process import Process
from handoff.admin import SYSTEM, AddAgent, ChangeAgent, SetProduct
from handoff.statuses import SetStatus
from sandbox.graph import Graph, Line
from sandbox.payloads import Customer, Number, encode_body, message_item, sign, text
from sandbox.server import serve
from tests.core.station import until
from tests.journeys.place import Hired, free_port
from tests.journeys.program import Program

API = "/api/v1"
SECRET = "app-secret-of-the-pair"
TOKEN = "access-token-of-the-pair"
WITHIN = 60.0
_HEAD = """
[frontdesk]
public_url = "http://127.0.0.1:1"
database = "{database}"
plugins = ["plugins.sql", "handoff", "handoff.api", "plugins.whatsapp"]
[products.acme]
name = "Acme"
"""
_INBOX = """
[inboxes.{name}]
channel = "whatsapp"
product = "acme"
phone_number_id = "{number}"
access_token = "{token}"
app_secret = "{secret}"
verify_token = "a verify token"
api_base = "{graph}"
"""


class Pair:
    """Both servers, by place 0 and 1, and one client for everything."""

    def __init__(
        self,
        programs: Sequence[Program],
        graph: Graph,
        engine: sa.Engine,
        session: aiohttp.ClientSession,
        numbers: dict[str, Number],
    ) -> None:
        """Nothing runs yet."""
        self.programs = programs
        self.graph = graph
        self.agents: list[Hired] = []
        self.numbers = numbers
        self._session = session
        self._link = engine.connect()
        self._told = 0

    # -- the customers' side -----------------------------------------------------------------------

    def body(self, inbox: str, customer: str, words: str, wamid: str = "") -> bytes:
        """Make a webhook body of one message."""
        self._told += 1
        item = message_item(
            self.numbers[inbox],
            Customer(wa_id=customer, name=f"Customer {customer}"),
            text(words),
            wamid=wamid or f"wamid.{self._told}.{customer}",
            at=datetime.now(UTC),
        )
        return encode_body([item])

    async def post(self, place: int, inbox: str, body: bytes) -> int:
        """Post once; 0 when no answer came."""
        url = f"{self.programs[place].url}/inboxes/{inbox}/webhook"
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": sign(SECRET, body)}
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return 0

    async def writes(self, place: int, inbox: str, customer: str, words: str = "hello") -> None:
        """A customer writes until a server has taken it: this one first, then the other."""
        body = self.body(inbox, customer, words)
        places = cycle((place, 1 - place))

        async def is_taken() -> bool:
            return await self.post(next(places), inbox, body) == 200

        await until(is_taken, WITHIN)

    # -- the agents' side --------------------------------------------------------------------------

    async def act(
        self, place: int, agent: Hired, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[int, Any]:
        """Make one request as an agent; 0 when no answer came."""
        headers = {"Authorization": f"Bearer {agent.token}"}
        if key:
            headers["Idempotency-Key"] = key
        url = self.programs[place].url + API + path
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return 0, None

    async def insist(
        self, place: int, agent: Hired, method: str, path: str, body: object = None, key: str = ""
    ) -> Any:
        """Repeat a request that is safe to repeat until it is answered, at either server."""
        async with asyncio.timeout(WITHIN):
            while True:
                status, answer = await self.act(place, agent, method, path, body, key)
                if 200 <= status < 500:
                    assert status < 300, (method, path, status, answer)
                    return answer
                place = 1 - place
                await asyncio.sleep(0.05)

    # -- the tables --------------------------------------------------------------------------------

    def ask(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return what a statement finds in the tables."""
        return self._link.exec_driver_sql(sql).all()

    def one(self, sql: str) -> Any:
        """Return one value."""
        return self.ask(sql)[0][0]

    def holder_of(self, lease: str) -> int | None:
        """Return the place of the server that holds a lease."""
        found = self.ask(f"SELECT holder FROM lease WHERE name = '{lease}'")  # noqa: S608
        for place, program in enumerate(self.programs):
            if found and f"-{program.pid}-" in found[0][0]:
                return place
        return None

    # -- the machine -------------------------------------------------------------------------------

    async def is_stopped(self, place: int) -> None:
        """Wait until a server has been stopped by a signal."""
        stat = Path(f"/proc/{self.programs[place].pid}/stat")
        await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", WITHIN)

    def pause(self, place: int) -> None:
        """Stop a server where it stands."""
        os.kill(self.programs[place].pid, signal.SIGSTOP)

    def go_on(self, place: int) -> None:
        """Let a stopped server go on."""
        os.kill(self.programs[place].pid, signal.SIGCONT)

    def close(self) -> None:
        """Hang up."""
        self._link.close()


def _write(folder: Path, database: str, graph: str, numbers: dict[str, Number]) -> list[Path]:
    """Write one plugins.toml for each server; PostgreSQL knows them by name."""
    paths = []
    for name in ("first", "second"):
        content = _HEAD.format(database=f"{database}?application_name={name}")
        for inbox, number in numbers.items():
            content += _INBOX.format(
                name=inbox,
                number=number.phone_number_id,
                token=TOKEN,
                secret=SECRET,
                graph=graph,
            )
        home = folder / name
        home.mkdir()
        path = home / "plugins.toml"
        path.write_text(content)
        path.chmod(0o600)
        load(path, create_key=True)
        paths.append(path)
    return paths


async def _hire(config: Path, inboxes: tuple[str, ...], count: int) -> list[Hired]:
    """Hire agents who are online, with room for everything; the first is admin."""
    loaded = load(config)
    process = Process(loaded, Hooks(import_plugins(loaded)))
    await process.start()
    ask = process.writer.ask
    hired = []
    try:
        room = ProductPatch(capacity=100_000, unanswered_max=100_000, claim="agents")
        await ask(SetProduct(actor=SYSTEM, product="acme", patch=room))
        for number in range(count):
            role: Any = "admin" if number == 0 else "supervisor"
            new = NewAgent(email=f"a{number}@acme.example", role=role, inboxes=inboxes)
            agent = str(await ask(AddAgent(actor=SYSTEM, new=new)))
            patch = AgentPatch(max_total=1000)
            await ask(ChangeAgent(actor=SYSTEM, agent=agent, patch=patch))
            token = await process.services.logins.make_token(agent, "pair")
            await ask(SetStatus(actor=Actor(agent=agent, desk="api"), agent=agent, status="online"))
            hired.append(Hired(id=agent, name=f"a{number}", token=token))
        return hired
    finally:
        await process.stop()


@asynccontextmanager
async def open_pair(
    folder: Path, database: str, *, inboxes: Iterable[str] = ("shop", "care"), agents: int = 3
) -> AsyncIterator[Pair]:
    """Start a provider, hire agents, start both servers; end everything that was started."""
    numbers = {
        name: Number(phone_number_id=str(501 + place), waba_id="5")
        for place, name in enumerate(inboxes)
    }
    lines = [Line(number=number, title="Acme", access_token=TOKEN) for number in numbers.values()]
    graph = Graph(lines, statuses=(), rng=Random(2))
    async with (
        serve(graph.asgi()) as address,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30)
        ) as session,
    ):
        configs = _write(folder, database, address, numbers)
        programs = [
            Program(path, port=free_port(), folder=path.parent, name=path.parent.name)
            for path in configs
        ]
        engine = sa.create_engine(
            sa.make_url(database), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool
        )
        pair = Pair(programs, graph, engine, session, numbers)
        try:
            pair.agents = await _hire(configs[0], tuple(numbers), agents)
            for program in programs:
                flag = program.flags / "stop"
                points = f"writer1.before_commit=stop@{flag}"
                await program.start(env={"FRONTDESK_FAILPOINTS": points})
            yield pair
        finally:
            for program in programs:
                if program.is_up:
                    os.kill(program.pid, signal.SIGCONT)
                    await program.stop()
            pair.close()
            engine.dispose()
            await graph.close()
