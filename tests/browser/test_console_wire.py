"""The console when the way to the server, the login or the customer means it ill."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, Route, expect

from core.ports.workplace import Actor
from sandbox.payloads import Customer, contact_cards
from tests.browser.office import PASSWORD, Colleague, Office
from tests.browser.pages import Desks, bubbles, enter, reply, row
from tests.browser.wire import Wire

pytestmark = pytest.mark.slow

ADA = Customer(wa_id="905301112233", name="Ada Demir")
PAYLOADS = [
    "<img src=x onerror=window.hit=1>",
    "<script>window.hit=1</script>",
    '"><svg onload=window.hit=1>',
    "javascript:window.hit=1",
    "{{constructor.constructor('window.hit=1')()}}",
    '<a href="https://evil.example" onfocus=window.hit=1 autofocus>bank</a>',
    "\u202egnp.exe",
]


async def chat(office: Office, desks: Desks) -> tuple[Page, Colleague]:
    """Deniz at her desk, talking with Ada."""
    deniz = await office.hire("Deniz", status="online")
    page = await desks.sign_in(deniz)
    await office.write(ADA, "first")
    await row(page, "Ada Demir").click()
    await expect(bubbles(page, "first")).to_have_count(1)
    return page, deniz


async def texts(page: Page) -> list[str]:
    return await page.locator("#thread .message .text").all_text_contents()


async def test_after_a_cut_wire_each_message_is_there_once(
    office: Office, desks: Desks, wire: Wire
) -> None:
    page, _ = await chat(office, desks)
    written = ["first"]
    for around in range(3):
        wire.cut()
        for number in range(3):
            written.append(f"cut {around} message {number}")
            await office.write(ADA, written[-1])
        wire.mend()
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(bubbles(page, written[-1])).to_have_count(1)
    assert await texts(page) == written


async def test_the_banner_stays_as_long_as_the_gap(
    office: Office, desks: Desks, wire: Wire
) -> None:
    page, _ = await chat(office, desks)
    wire.cut()
    await expect(page.locator("#banner")).to_contain_text("No connection")
    await office.write(ADA, "second")
    wire.mend()
    await expect(bubbles(page, "second")).to_have_count(1)
    await expect(page.locator("#banner")).to_be_hidden()


async def test_a_reply_whose_answer_is_lost_is_sent_once(
    office: Office, desks: Desks, wire: Wire
) -> None:
    page, _ = await chat(office, desks)
    lost = wire.lose_answer(b"POST /api/v1/conversations/")
    await reply(page, "Good morning!")
    await lost.wait()
    await office.until(lambda: len(office.graph.calls) == 1)
    await expect(page.locator("#thread [data-unsent]")).to_have_count(1)
    wire.mend()
    await expect(page.locator("#thread .tick")).to_have_text("Delivered")
    await expect(page.locator("#thread [data-unsent]")).to_have_count(0)
    assert await texts(page) == ["first", "Good morning!"]
    assert [call.text for call in office.graph.calls] == ["Good morning!"]
    assert len(await office.messages(ADA)) == 2


async def test_an_answer_slower_than_the_feed_changes_nothing(office: Office, desks: Desks) -> None:
    page, _ = await chat(office, desks)
    shown = asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        await shown.wait()
        await route.fulfill(response=answer)

    await page.route("**/api/v1/conversations/*/messages", hold)
    await reply(page, "Good morning!")
    tick = page.locator("#thread .ours .tick")
    await expect(tick).to_have_text("Delivered")
    assert await texts(page) == ["first", "Good morning!"]
    async with page.expect_response("**/messages"):
        shown.set()
    await reply(page, "Anything else?")  # goes out only after the first has its answer
    await expect(tick).to_have_text(["Delivered", "Delivered"])
    assert await texts(page) == ["first", "Good morning!", "Anything else?"]


async def test_a_reply_waits_for_the_one_before(office: Office, desks: Desks) -> None:
    page, _ = await chat(office, desks)
    asked: list[str] = []
    go = asyncio.Event()

    async def hold(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "{}")["text"])
        await go.wait()
        await route.continue_()

    await page.route("**/api/v1/conversations/*/messages", hold)
    words = ["one", "two", "three"]
    for one in words:
        await reply(page, one)
    await expect(page.locator("#thread [data-unsent]")).to_have_count(3)
    assert asked == ["one"]
    go.set()
    await expect(page.locator("#thread [data-delivery]")).to_have_count(3)
    assert await texts(page) == ["first", *words]
    await office.until(lambda: len(office.graph.calls) == 3)
    assert [call.text for call in office.graph.calls] == words


async def test_what_is_written_without_a_wire_goes_out_later(
    office: Office, desks: Desks, wire: Wire
) -> None:
    page, _ = await chat(office, desks)
    wire.cut()
    words = ["one", "two"]
    for one in words:
        await reply(page, one)
    await expect(page.locator("#thread [data-unsent]")).to_have_count(2)
    wire.mend()
    await expect(page.locator("#thread [data-delivery]")).to_have_count(2)
    assert await texts(page) == ["first", *words]


async def test_two_tabs_of_one_agent_show_the_same(office: Office, desks: Desks) -> None:
    page, _ = await chat(office, desks)
    other = await desks.page(page.context)
    await row(other, "Ada Demir").click()
    await expect(bubbles(other, "first")).to_have_count(1)
    await reply(page, "from one tab")
    await reply(other, "from the other")
    for tab in (page, other):
        await expect(tab.locator("#thread .message")).to_have_count(3)
        await expect(bubbles(tab, "from one tab")).to_have_count(1)
        await expect(bubbles(tab, "from the other")).to_have_count(1)
    assert len(await office.messages(ADA)) == 3


async def test_an_expired_login_keeps_the_draft_and_goes_on(office: Office, desks: Desks) -> None:
    page, deniz = await chat(office, desks)
    await page.get_by_label("Message", exact=True).fill("half a sentence")
    sessions = await office.process.services.logins.sessions(deniz.actor)
    for session in sessions:
        await office.process.services.logins.revoke(deniz.actor, session.id)
    dialog = page.locator("#sign-in")
    await expect(dialog).to_contain_text("Your login has expired")
    await office.write(ADA, "are you there?")
    await expect(dialog.get_by_label("E-mail")).to_have_value(deniz.email)
    await dialog.get_by_label("Password").fill("wrong " + PASSWORD)
    await dialog.get_by_role("button", name="Sign in").click()
    await expect(dialog.locator(".wrong")).to_contain_text("wrong")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await expect(bubbles(page, "are you there?")).to_have_count(1)
    await expect(page.get_by_label("Message", exact=True)).to_have_value("half a sentence")
    await page.get_by_label("Message", exact=True).press("Enter")
    await expect(page.locator("#thread .ours .tick")).to_have_text("Delivered")


async def test_signing_in_anew_in_one_tab_serves_the_other(office: Office, desks: Desks) -> None:
    page, deniz = await chat(office, desks)
    other = await desks.page(page.context)
    await expect(row(other, "Ada Demir")).to_have_count(1)
    for session in await office.process.services.logins.sessions(deniz.actor):
        await office.process.services.logins.revoke(deniz.actor, session.id)
    for tab in (page, other):
        await expect(tab.locator("#sign-in")).to_be_visible()
    await enter(other, deniz)
    await expect(page.locator("#sign-in")).to_be_hidden()
    await reply(page, "still here")
    await expect(page.locator("#thread .tick")).to_have_text("Delivered")


async def test_a_draft_survives_loading_the_page_again(office: Office, desks: Desks) -> None:
    page, _ = await chat(office, desks)
    await page.get_by_label("Message", exact=True).fill("half a sentence")
    await page.reload()
    await expect(bubbles(page, "first")).to_have_count(1)
    await expect(page.get_by_label("Message", exact=True)).to_have_value("half a sentence")


async def test_what_customers_write_is_only_ever_text(office: Office, desks: Desks) -> None:
    deniz = await office.hire("Deniz", status="online", role="admin")
    page = await desks.sign_in(deniz)
    evil = Customer(wa_id="905309999999", name=PAYLOADS[0])
    for payload in PAYLOADS:
        await office.write(evil, payload)
    await office.write(evil, contact_cards([(PAYLOADS[1], PAYLOADS[2])]))
    found = await office.conversation(evil)
    await office.work.set_tags(
        Actor(agent=deniz.id, desk="api"), found.id, (PAYLOADS[0], PAYLOADS[2])
    )
    await page.locator("#list .row").click()
    await expect(page.locator("#thread .message")).to_have_count(len(PAYLOADS) + 1)
    assert (await texts(page))[:-1] == PAYLOADS
    await expect(page.locator("#head h1")).to_have_text(PAYLOADS[0])
    await expect(page.locator("#info .tags li").first).to_contain_text(PAYLOADS[0])
    inside = "#list img:not(.channel img), #thread img, #thread a, #thread svg, #info img, #info a"
    assert await page.locator(inside).count() == 0
    assert await page.evaluate("window.hit") is None
