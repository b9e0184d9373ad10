"""A browser, and a whole Frontdesk to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.office import Office, running
from tests.browser.pages import Desks
from tests.browser.wire import Wire, wired

CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# a wait ends when its condition holds; only a failure on a busy machine takes this long
expect.set_options(timeout=20_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not HAS_CHROMIUM:
        pytest.skip("Debian's chromium is not installed")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with running(tmp_path) as office:
        yield office


@pytest.fixture
async def wire(office: Office) -> AsyncIterator[Wire]:
    async with wired(office.url) as wire:
        yield wire


@pytest.fixture
async def desks(browser: Browser, wire: Wire) -> AsyncIterator[Desks]:
    """Consoles of agents, each in a browser profile of its own; their complaints fail the test."""
    desks = Desks(browser, wire.url)
    yield desks
    await desks.close()
    assert desks.complaints == []
