"""The simulated phone: what a customer writes reaches the desk, what the desk does is shown."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sandbox.graph import Graph, Line
from sandbox.payloads import Customer, Number
from sandbox.phone import build_demo_app
from sandbox.server import serve
from sandbox.threads import Chat
from sandbox.webhooks import Webhook

ADA = Customer(wa_id="905301112233", name="Ada Demir")
BOB = Customer(wa_id="4915112345", name="Bob Weber", user_id="DE.77")


class Desk:
    """Stands for Frontdesk: keeps the webhooks' messages and statuses, answers `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.messages: list[dict[str, object]] = []
        self.statuses: list[tuple[str, str]] = []

    async def hook(self, request: Request) -> Response:
        body = json.loads(await request.body())
        values = [change["value"] for entry in body["entry"] for change in entry["changes"]]
        for value in values:
            self.messages += value.get("messages", [])
            self.statuses += [(one["id"], one["status"]) for one in value.get("statuses", [])]
        return Response(status_code=self.status)


class Page:
    """A page's live connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def tell(self, **wish: str) -> None:
        await self.socket.send_json(wish)

    async def bubble(self, **wanted: str) -> dict[str, object]:
        """Read on until a bubble with these fields comes."""
        async with asyncio.timeout(5):
            while True:
                frame = await self.socket.receive_json()
                bubble: dict[str, object] = frame.get("bubble", {})
                if all(bubble.get(key) == value for key, value in wanted.items()):
                    return bubble

    async def frame(self, kind: str) -> dict[str, Any]:
        """Read on until a frame of this type comes."""
        async with asyncio.timeout(5):
            while True:
                frame: dict[str, Any] = await self.socket.receive_json()
                if frame["type"] == kind:
                    return frame


class Rig:
    def __init__(self, graph: Graph, desk: Desk, url: str, client: aiohttp.ClientSession) -> None:
        self.graph = graph
        self.desk = desk
        self.url = url
        self.client = client

    async def page(self, **headers: str) -> Page:
        address = f"{self.url}/phone/live"
        return Page(await self.client.ws_connect(address, headers=headers))

    async def desk_does(self, **body: object) -> str:
        """Call the Graph API as the desk does; gives the wamid of what it sent."""
        async with self.client.post(
            f"{self.url}/graph/v25.0/1055/messages",
            json={"messaging_product": "whatsapp", **body},
            headers={"Authorization": "Bearer t"},
        ) as response:
            answer = await response.json()
        return str(answer["messages"][0]["id"]) if "messages" in answer else ""


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    desk = Desk()
    async with AsyncExitStack() as stack:
        hook = Starlette(routes=[Route("/hook", desk.hook, methods=["POST"])])
        webhook = Webhook(
            url=await stack.enter_async_context(serve(hook)) + "/hook", app_secret="s"
        )
        acme = Number(phone_number_id="1055", waba_id="7")
        line = Line(number=acme, title="Acme", access_token="t", webhook=webhook)
        graph = Graph([line], pauses=[timedelta(milliseconds=5)], rng=Random(3))
        chats = [
            Chat(id="ada", customer=ADA, phone_number_id="1055", ideas=("Hello?",)),
            Chat(id="bob", customer=BOB, phone_number_id="1055"),
        ]
        mounts = [
            Mount("/graph", graph.asgi()),
            Mount("/phone", build_demo_app(graph, chats)),
        ]
        url = await stack.enter_async_context(serve(Starlette(routes=mounts)))
        stack.push_async_callback(graph.close)
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Rig(graph, desk, url, client)


async def test_a_text_reaches_the_desk_and_gets_its_ticks(rig: Rig) -> None:
    page = await rig.page()
    await page.tell(type="say", chat="ada", text="  Where is my order?\n")
    sent = await page.bubble(state="sent")

    (message,) = rig.desk.messages
    assert (message["id"], message["from"]) == (sent["id"], ADA.wa_id)
    assert message["text"] == {"body": "Where is my order?"}

    await rig.desk_does(status="read", message_id=sent["id"], typing_indicator={"type": "text"})
    assert (await page.bubble(state="read"))["id"] == sent["id"]
    assert (await page.frame("typing"))["chat"] == "ada"


async def test_a_read_mark_covers_earlier_messages_only(rig: Rig) -> None:
    page = await rig.page()
    ids = []
    for words in ("one", "two", "three"):
        await page.tell(type="say", chat="ada", text=words)
        ids.append((await page.bubble(state="sent"))["id"])
    await rig.desk_does(status="read", message_id=ids[1])
    await page.bubble(id=str(ids[1]), state="read")

    state = await (await rig.page()).frame("state")
    (ada, _) = state["chats"]
    assert [one["state"] for one in ada["bubbles"]] == ["read", "read", "sent"]


async def test_replies_appear_in_the_right_chat_and_are_read_when_shown(rig: Rig) -> None:
    page = await rig.page()
    wamid = await rig.desk_does(to="+905301112233", text={"body": "Tomorrow."})
    bubble = await page.bubble(side="business")
    assert (bubble["id"], bubble["text"], bubble["state"]) == (wamid, "Tomorrow.", "new")
    await rig.graph.settled()
    assert (wamid, "read") not in rig.desk.statuses

    for _ in range(2):
        await page.tell(type="shown", chat="ada", bubble=wamid)
    await page.bubble(id=wamid, state="read")
    await rig.graph.settled()
    assert rig.desk.statuses.count((wamid, "read")) == 1

    await rig.desk_does(recipient="DE.77", text={"body": "for Bob"})
    await rig.desk_does(to="15559999999", text={"body": "for nobody here"})
    state = await (await rig.page()).frame("state")
    texts = [[one["text"] for one in chat["bubbles"]] for chat in state["chats"]]
    assert texts == [["Tomorrow."], ["for Bob"]]


async def test_quotes_reactions_and_photos_are_shown(rig: Rig) -> None:
    page = await rig.page()
    await page.tell(type="say", chat="ada", text="Is it broken?")
    asked = str((await page.bubble(state="sent"))["id"])

    context = {"message_id": asked}
    await rig.desk_does(to=ADA.wa_id, text={"body": "No."}, context=context)
    assert (await page.bubble(side="business"))["quote"] == "Is it broken?"
    reaction = {"message_id": asked, "emoji": "👍"}
    await rig.desk_does(to=ADA.wa_id, type="reaction", reaction=reaction)
    assert (await page.bubble(id=asked))["reaction"] == "👍"
    await rig.desk_does(to=ADA.wa_id, type="image", image={"id": "9", "caption": "look"})
    assert (await page.bubble(kind="image"))["text"] == "look"


async def test_a_desk_that_is_down_is_shown_and_tried_again(rig: Rig) -> None:
    rig.desk.status = 503
    page = await rig.page()
    await page.tell(type="say", chat="ada", text="hello")
    failed = str((await page.bubble(state="failed"))["id"])

    rig.desk.status = 200
    await page.tell(type="again", chat="ada", bubble=failed)
    await page.bubble(id=failed, state="sent")
    assert {message["id"] for message in rig.desk.messages} == {failed}


async def test_nonsense_from_a_page_does_no_harm(rig: Rig) -> None:
    page = await rig.page()
    await page.frame("state")
    await page.tell(type="say", chat="nobody", text="x")
    await page.tell(type="say", chat="ada", text=" \n ")
    await page.tell(type="shown", chat="ada", bubble="wamid.unknown")
    await page.tell(type="again", chat="nobody", bubble="wamid.unknown")
    await page.tell(type="format-disk")
    message = await page.socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert page.socket.close_code == 1008
    assert rig.desk.messages == []


async def test_other_sites_may_not_listen(rig: Rig) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await rig.page(Origin="https://evil.example")
    page = await rig.page(Origin=rig.url)
    assert (await page.frame("state"))["type"] == "state"


async def test_the_page_is_strict_and_says_that_it_is_a_simulation(rig: Rig) -> None:
    async with rig.client.get(f"{rig.url}/phone/") as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "Simulation" in page
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for banned in ("<style", "style=", " onclick", "http://", "https://"):
        assert banned not in page
    for name in ("phone.js", "pieces.js", "format.js"):
        async with rig.client.get(f"{rig.url}/phone/{name}") as response:
            script = await response.text()
        assert response.headers["Content-Type"].startswith("text/javascript")
        assert "innerHTML" not in script
        assert "insertAdjacentHTML" not in script
