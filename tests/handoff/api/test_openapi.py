"""The document says what the API does: every operation, every schema, every status."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from core.ports.reading import MessagePage, Page
from core.ports.views import AuthorView, DeliveryView, MessageView
from handoff.api.errors import ErrorBody, Fault
from handoff.api.openapi import PREFIX, document
from handoff.api.routes import OPERATIONS
from handoff.api.routes.session import LoginView
from tests.handoff.api.fakes import NOW, World, agent_view, conversation_view


@pytest.fixture(name="described", scope="module")
def _described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(OPERATIONS, session_cookie="frontdesk"))
    return found


def validator(described: dict[str, Any], schema: Any) -> Any:
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return jsonschema_rs.validator_for({**whole, "components": described["components"]})


async def test_it_is_served_to_everybody() -> None:
    async with World().client() as client:
        answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"] == "3.1.0"


def test_every_operation_is_there_and_described(described: dict[str, Any]) -> None:
    listed = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert listed == {(one.method.lower(), PREFIX + one.path) for one in OPERATIONS}
    names = []
    for methods in described["paths"].values():
        for one in methods.values():
            names.append(one["operationId"])
            assert one["summary"].endswith((".", "429."))
            assert one["x-may"] in {"anyone", "agent", "supervisor", "admin"}
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    text = json.dumps(described)
    found = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert found
    assert found <= set(described["components"]["schemas"])
    assert all(
        re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in described["components"]["schemas"]
    )


def test_every_schema_is_one(described: dict[str, Any]) -> None:
    for schema in described["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_parameter_of_a_path_is_declared(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        wanted = set(re.findall(r"\{(\w+)\}", path))
        for one in methods.values():
            declared = {p["name"] for p in one["parameters"] if p["in"] == "path"}
            assert declared == wanted


def test_changes_ask_for_token_or_cookie_with_csrf(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            if (method, path) == ("post", "/api/v1/session"):
                assert one["security"] == []
            elif method == "get":
                assert one["security"] == [{"token": []}, {"session": []}]
            else:
                assert one["security"] == [{"token": []}, {"session": [], "csrf": []}]


def test_only_replies_take_a_key(described: dict[str, Any]) -> None:
    keyed = [
        path
        for path, methods in described["paths"].items()
        for one in methods.values()
        if any(p["name"] == "Idempotency-Key" for p in one["parameters"])
    ]
    assert keyed == ["/api/v1/conversations/{id}/messages"]


MESSAGE = MessageView(
    id="m1",
    conversation="c1",
    position=1,
    kind="outgoing",
    note=False,
    author=AuthorView(kind="agent", id="ann", name="Ann"),
    text="hi",
    parts=(),
    quote=None,
    source_id=None,
    created_at=NOW,
    delivery=DeliveryView(state="sent", reason=None, hint=None, attempt=1),
    edited_at=None,
    deleted_at=None,
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "/me", agent_view("ann")),
        ("post", "/session", LoginView(agent=agent_view("ann"), csrf="c")),
        ("get", "/conversations", Page(items=(conversation_view("c1"),), cursor=None)),
        ("get", "/conversations/{id}", conversation_view("c1")),
        ("get", "/conversations/{id}/messages", MessagePage(items=(MESSAGE,), more=False)),
        ("post", "/conversations/{id}/messages", MESSAGE),
    ],
)
def test_answers_are_as_described(
    described: dict[str, Any], method: str, path: str, body: Any
) -> None:
    answer = described["paths"][PREFIX + path][method]["responses"]["200"]
    checker = validator(described, answer["content"]["application/json"]["schema"])
    checker.validate(json.loads(msgspec.json.encode(body)))
    assert not checker.is_valid({"id": 1})


def test_errors_are_as_described(described: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/ErrorBody"}
    body = ErrorBody(error=Fault(code="conflict", message="Somebody was faster."))
    validator(described, schema).validate(json.loads(msgspec.json.encode(body)))
    for methods in described["paths"].values():
        for one in methods.values():
            for status, answer in one["responses"].items():
                if status >= "400":
                    assert answer["content"]["application/json"]["schema"] == schema


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("/conversations/{id}/claim", {"epoch": 1}, {"epoch": 1, "agent": "bob"}),
        ("/conversations/{id}/messages", {"text": "hi"}, {"text": ""}),
        ("/session", {"email": "a@b.c", "password": "x"}, {"email": "a@b.c"}),
    ],
)
async def test_bodies_are_taken_and_refused_as_described(
    described: dict[str, Any], path: str, good: Any, bad: Any
) -> None:
    body = described["paths"][PREFIX + path]["post"]["requestBody"]
    checker = validator(described, body["content"]["application/json"]["schema"])
    assert (checker.is_valid(good), checker.is_valid(bad)) == (True, False)
    headers = {"authorization": "Bearer token-ann"}
    async with World().client(headers=headers) as client:
        answer = await client.post(PREFIX + path.replace("{id}", "c1"), json=bad)
    assert answer.status_code == 400


async def test_no_operation_is_open_by_mistake(described: dict[str, Any]) -> None:
    """Without credentials every operation but signing in is 401, whatever else is wrong with it."""
    async with World().client() as client:
        for path, methods in described["paths"].items():
            for method in methods:
                answer = await client.request(method.upper(), re.sub(r"\{\w+\}", "x", path))
                expected = 400 if (method, path) == ("post", "/api/v1/session") else 401
                assert (path, method, answer.status_code) == (path, method, expected)
