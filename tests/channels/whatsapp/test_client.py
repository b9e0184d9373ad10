"""Sending against a small Graph API on a free loopback port that misbehaves on demand."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from aiohttp import web

from core.config import Secret
from frontdesk import (
    Ambiguous,
    FilePart,
    Outgoing,
    Rejected,
    SendError,
    Throttled,
    Unreachable,
    WindowClosed,
)
from plugins.whatsapp.client import Client
from plugins.whatsapp.config import WhatsAppInbox
from plugins.whatsapp.plugin import WhatsApp

GOOD: Final = b'{"messages": [{"id": "wamid.x"}]}'
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Graph:
    """Remembers each call; answers as told, by default as Meta does."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], Any]] = []
        self.answer: Answer = self.accept
        self.base = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.path, dict(request.headers), await request.json()))
        return await self.answer(request)

    async def accept(self, _: web.Request) -> web.StreamResponse:
        contacts = [{"input": "+491700000001", "wa_id": "491700000001"}]
        return web.json_response({"contacts": contacts, "messages": [{"id": "wamid.accepted"}]})

    def refuse(self, status: int, code: int, **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            error = {"message": "(#1) no", "code": code, "fbtrace_id": "A1"}
            return web.json_response({"error": error}, status=status, headers=headers)

        self.answer = answer

    def say(self, status: int, body: bytes, **headers: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self.answer = answer


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    fake = Graph()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


def inbox(base: str) -> WhatsAppInbox:
    return WhatsAppInbox(
        phone_number_id="700100200300",
        access_token=Secret("EAAB-first", "EAAB-second"),
        app_secret=Secret("secret"),
        verify_token=Secret("hello"),
        api_base=base,
    )


def outgoing(text: str = "Hello", **other: Any) -> Outgoing:
    told = {"inbox": "shop", "to": ("491700000001",), "tag": "attempt-1", **other}
    return Outgoing(text=text, **told)


@pytest.fixture
async def client(graph: Graph) -> AsyncIterator[Client]:
    one = Client(
        inbox(graph.base),
        deadline=timedelta(seconds=1),
        now=lambda: datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    )
    yield one
    await one.close()


async def test_what_is_sent(graph: Graph, client: Client) -> None:
    longest = "Hi \U0001f600\x00" + "ü" * 4091
    receipt = await client.send(outgoing(longest, quote="wamid.asked"))
    assert receipt.source_ids == ("wamid.accepted",)
    ((path, headers, body),) = graph.calls
    assert path == "/v25.0/700100200300/messages"
    assert headers["Authorization"] == "Bearer EAAB-first"
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+491700000001",
        "type": "text",
        "text": {"body": longest.replace("\x00", "\ufffd"), "preview_url": False},
        "context": {"message_id": "wamid.asked"},
        "biz_opaque_callback_data": "attempt-1",
    }


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        (("491700000001",), "to", "+491700000001"),
        (("DE.ENT.1", "DE.2", "491700000001"), "to", "+491700000001"),
        (("DE.ENT.1", "US.2"), "recipient", "US.2"),
        (("DE.ENT.1",), "recipient", "DE.ENT.1"),
        (("DE.aB3xYz",), "recipient", "DE.aB3xYz"),  # pywa takes this one for a group
    ],
)
async def test_the_address(
    graph: Graph, client: Client, keys: tuple[str, ...], field: str, value: str
) -> None:
    await client.send(outgoing(to=keys))
    body = graph.calls[0][2]
    assert {key: body[key] for key in ("to", "recipient") if key in body} == {field: value}
    assert body["recipient_type"] == "individual"


@pytest.mark.parametrize(
    "message",
    [
        outgoing(""),
        outgoing(" \n"),
        outgoing("x" * 4097),
        outgoing(parts=(FilePart(ref="1"),)),
        outgoing(to=()),
        outgoing(to=("Y2FwaV9ncm91cDo",)),
        outgoing(tag="x" * 513),
    ],
)
async def test_what_cannot_be_sent_never_leaves(
    graph: Graph, client: Client, message: Outgoing
) -> None:
    with pytest.raises(Rejected):
        await client.send(message)
    assert graph.calls == []


async def test_an_accepted_message_needs_no_contacts(graph: Graph, client: Client) -> None:
    graph.say(200, GOOD)
    assert (await client.send(outgoing())).source_ids == ("wamid.x",)


async def test_a_code_of_the_table(graph: Graph, client: Client) -> None:
    graph.refuse(400, 131047)
    with pytest.raises(WindowClosed) as told:
        await client.send(outgoing())
    assert told.value.code == "131047"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30), ("Sun, 22 Nov 2026 12:01:00 GMT", 60), ("garbage", None), ("1000000000", 86400)],
)
async def test_retry_after_is_honoured(
    graph: Graph, client: Client, header: str, seconds: int | None
) -> None:
    graph.refuse(400, 130429, **{"Retry-After": header})
    with pytest.raises(Throttled) as told:
        await client.send(outgoing())
    assert told.value.whole_inbox
    assert told.value.after == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (502, b"<html>Bad Gateway</html>", {}, Ambiguous),
        (503, b"", {"Retry-After": "5"}, Ambiguous),
        (200, b"<html>Sign in to the Wi-Fi</html>", {}, Ambiguous),
        (200, b"{}", {}, Ambiguous),
        (200, b'{"messages": [{}]}', {}, Ambiguous),
        (200, b'{"messages": [{"id": "wamid.x"}], "n": "\xff"}', {}, Ambiguous),
        (200, b'{"error": {"code": 131047, "message": "m"}}', {}, WindowClosed),
        (400, b'{"error": {"code": 131047}}', {}, WindowClosed),  # pywa wants a message
        (400, b'{"error": "words"}', {}, Rejected),
        (302, b"", {"Location": "http://127.0.0.1:9/"}, Rejected),
        (404, b"<html>nothing here</html>", {}, Rejected),
        (200, GOOD + b" " * 1024 * 1024, {}, Ambiguous),  # read up to 1 MiB
        (200, gzip.compress(GOOD), {"Content-Encoding": "gzip"}, Ambiguous),  # never unpacked
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, bytes) else None,
)
async def test_odd_answers(
    graph: Graph,
    client: Client,
    status: int,
    body: bytes,
    headers: dict[str, str],
    kind: type[SendError],
) -> None:
    graph.say(status, body, **headers)
    with pytest.raises(SendError) as told:
        await client.send(outgoing())
    assert type(told.value) is kind
    assert len(graph.calls) == 1


async def test_a_connection_cut_after_the_request_is_ambiguous(
    graph: Graph, client: Client
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    graph.answer = cut
    with pytest.raises(Ambiguous):
        await client.send(outgoing())
    assert len(graph.calls) == 1


@pytest.mark.parametrize("drip", [False, True])
async def test_a_hanging_answer_ends_at_the_deadline(
    graph: Graph, client: Client, drip: bool
) -> None:
    over = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if drip:
            await response.prepare(request)
        while drip and not over.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.05)
        await over.wait()
        return response

    graph.answer = hang
    began = asyncio.get_running_loop().time()
    with pytest.raises(Ambiguous):
        await client.send(outgoing())
    assert 0.9 < asyncio.get_running_loop().time() - began < 3
    over.set()


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_a_closed_port_and_an_unknown_host_are_unreachable(host: str) -> None:
    with socket.socket() as silent:  # bound, and nobody listens
        silent.bind(("127.0.0.1", 0))
        client = Client(inbox(f"http://{host}:{silent.getsockname()[1]}"))
        with pytest.raises(Unreachable):
            await client.send(outgoing())
        await client.close()


async def test_no_words_or_tokens_in_the_logs(
    graph: Graph, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.send(outgoing("the customer's secret"))
    graph.refuse(400, 131026)
    with pytest.raises(Rejected):
        await client.send(outgoing("the customer's secret"))
    shown = [text for text in ("secret", "EAAB", "491700000001") if text in caplog.text]
    assert shown == []


async def test_the_channel_opens_one_client_per_inbox_and_closes_them(graph: Graph) -> None:
    channel = WhatsApp()
    channel.attach({"shop": inbox(graph.base), "spare": inbox(graph.base + "/other")})
    await asyncio.gather(*(channel.send(outgoing(inbox=name)) for name in ("shop", "spare") * 5))
    paths = [path for path, _, _ in graph.calls]
    own = "/v25.0/700100200300/messages"
    assert sorted(paths) == ["/other" + own] * 5 + [own] * 5
    await channel.close()
    await channel.close()


async def test_the_sdk_stays_outside_until_the_first_send() -> None:
    code = (
        "import sys, plugins.whatsapp.plugin; sys.exit(bool({'pywa', 'httpx2'} & {*sys.modules}))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
