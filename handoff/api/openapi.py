"""The OpenAPI 3.1 document, made of the table of operations and the structs they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

import msgspec

from handoff.api.errors import ErrorBody
from handoff.api.operations import Operation
from handoff.api.reading import KEY_BOUND, Nothing

PREFIX = "/api/v1"
_REF = "#/components/schemas/{name}"
_REASONS = {
    400: "It cannot be read; `field` names what to mend.",
    401: "Nobody is signed in.",
    403: "You may know of it, but not do this; or the CSRF token is missing.",
    404: "It does not exist, or you may not know of it.",
    409: "Somebody was faster, or it is not your conversation.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not JSON.",
    422: "It is understood and cannot be.",
    429: "Too many tries; see Retry-After.",
    500: "Something went wrong on this side.",
    503: "The store cannot take it now; see Retry-After.",
}
_USUAL = (400, 500, 503)
_SIGNED = (401, 403)
_WITH_BODY = (413, 415)
_EVENTS_NOTE = (
    "The same address is a WebSocket. Its first frame, within 10 seconds, is "
    '`{"token"?, "after": cursor|null}`; frames are those of `events`, and without `seq` `typing`, '
    "`pong`, `resync` and `error`. You may send "
    '`{"type": "ping"}` and `{"type": "typing", "conversation": id}`, at most 100 a minute and '
    "64 KiB each. It closes with 4001 (not signed in), 4003 (signed out), 4008 (read too slowly), "
    "4029 (too many frames), 1012 (come back with your cursor)."
)


def document(operations: Sequence[Operation], *, session_cookie: str) -> bytes:
    """Return the document as JSON."""
    kinds = _kinds(operations)
    refs, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = paths.setdefault(PREFIX + operation.path, {})
        path[operation.method.lower()] = _operation(operation, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Frontdesk",
                "version": "1",
                "description": "What agents can do and ask. Ids are opaque, times RFC 3339 in UTC.",
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": _security_schemes(session_cookie),
            },
        }
    )


def _kinds(operations: Iterable[Operation]) -> list[Any]:
    """Return every struct that stands in a body or an answer, once."""
    found: dict[Any, None] = {ErrorBody: None}
    for operation in operations:
        for kind in (operation.body, operation.answer):
            if kind is not Nothing and kind is not NoneType:
                found[kind] = None
    return list(found)


def _operation(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.handle.__name__,
        "summary": operation.summary,
        "x-may": operation.who,
        "parameters": _parameters(operation),
        "responses": _responses(operation, schema_of),
        "security": _security(operation),
    }
    if operation.path == "/events":
        described["description"] = _EVENTS_NOTE
    if operation.body is not Nothing:
        described["requestBody"] = {"required": True, "content": _json(schema_of[operation.body])}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    name = operation.path.partition("{")[2].partition("}")[0]
    if name:
        schema = {"type": "string", "minLength": 1, "maxLength": 200}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if operation.takes_key:
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_BOUND}
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key gets the same answer for 48 hours.",
                "schema": schema,
            }
        )
    query = msgspec.json.schema(operation.query)["$defs"][operation.query.__name__]
    for name, schema in query["properties"].items():
        found.append({"name": name, "in": "query", "required": False, "schema": _plain(schema)})
    return found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Take null out: a query parameter is absent instead."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return dict(kinds[0])
    return {name: value for name, value in schema.items() if value is not None}


def _responses(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if operation.answer is NoneType:
        found["204"] = {"description": "Done."}
    else:
        found["200"] = {"description": "Done.", "content": _json(schema_of[operation.answer])}
    statuses = {*_USUAL, *operation.errors}
    statuses |= {403} if operation.who == "anyone" else set(_SIGNED)
    statuses |= set() if operation.method == "GET" else set(_WITH_BODY)
    for status in sorted(statuses):
        error = {"description": _REASONS[status], "content": _json(schema_of[ErrorBody])}
        if status in {429, 503}:
            seconds = {"schema": {"type": "integer", "minimum": 0}}
            error["headers"] = {"Retry-After": {"description": "Seconds.", **seconds}}
        found[str(status)] = error
    return found


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.who == "anyone":
        return []
    if operation.method == "GET":
        return [{"token": []}, {"session": []}]
    return [{"token": []}, {"session": [], "csrf": []}]


def _security_schemes(session_cookie: str) -> dict[str, Any]:
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
        "session": {"type": "apiKey", "in": "cookie", "name": session_cookie},
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "The `csrf` of the session, with every change.",
        },
    }
