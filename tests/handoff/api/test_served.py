"""The API as it is served: uvicorn, sockets, the store. Two processes where the store allows it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from core.config import load
from core.config.checks import import_plugins
from core.errors import SignedOut
from core.hooks import Hooks
from core.ports.workplace import AgentPatch, NewAgent
from core.process import Process
from handoff.admin import SYSTEM

PASSWORD = "correct horse battery"
EMAIL = "ann@acme.example"
SOON = 2.0
"""Within how many seconds the end of a login must be felt everywhere."""


class Node:
    """One serving process."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.host = f"127.0.0.1:{port}"

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """Return a client of this process."""
        return httpx2.AsyncClient(base_url=f"http://{self.host}/api/v1", headers=headers)

    def socket(self, **headers: str) -> Any:
        """Open a socket; `origin` among the headers."""
        return connect(f"ws://{self.host}/api/v1/events", additional_headers=headers)


@asynccontextmanager
async def served(folder: Path, database: str) -> AsyncIterator[Node]:
    """Serve one process on a free port."""
    path = folder / "plugins.toml"
    path.write_text(
        f'[frontdesk]\ndatabase = "{database}"\n'
        'plugins = ["plugins.sql", "handoff", "handoff.api"]\n'
    )
    config = load(path, create_key=True)
    process = Process(config, Hooks(import_plugins(config)))
    settings = uvicorn.Config(
        process.app, host="127.0.0.1", port=0, log_level="error", ws="websockets-sansio"
    )
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
    try:
        yield Node(process, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await task


@pytest.fixture(name="nodes")
async def _nodes(tmp_path: Path, database_url: str) -> AsyncIterator[list[Node]]:
    async with AsyncExitStack() as stack:
        count = 1 if database_url.startswith("sqlite") else 2
        nodes = [
            await stack.enter_async_context(served(tmp_path, database_url)) for _ in range(count)
        ]
        workplace = nodes[0].process.services.workplace
        await workplace.add_agent(SYSTEM, NewAgent(email=EMAIL, role="admin", password=PASSWORD))
        yield nodes


async def sign_in(node: Node) -> dict[str, str]:
    """Sign ann in; return the headers of her page."""
    async with node.client() as client:
        answer = await client.post("/session", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    cookie = answer.headers.get_list("set-cookie")[0].partition(";")[0]
    return {
        "cookie": cookie,
        "x-csrf-token": answer.json()["csrf"],
        "id": answer.json()["agent"]["id"],
    }


async def hello(socket: ClientConnection, **said: Any) -> None:
    """Say hello and wait until it was heard."""
    await socket.send(json.dumps({"after": None, **said}))
    await socket.send('{"type": "ping"}')
    async with asyncio.timeout(5):
        assert json.loads(await socket.recv()) == {"type": "pong"}


async def closed(socket: ClientConnection) -> int:
    """Wait for the close; return its code."""
    async with asyncio.timeout(SOON + 3):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return cast("int", socket.close_code)


async def sign_out(node: Node, page: dict[str, str]) -> None:
    async with node.client(**page) as client:
        assert (await client.delete("/session")).status_code == 204


async def disable(node: Node, page: dict[str, str]) -> None:
    workplace = node.process.services.workplace
    await workplace.change_agent(SYSTEM, page["id"], AgentPatch(disabled=True))


async def change_password(node: Node, page: dict[str, str]) -> None:
    workplace = node.process.services.workplace
    await workplace.change_agent(SYSTEM, page["id"], AgentPatch(password="another horse battery"))


async def revoke(node: Node, page: dict[str, str]) -> None:
    async with node.client(**page) as client:
        (one,) = (await client.get("/sessions")).json()["items"]
        assert (await client.delete(f"/sessions/{one['id']}")).status_code == 204


@pytest.mark.parametrize("end", [sign_out, disable, change_password, revoke])
async def test_the_end_of_a_login_is_felt_everywhere_within_two_seconds(
    nodes: list[Node], end: Any
) -> None:
    page = await sign_in(nodes[0])
    there = nodes[-1]
    headers = {"cookie": page["cookie"], "origin": f"http://{there.host}"}
    async with there.socket(**headers) as socket, there.client(**page) as client:
        await hello(socket)
        assert (await client.get("/me")).json()["email"] == EMAIL
        began = time.monotonic()
        await end(nodes[0], page)
        assert await closed(socket) == 4003
        assert time.monotonic() - began < SOON
        assert (await client.get("/me")).status_code == 401


async def test_a_token_reads_the_feed_from_its_cursor(nodes: list[Node]) -> None:
    page = await sign_in(nodes[0])
    token = await nodes[0].process.services.logins.make_token(page["id"], "test")
    there = nodes[-1]
    async with there.client(authorization=f"Bearer {token}") as client:
        cursor = (await client.get("/events")).json()["cursor"]
        async with there.socket() as socket:
            await socket.send(json.dumps({"token": token, "after": cursor}))
            answer = await client.put("/me/status", json={"status": "online"})
            assert answer.json()["status"] == "online"
            async with asyncio.timeout(5):
                frame = json.loads(await socket.recv())
        assert (frame["type"], frame["data"]["status"]) == ("agent.status", "online")
        assert frame["seq"] > cursor
        polled = (await client.get(f"/events?after={cursor}")).json()
        assert polled["events"] == [frame]


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1"])
async def test_a_page_elsewhere_gets_403(nodes: list[Node], origin: str) -> None:
    page = await sign_in(nodes[0])
    with pytest.raises(InvalidStatus) as caught:
        async with nodes[0].socket(cookie=page["cookie"], origin=origin):
            pass
    assert caught.value.response.status_code == 403


async def test_a_wrong_password_is_wrong_on_every_node(nodes: list[Node]) -> None:
    for node in nodes:
        with pytest.raises(SignedOut):
            await node.process.services.logins.sign_in(EMAIL, "wrong", address="192.0.2.1")
        async with node.client() as client:
            answer = await client.post("/session", json={"email": EMAIL, "password": "wrong"})
            assert answer.status_code == 401


async def test_a_peer_that_stops_reading_is_cut(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames fill the socket's buffers until a send no longer returns."""
    monkeypatch.setattr("handoff.api.sockets.STALL_SECONDS", 0.2)
    page = await sign_in(nodes[0])
    node = nodes[0]
    token = await node.process.services.logins.make_token(page["id"], "test")
    reader, writer = await asyncio.open_connection(*node.host.split(":"), limit=1024)
    try:
        writer.write(
            b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"token": token, "after": None}).encode()
        writer.write(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
        sockets = _sockets_of(node)
        async with asyncio.timeout(20):
            while len(sockets) == 0:  # noqa: ASYNC110 - nobody announces a new socket
                await asyncio.sleep(0.01)
            (socket,) = sockets
            sending = asyncio.create_task(socket.send("x"))
            while not socket.ended.done():
                sending = asyncio.create_task(socket.send("x" * 65536))
                await asyncio.wait([sending, socket.ended], return_when="FIRST_COMPLETED")
            assert socket.ended.result() == 4008
            while len(sockets) > 0:  # noqa: ASYNC110 - nor the end of one
                await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    finally:
        writer.transport.abort()


def _sockets_of(node: Node) -> Any:
    return next(
        task.__self__  # type: ignore[attr-defined]
        for task in node.process.services.tasks
        if getattr(task, "__name__", "") == "watch"
    )
