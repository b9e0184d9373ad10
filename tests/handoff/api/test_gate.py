"""Signing in, cookies, tokens, CSRF: one gate, and every way around it."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Unavailable
from handoff.api.guesses import TRIES, WINDOW
from handoff.api.origin import is_own, origin_of
from tests.handoff.api.fakes import PASSWORD, PUBLIC, World

ANN = {"email": "ann@acme.example", "password": PASSWORD}
STATUS = {"status": "online"}
CSRF = {"x-csrf-token": "csrf-ann"}
COOKIE = {"cookie": "frontdesk=session-ann"}
ORIGINS = [
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1:8000.evil.example",
    "http://127.0.0.1:80001",
    "http://127.0.0.1",
    "http://127.0.0.1:8001",
    "https://127.0.0.1:8000",
    "http://127.0.0.1:8000/",
    "http://x@127.0.0.1:8000",
    "HTTP://127.0.0.1:8000",
    "http://127.0.0.1:8000 ",
    "http://localhost:8000",
    "http://xn--127-0-0-1.example:8000",
]


async def ask(world: World, method: str, path: str, **given: Any) -> Any:
    async with world.client() as client:
        return await client.request(method, f"/api/v1{path}", **given)


# -- signing in ----------------------------------------------------------------------------------


async def test_signing_in_answers_agent_and_csrf_and_sets_the_cookies() -> None:
    answer = await ask(World(), "POST", "/session", json=ANN)
    assert answer.status_code == 200
    assert answer.json()["agent"]["id"] == "ann"
    assert answer.json()["csrf"] == "csrf-1"
    session, known = answer.headers.get_list("set-cookie")
    assert session == ("frontdesk=session-ann-1; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
    assert known.startswith("frontdesk-known=")


async def test_under_https_cookies_are_host_only_and_secure() -> None:
    world = World("https://desk.example")
    answer = await ask(world, "POST", "/session", json=ANN)
    for cookie in answer.headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-frontdesk")
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "; Path=/;" in cookie
        assert "Domain" not in cookie
    plain = {"cookie": "frontdesk=session-ann"}
    assert (await ask(world, "GET", "/me", headers=plain)).status_code == 401
    held = {"cookie": "__Host-frontdesk=session-ann"}
    assert (await ask(world, "GET", "/me", headers=held)).status_code == 200


async def test_signing_in_again_is_a_new_session_and_ends_the_old_one() -> None:
    world = World()
    answer = await ask(world, "POST", "/session", json=ANN, headers=COOKIE)
    assert "session-ann" not in world.logins.known
    assert "frontdesk=session-ann-1;" in answer.headers["set-cookie"]


async def test_unknown_e_mail_and_wrong_password_look_the_same() -> None:
    world = World()
    answers = [
        await ask(world, "POST", "/session", json=given)
        for given in ({**ANN, "password": "no"}, {**ANN, "email": "nobody@acme.example"})
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content
    assert [answer.headers.get("set-cookie") for answer in answers] == [None, None]


@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_elsewhere_cannot_sign_anybody_in(origin: str) -> None:
    world = World()
    answer = await ask(world, "POST", "/session", json=ANN, headers={"origin": origin})
    assert answer.status_code == 403
    assert world.logins.tries == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_a_browser_that_says_cross_site_is_believed(site: str) -> None:
    world = World()
    headers = {"sec-fetch-site": site}
    assert (await ask(world, "POST", "/session", json=ANN, headers=headers)).status_code == 403
    headers = {**COOKIE, **CSRF, **headers}
    answer = await ask(world, "PUT", "/me/status", json=STATUS, headers=headers)
    assert answer.status_code == 403
    assert world.logins.tries == 0
    assert world.workplace.calls == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_simple_request_cannot_sign_anybody_in(content_type: str) -> None:
    world = World()
    body = b'{"email": "ann@acme.example", "password": "correct horse battery"}'
    headers = {"content-type": content_type}
    answer = await ask(world, "POST", "/session", content=body, headers=headers)
    assert answer.status_code == 415
    assert world.logins.tries == 0


# -- guessing ------------------------------------------------------------------------------------


async def guess(world: World, email: str, peer: str, **headers: str) -> int:
    body = {"email": email, "password": "wrong"}
    async with world.client(peer=(peer, 1)) as client:
        answer = await client.post("/api/v1/session", json=body, headers=headers)
        return answer.status_code


async def test_an_account_is_guessed_twenty_times_from_everywhere_together() -> None:
    world = World()
    codes = [await guess(world, "ann@acme.example", f"198.51.{n}.1") for n in range(30)]
    assert codes == [401] * TRIES + [429] * 10
    assert world.logins.tries == TRIES
    assert await guess(world, "ANN@acme.example ", "192.0.2.1") == 429
    assert await guess(world, "bob@acme.example", "192.0.2.1") == 401


async def test_a_network_guesses_twenty_times_at_all_accounts_together() -> None:
    world = World()
    codes = [await guess(world, f"a{n}@acme.example", f"198.51.100.{n}") for n in range(30)]
    assert codes == [401] * TRIES + [429] * 10
    assert await guess(world, "z@acme.example", "198.51.101.1") == 401


async def test_all_networks_together_have_a_bound() -> None:
    world = World()
    world.logins.tries = 0
    codes = [
        await guess(world, f"a{n}@acme.example", f"198.{n // 250}.{n % 250}.1") for n in range(1005)
    ]
    assert codes == [401] * 1000 + [429] * 5


async def test_an_ipv6_network_counts_as_one() -> None:
    world = World()
    codes = [await guess(world, f"a{n}@acme.example", f"2001:db8::{n:x}") for n in range(21)]
    assert codes == [401] * TRIES + [429]
    assert await guess(world, "a@acme.example", "2001:db8:0:1::1") == 401


async def test_the_wait_is_named_and_ends() -> None:
    world = World()
    for _ in range(TRIES):
        await guess(world, "ann@acme.example", "192.0.2.1")
    answer = await ask(world, "POST", "/session", json=ANN)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == str(int(WINDOW) + 1)
    world.guesses_now += WINDOW
    assert (await ask(world, "POST", "/session", json=ANN)).status_code == 200


async def test_a_known_browser_is_not_locked_out() -> None:
    world = World()
    first = await ask(world, "POST", "/session", json=ANN)
    mark = first.headers.get_list("set-cookie")[1].partition(";")[0]
    for _ in range(TRIES):
        await guess(world, "ann@acme.example", "203.0.113.7")
    assert (await ask(world, "POST", "/session", json=ANN)).status_code == 429
    known = {"cookie": mark}
    assert (await ask(world, "POST", "/session", json=ANN, headers=known)).status_code == 200


async def test_a_known_browser_guesses_twenty_times_too() -> None:
    world = World()
    first = await ask(world, "POST", "/session", json=ANN)
    mark = first.headers.get_list("set-cookie")[1].partition(";")[0]
    codes = [
        await guess(world, "ann@acme.example", f"198.51.{n}.1", cookie=mark) for n in range(25)
    ]
    assert codes == [401] * TRIES + [429] * 5


@pytest.mark.parametrize("forged", ["x.y", "x", ".", "x." + "0" * 64, "nonce.\xe9"])
async def test_a_forged_mark_is_no_known_browser(forged: str) -> None:
    world = World()
    for _ in range(TRIES):
        await guess(world, "ann@acme.example", "192.0.2.1")
    headers = [(b"cookie", f"frontdesk-known={forged}".encode("latin-1"))]
    async with world.client() as client:
        answer = await client.post("/api/v1/session", json=ANN, headers=headers)
    assert answer.status_code == 429


async def test_the_mark_of_another_account_is_no_known_browser() -> None:
    world = World()
    mark = world.gate.marks.make("bob@acme.example")
    assert world.gate.marks.read(mark, "ann@acme.example") is None
    assert world.gate.marks.read(mark, " BOB@acme.example") == mark.partition(".")[0]


async def test_right_passwords_and_failures_of_the_store_are_not_guesses() -> None:
    world = World()
    for _ in range(TRIES + 5):
        assert (await ask(world, "POST", "/session", json=ANN)).status_code == 200
    world.logins.fails = Unavailable()
    for _ in range(TRIES + 5):
        assert (await ask(world, "POST", "/session", json=ANN)).status_code == 503


# -- tokens and cookies --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic token-ann"},
        {"authorization": "token-ann"},
        {"authorization": "Bearer session-ann"},
        {"authorization": "Bearer " + "x" * 600},
        {"cookie": "frontdesk=token-ann"},
        {"cookie": "frontdesk="},
        {"cookie": "frontdesk=wrong"},
        {"cookie": "Frontdesk=session-ann"},
        {"cookie": "__Host-frontdesk=session-ann"},
        {"authorization": "Bearer wrong", "cookie": "frontdesk=session-ann"},
    ],
)
async def test_nobody(headers: dict[str, str]) -> None:
    world = World()
    answer = await ask(world, "GET", "/me", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "signed_out"


async def test_the_desk_follows_from_the_credentials() -> None:
    world = World()
    await ask(world, "GET", "/counters", headers={"authorization": "bearer token-ann"})
    await ask(world, "GET", "/counters", headers=COOKIE)
    proxied = {"authorization": "Basic of-a-proxy", **COOKIE}
    await ask(world, "GET", "/counters", headers=proxied)
    assert [actor.desk for _, actor, _ in world.workplace.calls] == ["api", "console", "console"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-csrf-token": ""}, 403),
        ({"x-csrf-token": "csrf-bob"}, 403),
        ({"x-csrf-token": "CSRF-ANN"}, 403),
        ({"x-csrf-token": "csrf-ann "}, 200),  # a server strips a header's spaces anyway
        ({"x-csrf-token": "csrf-ann"}, 200),
        ({"x-csrf-token": "csrf-ann", "origin": PUBLIC}, 200),
        ({"x-csrf-token": "csrf-ann", "origin": "http://evil.example"}, 403),
        ({"x-csrf-token": "csrf-ann", "origin": "null"}, 403),
        ({"x-csrf-token": "csrf-ann", "sec-fetch-site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/me/status", STATUS),
        ("POST", "/conversations/c1/typing", None),
        ("PATCH", "/agents/bob", {"max_total": 5}),
        ("DELETE", "/sessions/l3", None),
    ],
)
async def test_a_cookie_changes_nothing_without_its_csrf_token(
    headers: dict[str, str], status: int, method: str, path: str, body: Any
) -> None:
    world = World()
    world.logins.known["session-bob"] = world.logins.known.pop("session-bob")
    stripped = {name: value.strip() for name, value in headers.items()}
    answer = await ask(world, method, path, json=body, headers={**COOKIE, **stripped})
    if status == 403:
        assert answer.status_code == 403
        assert world.workplace.calls == []
    else:
        assert answer.status_code in {200, 204, 404}  # 404: the session is bob's


async def test_reading_needs_no_csrf_token_and_tokens_never_do() -> None:
    world = World()
    assert (await ask(world, "GET", "/me", headers=COOKIE)).status_code == 200
    token = {"authorization": "Bearer token-ann", "origin": "http://evil.example"}
    answer = await ask(world, "PUT", "/me/status", json=STATUS, headers=token)
    assert answer.status_code == 204


async def test_a_page_that_was_loaded_again_gets_its_csrf_token() -> None:
    world = World()
    answer = await ask(world, "GET", "/session", headers=COOKIE)
    assert answer.json()["csrf"] == "csrf-ann"
    token = {"authorization": "Bearer token-ann"}
    assert (await ask(world, "GET", "/session", headers=token)).status_code == 403


async def test_signing_out_ends_the_session_and_the_cookie() -> None:
    world = World()
    answer = await ask(world, "DELETE", "/session", headers={**COOKIE, **CSRF})
    assert answer.status_code == 204
    assert "frontdesk=; Path=/; Max-Age=0;" in answer.headers["set-cookie"]
    assert (await ask(world, "GET", "/me", headers=COOKIE)).status_code == 401


async def test_sessions_are_listed_and_ended_by_their_owner_alone() -> None:
    world = World()
    listed = await ask(world, "GET", "/sessions", headers=COOKIE)
    assert [item["id"] for item in listed.json()["items"]] == ["l1", "l2"]
    headers = {**COOKIE, **CSRF}
    assert (await ask(world, "DELETE", "/sessions/l3", headers=headers)).status_code == 404
    assert (await ask(world, "DELETE", "/sessions/l1", headers=headers)).status_code == 204
    assert "token-ann" not in world.logins.known


# -- origins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://Desk.Example", "https://desk.example"),
        ("https://desk.example:443", "https://desk.example"),
        ("http://desk.example:80", "http://desk.example"),
        ("https://desk.example:8443", "https://desk.example:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://desk.example", "anything", True),
        ("http://desk.example", "desk.example", False),
        ("https://desk.example.evil.example", "desk.example", False),
        ("http://localhost:8001", "localhost:8001", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8001", True),
        ("http://[::1]:8001", "[::1]:8001", True),
        ("http://localhost:9000", "localhost:8001", False),
        ("http://192.168.1.5:8001", "192.168.1.5:8001", False),
        ("http://evil.example", "evil.example", False),
        ("http://localhost.evil.example", "localhost.evil.example", False),
        ("http://[::1", "[::1", False),
        ("http://localhost:8001", None, False),
    ],
)
def test_own_is_the_public_origin_or_this_very_host_on_loopback(
    origin: str, host: str | None, own: bool
) -> None:
    assert is_own(origin, host=host, public="https://desk.example") is own
