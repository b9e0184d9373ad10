"""Frontdesk as the server under test: a plugins.toml of its own, agents who take everything.

`python -m bench.ours CONFIG AGENTS` makes the schema and the agents and prints their API tokens.
The agents are made by units before the server starts, so the server itself is as it ships.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

import msgspec
from typing_extensions import override

from bench.bodies import INBOX, NUMBER, SECRET
from core.config import load
from core.config.checks import import_plugins
from core.hooks import Hooks
from core.models.people import Agent, Product
from core.models.row import Key
from core.ports.workplace import Actor, NewAgent
from core.process import Process
from core.stores import store_kind
from core.units import Ask, Decision
from core.views import View
from core.world import World
from handoff.admin import SYSTEM, AddAgent
from handoff.statuses import SetStatus

ROOM = 100_000_000
PLUGINS = ("plugins.sql", "handoff", "handoff.api", "plugins.whatsapp")


def write_config(
    folder: Path, *, database: str, durability: str = "full", inboxes: bool = True
) -> Path:
    """Write a plugins.toml into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "[frontdesk]",
        f'database = "{database}"',
        f'durability = "{durability}"',
        f"plugins = {msgspec.json.encode(PLUGINS).decode()}",
    ]
    if inboxes:
        lines += [
            "[products.acme]",
            'name = "Acme"',
            f"[inboxes.{INBOX}]",
            'channel = "whatsapp"',
            'product = "acme"',
            f'phone_number_id = "{NUMBER}"',
            'access_token = "unused"',
            f'app_secret = "{SECRET}"',
            'verify_token = "unused"',
            'api_base = "http://127.0.0.1:9"',
        ]
    path = folder / "plugins.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def make_process(path: Path, kind: type[Process] = Process) -> Process:
    """Build the process that `frontdesk serve` would serve."""
    config = load(path, create_key=True)
    return kind(config, Hooks(import_plugins(config)))


def migrate(path: Path) -> None:
    """Make the schema."""
    config = load(path, create_key=True)
    url = config.frontdesk.database.first
    store_kind(Hooks(import_plugins(config)), url).migrate(url)


class MakeRoom(Ask, frozen=True, kw_only=True):
    """Let one agent take any number of conversations: a run must not end with a full desk."""

    agent: str
    product: str

    @override
    def needs(self) -> tuple[Key | View, ...]:
        """Both rows."""
        return ((Agent, self.agent), (Product, self.product))

    def decide(self, world: World) -> Decision:
        """Lift all three bounds."""
        agent = world.need(Agent, self.agent)
        product = world.need(Product, self.product)
        roomy = msgspec.structs.replace(agent, capacities={product.name: ROOM}, max_total=ROOM)
        return Decision(rows=(roomy, msgspec.structs.replace(product, unanswered_max=ROOM)))


async def seed(path: Path, agents: int) -> list[str]:
    """Make agents who are online from the API, with endless room; return their tokens."""
    process = make_process(path)
    await process.start()
    tokens = []
    try:
        for number in range(agents):
            new = NewAgent(
                email=f"agent{number}@acme.example", name=f"A {number}", inboxes=(INBOX,)
            )
            agent = cast("str", await process.writer.ask(AddAgent(actor=SYSTEM, new=new)))
            await process.writer.ask(MakeRoom(agent=agent, product="acme"))
            actor = Actor(agent=agent, desk="api")
            await process.writer.ask(SetStatus(actor=actor, agent=agent, status="online"))
            tokens.append(await process.services.logins.make_token(agent, "bench"))
    finally:
        await process.stop()
    return tokens


def main() -> None:
    """Make the schema and the agents."""
    path = Path(sys.argv[1])
    migrate(path)
    tokens = asyncio.run(seed(path, int(sys.argv[2]))) if int(sys.argv[2]) else []
    print(msgspec.json.encode(tokens).decode())


if __name__ == "__main__":
    main()
