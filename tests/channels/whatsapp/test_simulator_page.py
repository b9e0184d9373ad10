"""The simulated phone in a real browser: it works under its own strict policy, wide and narrow."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import aiohttp
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
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

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ADA = Customer(wa_id="905301112233", name="Ada Demir")
BOB = Customer(wa_id="4915112345", name="Bob Weber")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    async def hook(_request: Request) -> Response:
        return Response()

    async with serve(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as desk:
        acme = Number(phone_number_id="1055", waba_id="7")
        webhook = Webhook(url=f"{desk}/hook", app_secret="s")
        line = Line(number=acme, title="Acme", access_token="t", webhook=webhook)
        made = Graph([line], rng=Random(3))
        yield made
        await made.close()


@pytest.fixture
async def url(graph: Graph) -> AsyncIterator[str]:
    chats = [
        Chat(id="ada", customer=ADA, phone_number_id="1055", ideas=("Where is my order?",)),
        Chat(id="bob", customer=BOB, phone_number_id="1055"),
    ]
    mounts = [Mount("/graph", graph.asgi()), Mount("/phone", build_demo_app(graph, chats))]
    async with serve(Starlette(routes=mounts)) as address:
        yield address


async def reply(url: str, to: str, words: str) -> None:
    body = {"messaging_product": "whatsapp", "to": to, "text": {"body": words}}
    headers = {"Authorization": "Bearer t"}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{url}/graph/v25.0/1055/messages", json=body, headers=headers) as answer,
    ):
        assert answer.status == 200


async def open_page(browser: Browser, url: str, complaints: list[str], width: int) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": 844})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/phone/")
    return page


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_customer_chats_with_the_desk(
    browser: Browser, graph: Graph, url: str, width: int
) -> None:
    complaints: list[str] = []
    page = await open_page(browser, url, complaints, width)
    async with asyncio.timeout(30):
        await page.get_by_role("button", name="Where is my order?").click()
        await expect(page.locator(".customer .tick")).to_have_attribute("data-state", "sent")

        evil = "<img src=x onerror=alert(1)> *sorry*"
        await reply(url, "+905301112233", evil)
        bubble = page.locator(".business .text")
        await expect(bubble).to_have_text("<img src=x onerror=alert(1)> sorry")
        await expect(bubble.locator("strong")).to_have_text("sorry")
        await graph.until(lambda: len(graph.calls) == 1)

        await reply(url, "+4915112345", "Hello Bob")
        bob = page.locator(".person", has_text="Bob Weber")
        await expect(bob.locator(".unread")).to_have_text("1")
        await bob.click()
        await expect(page.locator(".business .text")).to_have_text("Hello Bob")
        await expect(bob.locator(".unread")).to_be_hidden()

        await page.get_by_label("Message", exact=True).fill("two\nlines")
        await page.keyboard.press("Enter")
        await expect(page.locator(".customer .text")).to_have_text("two\nlines")
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(too_wide) == 0
        await expect(page.get_by_text("This is not WhatsApp")).to_be_visible()
    assert complaints == []
