"""The console's files over HTTP: which there are, with which headers; and what none may hold."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from core.errors import Unavailable
from handoff.console.plugin import WEB, Console, Staff, read_assets

ROOT = Path(__file__).parents[2]
FILES = sorted(WEB.iterdir())
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|"
    r"createContextualFragment|setHTML|DOMParser|\bstyle=|javascript:"
)


class Staffed:
    """Whether somebody works here, as a test wants it."""

    def __init__(self) -> None:
        self.answer: bool = True

    async def is_there(self) -> bool:
        return self.answer


@pytest.fixture
def staffed() -> Staffed:
    return Staffed()


@pytest.fixture
async def client(
    staffed: Staffed, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    https = getattr(request, "param", False)
    console = Console(read_assets(WEB), staffed.is_there, https=https)
    routes = [
        Route("/console", console.page),
        Route("/console/assets/{name}", console.asset),
    ]
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url="http://desk") as client:
        yield client


async def test_the_page_runs_nothing_but_its_own_files(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/console")
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("client", [True], indirect=True)
async def test_under_https_browsers_never_ask_without_it(client: httpx2.AsyncClient) -> None:
    assert "strict-transport-security" in (await client.get("/console")).headers


async def test_with_nobody_there_is_a_command_and_no_form(
    client: httpx2.AsyncClient, staffed: Staffed
) -> None:
    staffed.answer = False
    page = (await client.get("/console")).text
    assert ".venv/bin/frontdesk init" in page
    assert not re.search(r"<(form|input|script)", page)
    staffed.answer = True
    assert "sign-in-form" in (await client.get("/console")).text


async def test_every_file_the_page_names_is_there(client: httpx2.AsyncClient) -> None:
    named = set(re.findall(r'"(/console/assets/[^"]+)"', (WEB / "page.html").read_text()))
    assert len(named) > 5
    for address in named:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_file_that_has_not_changed_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/console/assets/app.js")
    assert first.headers["content-type"].startswith("text/javascript")
    again = await client.get(
        "/console/assets/app.js", headers={"if-none-match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/console/assets/app.js", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "name",
    ["page.html", "first-steps.html", "plugin.py", "..%2fplugin.py", "%2e%2e", "x.js", "app.js%00"],
)
async def test_what_is_no_asset_is_not_there(client: httpx2.AsyncClient, name: str) -> None:
    assert (await client.get(f"/console/assets/{name}")).status_code == 404


async def test_a_store_that_does_not_answer_leaves_the_page() -> None:
    class People:
        async def agents(self) -> list[str]:
            raise Unavailable

    class Rooms:
        people = People()

    class Some:
        rooms = Rooms()

    assert await Staff(Some()).is_there()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.suffix in {".js", ".html"}], ids=str
)
def test_no_file_makes_markup_of_text(file: Path) -> None:
    assert SINKS.findall(file.read_text()) == []
    assert re.findall(r"""\son\w+=["']|https?://(?!www\.w3\.org/)""", file.read_text()) == []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_file_knows_a_channel_by_name(file: Path) -> None:
    """Icons, titles and what a channel can come from GET /inboxes."""
    channels = {path.parent.name for path in (ROOT / "plugins").glob("*/wire.py")}
    assert channels
    words = {channel.strip("_") for channel in channels} | {"whatsapp", "telegram", "messenger"}
    assert [word for word in sorted(words) if word in file.read_text().lower()] == []


def test_every_module_is_checked_and_named() -> None:
    """tsc checks what says so; a module that nobody imports is dead."""
    modules = {file.name: file.read_text() for file in FILES if file.suffix == ".js"}
    assert [
        name for name, text in modules.items() if not text.startswith("// @ts-check\n/**")
    ] == []
    imported = {
        found for text in modules.values() for found in re.findall(r'"\./([\w-]+\.js)"', text)
    }
    assert set(modules) - imported == {"app.js"}
