"""Each operation reaches the workplace with what was sent, and no more."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.ports.reading import ConversationFilter
from core.ports.workplace import AgentPatch, NewAgent, ProductPatch, Reply
from tests.handoff.api.fakes import World, conversation_view

TOKEN = {"authorization": "Bearer token-ann"}


async def ask(world: World, method: str, path: str, **given: Any) -> Any:
    headers = {**TOKEN, **given.pop("headers", {})}
    if given.get("json") is not None:  # written in ASCII: lone surrogates must get through
        headers["content-type"] = "application/json"
        given["content"] = json.dumps(given.pop("json"))
    async with world.client(headers=headers) as client:
        return await client.request(method, f"/api/v1{path}", **given)


CALLS: list[tuple[str, str, Any, str, dict[Any, Any]]] = [
    ("PUT", "/me/status", {"status": "break"}, "set_status", {0: "break", "reason": ""}),
    (
        "PUT",
        "/agents/bob/status",
        {"status": "offline", "reason": "gone home"},
        "set_status",
        {0: "offline", "agent": "bob", "reason": "gone home"},
    ),
    ("GET", "/me/status/preview", None, "preview_offline", {}),
    ("GET", "/agents/bob/statuses", None, "status_changes", {0: "bob"}),
    (
        "POST",
        "/conversations/c1/claim",
        {"epoch": 3},
        "claim",
        {0: "c1", "epoch": 3, "over_capacity": False},
    ),
    (
        "POST",
        "/conversations/c1/transfer",
        {"team": "t1"},
        "transfer",
        {0: "c1", "agent": None, "team": "t1"},
    ),
    (
        "POST",
        "/conversations/c1/resolve",
        {"topic": "t1", "tags": ["a", "b"]},
        "resolve",
        {0: "c1", "topic": "t1", "tags": ("a", "b")},
    ),
    ("POST", "/conversations/c1/resolve", {}, "resolve", {0: "c1", "topic": None, "tags": None}),
    ("POST", "/conversations/c1/reopen", None, "reopen", {0: "c1"}),
    ("POST", "/conversations/c1/read", {}, "read", {0: "c1"}),
    ("POST", "/conversations/c1/typing", None, "typing", {0: "c1"}),
    ("POST", "/conversations/c1/block", None, "block", {0: "c1"}),
    ("PUT", "/conversations/c1/tags", {"tags": []}, "set_tags", {0: "c1", 1: ()}),
    ("GET", "/conversations/c1", None, "conversation", {0: "c1"}),
    (
        "GET",
        "/conversations/c1/messages?before=m9&limit=3",
        None,
        "messages",
        {0: "c1", "after": None, "before": "m9", "limit": 3},
    ),
    (
        "POST",
        "/conversations/c1/messages",
        {"text": "hi\u0000 \ud800there", "quote": "m1"},
        "reply",
        {0: "c1", 1: Reply(text="hi\ufffd \ufffdthere", quote="m1")},
    ),
    ("POST", "/messages/m1/retry", None, "retry", {0: "m1"}),
    ("POST", "/contacts/k1/merge", {"into": "k2"}, "merge_contacts", {0: "k1", 1: "k2"}),
    ("POST", "/teams", {"name": "Night"}, "add_team", {0: "Night"}),
    ("POST", "/topics", {"name": "Refund"}, "add_topic", {0: "Refund", 1: ()}),
    (
        "PATCH",
        "/topics/t1",
        {"active": False},
        "change_topic",
        {0: "t1", "name": None, "active": False},
    ),
    (
        "PUT",
        "/products/acme/settings",
        {"capacity": 5},
        "set_product",
        {0: "acme", 1: ProductPatch(capacity=5)},
    ),
    (
        "POST",
        "/agents",
        {"email": "c@acme.example", "role": "supervisor"},
        "add_agent",
        {0: NewAgent(email="c@acme.example", role="supervisor")},
    ),
    (
        "PATCH",
        "/agents/bob",
        {"inboxes": ["site"], "capacities": {"acme": 3}},
        "change_agent",
        {0: "bob", 1: AgentPatch(inboxes=("site",), capacities={"acme": 3})},
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "name", "wanted"), CALLS)
async def test_what_reaches_the_workplace(
    method: str, path: str, body: Any, name: str, wanted: dict[Any, Any]
) -> None:
    world = World()
    answer = await ask(world, method, path, json=body)
    assert answer.status_code in {200, 204}, answer.text
    ((called, actor, given),) = world.workplace.calls
    assert (called, actor.agent) == (name, "ann")
    assert {key: _plain(value) for key, value in given.items()} == {
        key: _plain(value) for key, value in wanted.items()
    }


def _plain(value: Any) -> Any:
    """Compare structs by content: the body is a subclass that allows no unknown field."""
    fields = getattr(value, "__struct_fields__", None)
    return value if fields is None else {name: getattr(value, name) for name in fields}


async def test_a_list_is_asked_for_with_its_filters() -> None:
    world = World()
    query = (
        "view=archive&product=acme&channel=&inbox=site&team=t&agent=bob&topic=o&tag=x"
        "&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00%2B03:00&q=a%20%C3%A4&cursor=n&limit=7"
    )
    await ask(world, "GET", f"/conversations?{query}")
    ((_, _, given),) = world.workplace.calls
    assert given[0] == ConversationFilter(
        view="archive",
        me="ann",
        product="acme",
        inbox="site",
        team="t",
        agent="bob",
        topic="o",
        tag="x",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        until=datetime(2026, 1, 31, 21, tzinfo=UTC),
        query="a ä",
        cursor="n",
        limit=7,
    )


@pytest.mark.parametrize("key", ["k", "a" * 200, "uuid-1 2"])
async def test_the_idempotency_key_is_passed_on(key: str) -> None:
    world = World()
    path = "/conversations/c1/messages"
    await ask(world, "POST", path, json={"text": "hi"}, headers={"Idempotency-Key": key})
    assert world.workplace.calls[0][2][1].key == key


@pytest.mark.parametrize("key", ["", "  ", "a" * 201])
async def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    world = World()
    path = "/conversations/c1/messages"
    answer = await ask(world, "POST", path, json={"text": "hi"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "Idempotency-Key"
    assert world.workplace.calls == []


async def test_objects_are_answered_as_the_contract_writes_them() -> None:
    world = World()
    world.workplace.answers["conversation"] = conversation_view("c1")
    answer = (await ask(world, "GET", "/conversations/c1")).json()
    assert answer["waiting_since"] == "2026-03-01T12:00:00Z"
    assert answer["agent"] is None
    assert answer["contact"]["name"] == "Ada"
    assert answer["epoch"] == 1


async def test_head_is_answered_like_get() -> None:
    answer = await ask(World(), "HEAD", "/counters")
    assert answer.status_code == 200


async def test_foreign_ids_in_a_body_are_unknown_fields() -> None:
    """Nobody writes as somebody else by naming him."""
    names = (
        "account_id",
        "agent_id",
        "conversation_id",
        "author",
        "source_id",
        "role",
        "desk",
        "key",
    )
    for name in names:
        world = World()
        body = {"text": "hi", name: "other"}
        answer = await ask(world, "POST", "/conversations/c1/messages", json=body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, name)
        assert world.workplace.calls == []
