"""The web side of the simulated Graph API: requests in, answers and faults out."""

import asyncio
import hmac
import re
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from sandbox.answers import (
    Answer,
    Marking,
    Refused,
    Sending,
    accepted,
    error_body,
    invalid_token,
    json_answer,
    read_request,
    unknown_object,
)
from sandbox.control import control_routes
from sandbox.faults import REFUSING, Fault, refusal
from sandbox.server import HANG_UP

if TYPE_CHECKING:
    from sandbox.graph import Graph, Line

_VERSION = re.compile(r"v\d+(\.\d+)?")


def graph_routes(graph: "Graph") -> list[BaseRoute]:
    """Lay out the simulator's addresses."""
    return [
        Mount("/_control", routes=control_routes(graph)),
        Route("/{version}/{object_id}/messages", _Messages(graph), methods=["POST"]),
        Route("/{version}/{object_id}", _Node(graph), methods=["GET"]),
    ]


class _Node:
    """`GET /v{n}/{phone_number_id}`: what a health probe reads."""

    def __init__(self, graph: "Graph") -> None:
        self._graph = graph

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            line = _authorised_line(self._graph, request)
        except Refused as refused:
            await _reply(refused.answer, scope, receive, send)
            return
        number = line.number
        answer = json_answer(
            200,
            {
                "verified_name": line.title,
                "code_verification_status": "VERIFIED",
                "display_phone_number": number.display_phone_number,
                "quality_rating": "GREEN",
                "platform_type": "CLOUD_API",
                "id": number.phone_number_id,
            },
        )
        await _reply(answer, scope, receive, send)


class _Messages:
    """`POST /v{n}/{phone_number_id}/messages`: sends, read marks and typing.

    A plain ASGI callable: a fault must be able to end the exchange without any answer.
    """

    def __init__(self, graph: "Graph") -> None:
        self._graph = graph

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            raw = await request.body()
        except ClientDisconnect:
            return  # the caller died while it was speaking
        object_id = str(request.path_params["object_id"])
        try:
            line = _authorised_line(self._graph, request)
            wanted = read_request(raw)
        except Refused as refused:
            self._graph.refuse(object_id, None, "invalid")
            await _reply(refused.answer, scope, receive, send)
            return
        answer = await _Exchange(self._graph, line, wanted, receive).answer()
        if answer is None:
            await _hang_up(scope, receive, send)
        else:
            await _reply(answer, scope, receive, send)


class _Exchange:
    """One understood request, from the fault it meets to its answer."""

    def __init__(
        self, graph: "Graph", line: "Line", wanted: Sending | Marking, receive: Receive
    ) -> None:
        self._graph = graph
        self._line = line
        self._wanted = wanted
        self._receive = receive

    async def answer(self) -> Answer | None:
        """Decide and, where a fault says so, wait; None means: hang up."""
        wanted, number_id = self._wanted, self._line.number.phone_number_id
        to = wanted.to if isinstance(wanted, Sending) else None
        fault = self._graph.faults.take(number_id, to)
        if fault is not None and fault.mode in REFUSING:
            self._graph.refuse(number_id, to, fault.mode)
            return refusal(fault)
        if isinstance(wanted, Sending):
            answer = await self._send(wanted, fault)
        else:
            answer = await self._mark(wanted, fault)
        return None if fault is not None and fault.mode == "lost_answer" else answer

    async def _mark(self, marking: Marking, fault: Fault | None) -> Answer:
        self._graph.mark(self._line, marking)
        await self._hold(fault)
        return json_answer(200, {"success": True})

    async def _send(self, sending: Sending, fault: Fault | None) -> Answer:
        graph = self._graph
        call = graph.accept(self._line, sending)
        with graph.opened(call):
            mode = fault.mode if fault is not None else None
            if mode == "status_before_answer":
                await graph.tell_statuses(call, graph.statuses)
            elif mode == "failed_later":
                graph.start(graph.tell_statuses(call, ("failed",), fault))
            else:
                graph.report(call)
            await self._hold(fault)
        return accepted(sending, call.to, call.wamid)

    async def _hold(self, fault: Fault | None) -> None:
        """Wait as `slow` says: for its seconds, a release, or the caller's hanging up."""
        if fault is None or fault.mode != "slow":
            return
        ends = {
            asyncio.ensure_future(self._receive()),
            asyncio.create_task(self._graph.released.wait()),
        }
        await asyncio.wait(ends, timeout=fault.seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


def _authorised_line(graph: "Graph", request: Request) -> "Line":
    """Find the number a request names, or raise Refused in the order Graph checks."""
    if not _VERSION.fullmatch(str(request.path_params["version"])):
        raise Refused(json_answer(400, error_body(2500, "Unknown path components")))
    token = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    known = [one for one in graph.lines.values() if _same(one.access_token, token)]
    if not known:
        raise Refused(invalid_token())
    object_id = str(request.path_params["object_id"])
    line = graph.lines.get(object_id)
    if line is None or line not in known:
        raise Refused(unknown_object(object_id))
    return line


def _same(expected: str, given: bytes) -> bool:
    return hmac.compare_digest(expected.encode(), given)


async def _reply(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    response = Response(
        answer.body, answer.status, headers=answer.headers, media_type=answer.content_type
    )
    await response(scope, receive, send)


async def _hang_up(scope: Scope, receive: Receive, send: Send) -> None:
    """End the exchange without an answer."""
    reset = scope.get("extensions", {}).get(HANG_UP)
    if reset is None:
        # a server that is not ours can only be made to break off: it closes when the body is short
        headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        return
    reset()
    while (await receive())["type"] != "http.disconnect":
        pass
