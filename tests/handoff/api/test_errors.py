"""Whatever goes wrong, the answer has one shape and gives nothing away."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from core.errors import Conflict, Impossible, NotFound, StoreBusy, TooMany, Unavailable
from tests.handoff.api.fakes import World, agent_view

TOKEN = {"authorization": "Bearer token-ann"}
CLAIM = "/api/v1/conversations/c1/claim"


async def ask(
    world: World, method: str, path: str, *, headers: dict[str, str] | None = None, **given: Any
) -> Any:
    async with world.client(headers=TOKEN if headers is None else headers) as client:
        return await client.request(method, path, **given)


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v1/tickets", "/api/v1/me/x/y", "/api/v1/"]
)
async def test_an_unknown_address_is_404(path: str) -> None:
    answer = await ask(World(), "GET", path)
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"code": "not_found", "message": "There is no such thing here."}
    }


async def test_an_unknown_method_is_405_and_says_which_there_are() -> None:
    answer = await ask(World(), "PATCH", "/api/v1/session")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, POST"
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_a_method_override_changes_nothing() -> None:
    world = World()
    headers = {**TOKEN, "x-http-method-override": "POST", "x-method-override": "POST"}
    answer = await ask(world, "GET", "/api/v1/conversations/c1/reopen", headers=headers)
    assert answer.status_code == 405
    assert world.workplace.calls == []


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [
        (Conflict("Somebody was faster.", code="epoch"), 409, None),
        (Impossible("A topic is needed.", field="topic"), 422, None),
        (NotFound(), 404, None),
        (TooMany("Wait.", retry_after=7), 429, "7"),
        (Unavailable(), 503, "2"),
        (StoreBusy("database is locked: /var/secret.db"), 503, "2"),
    ],
)
async def test_refusals_have_their_status(error: Exception, status: int, wait: str | None) -> None:
    world = World()
    world.workplace.raises["claim"] = error
    answer = await ask(world, "POST", CLAIM, json={"epoch": 1})
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == wait
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) <= {"code", "message", "field"}
    assert "secret" not in answer.text


async def test_a_surprise_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.workplace.raises["claim"] = RuntimeError("password=hunter2")
    with caplog.at_level(logging.ERROR, "frontdesk.api"):
        answer = await ask(world, "POST", CLAIM, json={"epoch": 1})
    assert answer.status_code == 500
    assert answer.json() == {
        "error": {
            "code": "internal",
            "message": "Something went wrong on this side. It is in the log.",
        }
    }
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "epoch"),
        ({"epoch": "1"}, "epoch"),
        ({"epoch": 1.5}, "epoch"),
        ({"epoch": True}, "epoch"),
        ({"epoch": {"$gt": 0}}, "epoch"),
        ({"epoch": 1, "agent": "bob"}, "agent"),
        ({"epoch": 1, "over_capacity": "yes"}, "over_capacity"),
        ([1], None),
        (None, None),
    ],
)
async def test_a_body_of_another_shape_is_400_and_names_the_field(
    body: Any, field: str | None
) -> None:
    world = World()
    answer = await ask(world, "POST", CLAIM, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "malformed"
    assert answer.json()["error"].get("field") == field
    assert world.workplace.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"epoch": NaN}',
        b'{"epoch": 1e400}',
        b'{"epoch": 9223372036854775808}',
        b'{"epoch": ' + b"9" * 4301 + b"}",
        b"[" * 5000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"\xff\xfe",
        b"epoch=1",
    ],
)
async def test_a_body_that_is_no_json_is_400(body: bytes) -> None:
    headers = {**TOKEN, "content-type": "application/json"}
    answer = await ask(World(), "POST", CLAIM, headers=headers, content=body)
    assert answer.status_code == 400


async def test_what_was_sent_never_comes_back_in_an_error() -> None:
    for body in ({"<script>": 1, "epoch": 1}, {"status": "<script>"}):
        answer = await ask(World(), "PUT", "/api/v1/me/status", json=body)
        assert answer.status_code == 400
        assert "script" not in answer.text


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
    ],
)
async def test_only_json_bodies_are_taken(content_type: str | None) -> None:
    world = World()
    headers = {**TOKEN, **({"content-type": content_type} if content_type else {})}
    answer = await ask(world, "POST", CLAIM, headers=headers, content=b'{"epoch": 1}')
    assert answer.status_code == 415
    assert world.workplace.calls == []


async def test_a_form_without_a_body_is_refused_too() -> None:
    headers = {**TOKEN, "content-type": "application/x-www-form-urlencoded"}
    answer = await ask(World(), "POST", "/api/v1/conversations/c1/typing", headers=headers)
    assert answer.status_code == 415


async def test_compressed_bodies_are_refused() -> None:
    headers = {**TOKEN, "content-type": "application/json", "content-encoding": "gzip"}
    answer = await ask(World(), "POST", CLAIM, headers=headers, content=b"\x1f\x8b")
    assert answer.status_code == 415


async def test_the_body_has_a_bound_that_is_kept_while_reading() -> None:
    body = b'{"text": "' + b"x" * (1024 * 1024) + b'"}'

    async def drip() -> Any:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    path = "/api/v1/conversations/c1/messages"
    headers = {**TOKEN, "content-type": "application/json"}
    for content in (body, drip()):
        answer = await ask(World(), "POST", path, headers=headers, content=content)
        assert answer.status_code == 413


async def test_an_unbounded_body_is_not_read_to_its_end() -> None:
    world = World()
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        taken += 65536
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/conversations/c1/messages",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer token-ann")],
        "client": ("203.0.113.7", 1),
    }
    async with asyncio.timeout(5):
        await world.app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert taken <= 1024 * 1024 + 2 * 65536


async def test_nobody_who_is_not_signed_in_gets_his_body_read() -> None:
    world = World()

    async def receive() -> Any:
        raise AssertionError("the body was read")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": CLAIM,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer wrong")],
        "client": ("203.0.113.7", 1),
    }
    await world.app(scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("view=all", "view"),
        ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("sort=name", "sort"),
        ("me=bob", "me"),
        ("tag=a&tag=b", "tag"),
        ("inbox[$ne]=x", None),
    ],
)
async def test_a_wrong_query_names_its_parameter(query: str, field: str | None) -> None:
    world = World()
    answer = await ask(world, "GET", f"/api/v1/conversations?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"].get("field") == field
    assert world.workplace.calls == []


async def test_a_query_with_too_many_parameters_is_400() -> None:
    query = "&".join(f"a{n}=1" for n in range(1000))
    assert (await ask(World(), "GET", f"/api/v1/conversations?{query}")).status_code == 400


@pytest.mark.parametrize("bad", ["%00", "a%00b", "x" * 201])
async def test_an_id_that_nothing_can_have_is_not_found(bad: str) -> None:
    world = World()
    answer = await ask(world, "GET", f"/api/v1/conversations/{bad}")
    assert answer.status_code == 404
    assert world.workplace.calls == []


async def test_answers_are_not_kept_and_not_sniffed() -> None:
    for path in ("/api/v1/me", "/api/v1/nowhere", "/openapi.json"):
        answer = await ask(World(), "GET", path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith("application/json")


async def test_a_disabled_agent_is_signed_out() -> None:
    world = World()
    world.logins.agents["ann"] = agent_view("ann", disabled=True)
    answer = await ask(world, "GET", "/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
