"""A desk of its own for a journey: a plugins.toml, a database, agents at work, free ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.config import load
from core.config.checks import import_plugins
from core.hooks import Hooks
from core.ports.workplace import AgentPatch, NewAgent, ProductPatch
from core.process import Process
from handoff.admin import SYSTEM, AddAgent, ChangeAgent, SetProduct
from sandbox.payloads import Number

APP_SECRET = "journey-app-secret"
ACCESS_TOKEN = "journey-access-token"
INBOXES = ("north", "south")
NUMBERS = tuple(
    Number(phone_number_id=str(1001 + place), waba_id="77", display_phone_number=f"1555000{place}")
    for place in range(len(INBOXES))
)
_FILE = """
[frontdesk]
public_url = "http://127.0.0.1:{port}"
database = "{database}"
durability = "{durability}"
plugins = ["plugins.sql", "handoff", "handoff.api", "plugins.whatsapp"]

[products.acme]
name = "Acme"
timezone = "Europe/Istanbul"
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


class Hired(msgspec.Struct, frozen=True, kw_only=True):
    """An agent with an API token."""

    id: str
    name: str
    token: str


def free_port() -> int:
    """Find a port below those the system gives to clients.

    While its server is dead, a client's own connection could otherwise be given it.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def write_config(
    folder: Path, *, port: int, database: str, graph: str, durability: str = "full"
) -> Path:
    """Write plugins.toml and its key; two WhatsApp inboxes that call `graph`."""
    text = _FILE.format(port=port, database=database, durability=durability)
    for name, number in zip(INBOXES, NUMBERS, strict=True):
        text += _INBOX.format(
            name=name,
            number=number.phone_number_id,
            token=ACCESS_TOKEN,
            secret=APP_SECRET,
            graph=graph,
        )
    path = folder / "plugins.toml"
    path.write_text(text)
    path.chmod(0o600)
    load(path, create_key=True)
    return path


async def hire(config: Path, names: Sequence[str]) -> list[Hired]:
    """Bring the store in line with the file and hire agents, with room for everything."""
    loaded = load(config)
    process = Process(loaded, Hooks(import_plugins(loaded)))
    try:
        await process.start()
    except BaseException:
        await process.close()
        raise
    try:
        room = ProductPatch(capacity=100_000, unanswered_max=100_000)
        await process.writer.ask(SetProduct(actor=SYSTEM, product="acme", patch=room))
        hired = []
        for name in names:
            new = NewAgent(email=f"{name.lower()}@acme.example", name=name, inboxes=INBOXES)
            agent = str(await process.writer.ask(AddAgent(actor=SYSTEM, new=new)))
            most = AgentPatch(max_total=1000)
            await process.writer.ask(ChangeAgent(actor=SYSTEM, agent=agent, patch=most))
            token = await process.services.logins.make_token(agent, "journey")
            hired.append(Hired(id=agent, name=name, token=token))
        return hired
    finally:
        await process.stop()
