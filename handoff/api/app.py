"""Everything below /api/v1: finds the operation, lets the caller in, reads, calls, answers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.errors import NotFound, Refused
from handoff.api.errors import NotAllowed, answer, refusal
from handoff.api.gate import SAFE_METHODS, Gate
from handoff.api.operations import Call, Operation
from handoff.api.origin import need_own_page
from handoff.api.reading import body_of, id_of, key_of, query_of, read_body
from handoff.api.stream import Stream

Methods = dict[str, Operation]
EVENTS = "/events"


class Table:
    """Finds operations by address without trying one pattern after the other."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Sort them by path; the {parameter} is always the second segment."""
        self._by_path: dict[str, Methods] = {}
        for operation in operations:
            path = operation.path.replace("{name}", "{id}")
            self._by_path.setdefault(path, {})[operation.method] = operation

    def find(self, path: str) -> tuple[Methods, str]:
        """Return the operations of an address and its parameter; NotFound."""
        methods = self._by_path.get(path)
        if methods is not None and "{" not in path:
            return methods, ""
        parts = path.split("/")
        if len(parts) > 2:
            subject, parts[2] = parts[2], "{id}"
            methods = self._by_path.get("/".join(parts))
            if methods is not None:
                return methods, id_of(subject)
        raise NotFound


class Api:
    """The ASGI application mounted at /api/v1."""

    def __init__(self, gate: Gate, operations: Iterable[Operation], stream: Stream) -> None:
        """Take the table."""
        self._gate = gate
        self._table = Table(operations)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or serve a socket."""
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send, known=_path_of(scope) == EVENTS)
            return
        try:
            response = await self._respond(Request(scope, receive), receive)
        except ClientDisconnect:
            return
        except Refused as error:
            response = refusal(error)
        except Exception as error:  # noqa: BLE001 - refusal() logs it; the caller learns nothing of it
            response = refusal(error)
        with suppress(OSError):  # the caller may be gone
            await response(scope, receive, send)

    async def _respond(self, request: Request, receive: Receive) -> Response:
        methods, subject = self._table.find(_path_of(request.scope))
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            raise NotAllowed(", ".join(sorted(methods)))
        call = await self._admit(request, operation)
        call.subject = subject
        call.key = key_of(request.headers.get("idempotency-key"))
        given = await _given(operation, request, receive)
        response = answer(await operation.handle(call, **given))
        for cookie in call.set_cookies:
            response.headers.append("set-cookie", cookie)
        return response

    async def _admit(self, request: Request, operation: Operation) -> Call:
        signed = None
        if operation.who == "anyone":
            need_own_page(request.headers, self._gate.public)
        else:
            signed = await self._gate.admit(request.method, request.headers, request.cookies)
        return Call(
            gate=self._gate,
            signed=signed,
            address=request.client.host if request.client is not None else "local",
            cookies=request.cookies,
        )


def _path_of(scope: Scope) -> str:
    """Return the path below the mount."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def _given(operation: Operation, request: Request, receive: Receive) -> dict[str, Any]:
    given: dict[str, Any] = {"query": query_of(operation.query, request.scope["query_string"])}
    if request.method not in SAFE_METHODS:
        body = await read_body(request.headers, receive)
        given["body"] = body_of(operation.body, body, request.headers.get("content-type"))
    return {name: given[name] for name in operation.takes}
