"""The console as a test sees it: who is signed in where, and what is on the screen."""

from __future__ import annotations

import re

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.browser.office import PASSWORD, Colleague

# Cut wires and refusals are what some tests are about; the browser tells of them in its own words.
_FORESEEN = re.compile(r"net::ERR_|WebSocket connection to|status of (401|404|409|422)")
WATCH_POLICY = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Desks:
    """Opens consoles and collects what the browser complains of."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.url = url
        self.complaints: list[str] = []

    async def profile(self, *, width: int = 1280, scheme: str = "light") -> BrowserContext:
        """Make a browser profile: cookies and storage of its own."""
        dark = scheme == "dark"
        context = await self._browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Europe/Istanbul",
        )
        await context.add_init_script(WATCH_POLICY)
        self._contexts.append(context)
        return context

    async def page(self, context: BrowserContext) -> Page:
        """Open the console in a tab."""
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.url}/console")
        return page

    async def sign_in(self, agent: Colleague, *, width: int = 1280, scheme: str = "light") -> Page:
        """Open the console and sign in."""
        page = await self.page(await self.profile(width=width, scheme=scheme))
        await enter(page, agent)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _FORESEEN.search(message.text):
            self.complaints.append(message.text)

    async def close(self) -> None:
        """Close every profile."""
        for context in self._contexts:
            await context.close()


async def enter(page: Page, agent: Colleague) -> None:
    """Fill in the login form and wait until the page is live."""
    await page.get_by_label("E-mail").fill(agent.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#desk")).to_be_visible()
    await expect(page.locator("#count-online")).not_to_have_text("-")


async def pick_status(page: Page, word: str, *, wait: bool = True) -> None:
    """Choose a status top right; unless something is asked first, wait until it is set."""
    await page.locator("#status").click()
    await page.locator("#statuses").get_by_role("button", name=word).click()
    if wait:
        await expect(page.locator("#status-word")).to_have_text(word)


def row(page: Page, name: str) -> Locator:
    """The row of a conversation in the list."""
    return page.locator("#list .row", has_text=name)


def bubbles(page: Page, text: str) -> Locator:
    """The messages with exactly this text."""
    return page.locator("#thread .message .text").get_by_text(text, exact=True)


async def reply(page: Page, text: str) -> None:
    """Write a reply and send it by Enter."""
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")
