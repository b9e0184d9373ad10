"""The agents' page in a real browser, on a whole server: what an agent does in a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import expect

from core.ports.workplace import Actor, AgentPatch
from sandbox.faults import Fault
from sandbox.payloads import Customer
from tests.browser.office import Office
from tests.browser.pages import Desks, bubbles, pick_status, reply, row

pytestmark = pytest.mark.slow

ADA = Customer(wa_id="905301112233", name="Ada Demir")
BOB = Customer(wa_id="4915112345", name="Bob Weber")
MEI = Customer(wa_id="8613012345678", name="Mei Lin")
ADMIN = Actor(agent="", desk="cli")


async def test_a_message_arrives_and_the_answer_shows_its_way(office: Office, desks: Desks) -> None:
    page = await desks.sign_in(await office.hire("Deniz"))
    await pick_status(page, "Online")
    await expect(page.locator("#count-online")).to_have_text("1")

    await office.write(ADA, "Where is my order?")
    await row(page, "Ada Demir").click()
    await expect(bubbles(page, "Where is my order?")).to_have_count(1)
    await expect(page.locator("#info")).to_contain_text("+905301112233")
    await expect(page.locator("#info .why")).to_contain_text("Deniz had the fewest open")

    await reply(page, "It left this morning.")
    mine = page.locator("#thread .message.ours", has_text="It left this morning.")
    await expect(mine.locator(".tick")).to_have_text("Delivered")
    [call] = office.graph.calls
    assert call.text == "It left this morning."
    office.graph.report(call, ["read"])
    await expect(mine.locator(".tick")).to_have_text("Read")
    await expect(row(page, "Ada Demir").locator(".count")).to_have_count(0)


async def test_a_note_never_leaves_the_desk(office: Office, desks: Desks) -> None:
    page = await desks.sign_in(await office.hire("Deniz", status="online"))
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    await page.get_by_label("Message", exact=True).fill("half a reply")
    await page.locator("#mode-note").click()
    await expect(page.get_by_label("Message", exact=True)).to_have_value("")
    await reply(page, "She sounds angry.")
    noted = page.locator("#thread .note[data-message]", has_text="She sounds angry.")
    await expect(noted).to_have_count(1)
    await page.locator("#mode-reply").click()
    await expect(page.get_by_label("Message", exact=True)).to_have_value("half a reply")
    await reply(page, "Good morning!")
    await office.until(lambda: len(office.graph.calls) == 1)
    assert [call.text for call in office.graph.calls] == ["Good morning!"]


async def test_a_failed_message_says_why_and_can_be_sent_again(
    office: Office, desks: Desks
) -> None:
    page = await desks.sign_in(await office.hire("Deniz", status="online"))
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    office.graph.faults.add(Fault(mode="window_closed"))
    await reply(page, "Good morning!")
    mine = page.locator("#thread .message.ours")
    await expect(mine.locator(".mark.bad")).to_contain_text("Failed: More than 24 hours")
    await mine.get_by_role("button", name="Retry").click()
    await expect(mine.locator(".tick")).to_have_text("Delivered")
    await expect(mine).to_have_count(1)
    assert len(office.graph.calls) == 1


async def test_resolving_needs_a_topic_and_the_archive_finds_it(
    office: Office, desks: Desks
) -> None:
    page = await desks.sign_in(await office.hire("Deniz", status="online"))
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    await page.get_by_role("button", name="Resolved").click()
    await expect(page.locator("#toasts")).to_contain_text("Select a topic first.")
    assert (await office.conversation(ADA)).state == "active"

    await page.get_by_label("Select Topic").select_option("General")
    await page.get_by_role("button", name="Resolved").click()
    await expect(row(page, "Ada Demir")).to_have_count(0)
    await expect(page.locator("#why-not")).to_contain_text("in the Archive")
    archived = await office.conversation(ADA)
    assert archived.closed is not None
    assert (archived.state, archived.closed.as_) == ("archived", "resolved")

    await page.get_by_role("button", name="Archive", exact=True).click()
    await expect(row(page, "Ada Demir")).to_have_count(0)
    await page.get_by_role("button", name="Apply").click()
    await expect(row(page, "Ada Demir")).to_contain_text("General")
    await page.get_by_role("button", name="Reopen").click()
    await page.get_by_role("button", name="Active Chat").click()
    await expect(row(page, "Ada Demir")).to_have_count(1)


async def test_going_offline_says_first_what_it_does(office: Office, desks: Desks) -> None:
    deniz = await office.hire("Deniz", status="online")
    page = await desks.sign_in(deniz)
    for customer in (ADA, BOB, MEI):
        await office.write(customer, "Hello")
    await row(page, "Mei Lin").click()
    await reply(page, "Hello Mei")
    await expect(page.locator("#thread .tick")).to_have_text("Delivered")

    await pick_status(page, "Offline", wait=False)
    dialog = page.locator("#dialog")
    await expect(dialog).to_contain_text("2 go back to the queue, 1 is parked.")
    await dialog.get_by_role("button", name="Stay").click()
    assert (await office.work.me(deniz.actor)).status == "online"

    await pick_status(page, "Offline", wait=False)
    await dialog.get_by_role("button", name="Go offline").click()
    await expect(page.locator("#status-word")).to_have_text("Offline")
    await expect(page.locator("#list .row")).to_have_count(0)
    await expect(page.locator("#count-waiting")).to_have_text("2")
    await expect(page.locator("#why-not")).to_contain_text("You are offline")
    await page.get_by_role("button", name="Waiting").click()
    await expect(page.locator("#list .row")).to_have_count(2)


async def test_a_take_over_keeps_the_draft_of_the_one_who_had_it(
    office: Office, desks: Desks
) -> None:
    deniz = await office.hire("Deniz", status="online")
    lead = await office.hire("Bora", role="supervisor")
    page = await desks.sign_in(deniz)
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    await page.get_by_label("Message", exact=True).fill("I was about to say")

    other = await desks.sign_in(lead)
    await pick_status(other, "Online")
    await other.get_by_role("button", name="All", exact=True).click()
    await row(other, "Ada Demir").click()
    await other.get_by_role("button", name="Take over").click()
    await expect(other.locator("#head")).to_contain_text("With you")

    await expect(page.locator("#why-not")).to_have_text("Bora took over. Your text is kept.")
    await expect(page.get_by_label("Message", exact=True)).to_have_value("I was about to say")
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await expect(page.locator("#list .row")).to_have_count(0)


async def test_taking_one_more_than_there_is_room_for_asks_first(
    office: Office, desks: Desks
) -> None:
    lead = await office.hire("Bora", role="supervisor", status="online")
    await office.work.change_agent(ADMIN, lead.id, AgentPatch(capacities={"acme": 1}))
    page = await desks.sign_in(lead)
    await office.write(ADA, "Hello")
    await office.write(BOB, "Hello")
    await expect(page.locator("#count-waiting")).to_have_text("1")
    await page.get_by_role("button", name="Waiting").click()
    await page.locator("#list .row").click()
    await page.get_by_role("button", name="Claim").click()
    await page.locator("#dialog").get_by_role("button", name="Take it").click()
    await expect(page.locator("#head")).to_contain_text("With you")


async def test_a_transfer_goes_to_whom_was_chosen(office: Office, desks: Desks) -> None:
    page = await desks.sign_in(await office.hire("Deniz", status="online"))
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    bora = await office.hire("Bora", status="online")
    await page.get_by_role("button", name="Transfer").click()
    await page.locator("#dialog").get_by_role("button", name="Bora").click()
    await expect(page.locator("#head")).to_contain_text("With Bora")
    assert (await office.conversation(ADA)).agent == bora.id


async def test_a_shut_window_leaves_notes_only(office: Office, desks: Desks) -> None:
    page = await desks.sign_in(await office.hire("Deniz", status="online"))
    await office.write(ADA, "Hello", ago=timedelta(hours=25))
    await row(page, "Ada Demir").click()
    await expect(page.locator("#window")).to_have_text("Reply window shut")
    await page.locator("#mode-reply").click()
    await expect(page.locator("#why-not")).to_contain_text("The reply window is shut")
    await page.get_by_label("Message", exact=True).fill("Hello?")
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await page.keyboard.press("Enter")
    await page.locator("#mode-note").click()
    await reply(page, "Too late for a reply.")
    await expect(page.locator("#thread .note[data-message]")).to_have_count(1)
    assert [message.text for message in await office.messages(ADA)][1:] == ["Too late for a reply."]


async def test_the_history_is_read_upwards_without_gap_or_double(
    office: Office, desks: Desks
) -> None:
    deniz = await office.hire("Deniz", status="online")
    words = [f"line {number}" for number in range(130)]
    for one in words:
        await office.write(ADA, one)
    page = await desks.sign_in(deniz)
    await row(page, "Ada Demir").click()
    await expect(bubbles(page, "line 129")).to_be_in_viewport()
    for older in ("line 80", "line 30"):
        await expect(bubbles(page, older)).to_have_count(1)
        await page.locator("#thread-scroll").evaluate("box => { box.scrollTop = 0; }")
    await expect(bubbles(page, "line 0")).to_have_count(1)
    await expect(bubbles(page, "line 30")).to_be_in_viewport()
    assert await page.locator("#thread .message .text").all_text_contents() == words


async def test_who_loses_an_inbox_sees_nothing_of_it_any_more(office: Office, desks: Desks) -> None:
    deniz = await office.hire("Deniz", status="online")
    page = await desks.sign_in(deniz)
    await office.write(ADA, "Hello")
    await row(page, "Ada Demir").click()
    await expect(bubbles(page, "Hello")).to_have_count(1)
    await office.work.change_agent(ADMIN, deniz.id, AgentPatch(inboxes=()))
    await expect(page.locator("#list-empty")).to_contain_text("authorised for no inbox")
    await expect(page.locator("#chat-empty")).to_be_visible()
    await expect(bubbles(page, "Hello")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_keyboard_is_enough_and_nothing_is_too_wide(
    office: Office, desks: Desks, width: int
) -> None:
    deniz = await office.hire("Deniz", status="online")
    await office.write(ADA, "Hello " + "w" * 3000)
    page = await desks.sign_in(deniz, width=width, scheme="dark")
    await row(page, "Ada Demir").focus()
    await page.keyboard.press("Enter")
    message = page.get_by_label("Message", exact=True)
    await expect(message).to_be_visible()
    await message.focus()
    await page.keyboard.type("two")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("lines")
    await page.keyboard.press("Enter")
    await expect(page.locator("#thread .ours .text")).to_have_text("two\nlines")
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(too_wide) == 0
