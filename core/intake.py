"""Webhooks: verify, parse, store, answer. A 2xx means that everything is on disk or parked.

A raw ASGI callable, because this is the hot path and needs nothing a framework offers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from core.batch import Outcome
from core.errors import Faulty, Malformed, Refused, TooLarge, TooMany, Unavailable
from core.failpoints import hit
from core.ids import IdMaker
from core.inbound import Accept, KeepWebhook
from core.metrics import Metrics
from core.models.inbound import Inbound, Incoming, Receipt, WebhookAnswer, WebhookRequest
from core.ports.channel import Channel, Forged, Unparsed
from core.receipts import TakeReceipt
from core.units import Unit
from core.writer import Writer

log = logging.getLogger("frontdesk.intake")
BODY_SECONDS = 15.0
TRIES = 20
TRY_SECONDS = 60.0
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Intake:
    """Answers GET and POST /inboxes/{inbox}/webhook for every channel."""

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        inboxes: Mapping[str, str],
        routes: Mapping[tuple[str, str], str],
        detached: Callable[[str], bool],
        writer: Writer,
        metrics: Metrics,
    ) -> None:
        """`inboxes` maps inbox to channel, `routes` (channel, provider's id) to inbox."""
        self._channels = channels
        self._inboxes = inboxes
        self._routes = routes
        self._detached = detached
        self._writer = writer
        self._metrics = metrics
        self._forgeries = Forgeries()
        self._ids = IdMaker()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong has a status and one sentence."""
        inbox = scope["path"].split("/")[2]
        try:
            answer = await self._take(inbox, scope, receive)
        except Refused as refused:
            answer = WebhookAnswer(status=refused.status, body=refused.message.encode())
            await _respond(send, answer, refused.retry_after)
        else:
            hit("intake.before_answer")
            await _respond(send, answer, None)
        self._metrics.webhooks.count(inbox if inbox in self._inboxes else "", str(answer.status))

    async def _take(self, inbox: str, scope: Scope, receive: Receive) -> WebhookAnswer:
        channel = self._channels.get(self._inboxes.get(inbox, ""))
        if channel is None:
            if self._detached(inbox):
                raise Unavailable("This inbox is detached.", retry_after=3600)
            raise Refused404
        if scope["method"] not in {"GET", "POST"}:
            raise Refused405
        who = (inbox, scope["client"][0] if scope.get("client") else "")
        headers = _headers(scope)
        body = await _body(receive, headers, channel.body_limit)
        request = WebhookRequest(
            inbox=inbox,
            method=scope["method"],
            body=body,
            headers=headers,
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
            received_at=datetime.now(UTC),
        )
        try:
            handshake = channel.verify(request)
        except Forged:
            self._forgeries.add(who)
            raise
        if handshake is not None:
            return handshake
        await self.store(request, channel)
        return WebhookAnswer(status=200, body=b"ok")

    async def store(self, request: WebhookRequest, channel: Channel, *, webhook: str = "") -> int:
        """Store a verified body and what it carries; `webhook` names one that is replayed.

        Returns how many items could not be stored and were parked. Raises Unavailable.
        """
        name = webhook or self._ids.make(time.time_ns() // 1000, 0)
        keep = KeepWebhook(
            id=name, inbox=request.inbox, body=request.body, received_at=request.received_at
        )
        try:
            items = channel.parse(request)
        except Unparsed as problem:
            log.warning("a body of %s cannot be read: %s", request.inbox, problem)
            self._metrics.items.count(request.inbox, "unparsed")
            if not webhook:
                await self._writer.ask(
                    KeepWebhook(
                        id=name,
                        inbox=request.inbox,
                        body=request.body,
                        received_at=request.received_at,
                        state="unparsed",
                        problem=str(problem),
                    )
                )
            return 1
        units: list[Unit] = [] if webhook else [keep]
        units += self._units(request.inbox, channel, items, name)
        outcomes = await self._writer.ask_all(units)
        return _check(outcomes, kept=0 if webhook else 1)

    def _units(
        self, inbox: str, channel: Channel, items: Sequence[Inbound], webhook: str
    ) -> list[Unit]:
        units: list[Unit] = []
        for index, item in enumerate(items):
            target = self._routes.get((channel.name, item.route)) if item.route else inbox
            kind = type(item).__name__.lower()
            if target is None:
                self._metrics.items.count(inbox, "unknown_route")
            elif isinstance(item, Incoming):
                units.append(
                    Accept(
                        inbox=target,
                        incoming=item,
                        window=channel.can.reply_window,
                        webhook=webhook,
                        item=index,
                    )
                )
                self._metrics.items.count(target, kind)
            elif isinstance(item, Receipt):
                units.append(TakeReceipt(inbox=target, receipt=item, webhook=webhook, item=index))
                self._metrics.items.count(target, kind)
            else:
                self._metrics.items.count(target, item.kind)
        return units


def _check(outcomes: Sequence[Outcome], *, kept: int) -> int:
    """Raise when anything is neither stored nor parked; return how many were parked."""
    parked = 0
    for index, outcome in enumerate(outcomes):
        if outcome.error is None:
            continue
        if isinstance(outcome.error, Faulty) and index >= kept:
            parked += 1
        elif isinstance(outcome.error, Unavailable):
            raise outcome.error
        else:
            raise Unavailable from outcome.error
    return parked


class Forgeries:
    """Counts forged requests per address and inbox: after 20 in a minute they are answered 429.

    Only what does not verify is counted and turned away: behind a proxy the provider and an
    attacker share one address, and a customer's message must not pay for that.
    """

    def __init__(self) -> None:
        """Start with a clean slate."""
        self._tries: dict[tuple[str, str], list[float]] = {}

    def add(self, who: tuple[str, str]) -> None:
        """Count one; raise TooMany when there were too many before it."""
        now = time.monotonic()
        if len(self._tries) > 10_000:
            self._tries.clear()
        tries = [at for at in self._tries.get(who, ()) if now - at < TRY_SECONDS]
        if len(tries) >= TRIES:
            self._tries[who] = tries
            wait = int(TRY_SECONDS - (now - tries[0])) + 1
            raise TooMany("Too many forged requests.", retry_after=wait)
        self._tries[who] = [*tries, now]


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """Read a body of at most `limit` bytes within 15 s; refuse compressed ones unread."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Refused415
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 12):
        raise Malformed("The Content-Length is not a number.")
    if int(length) > limit:
        raise TooLarge(f"A body holds at most {limit} bytes.")
    message = await receive()
    if not message.get("more_body"):
        return _limited(message.get("body", b""), limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _chunks(receive, message.get("body", b""), limit)
    except TimeoutError:
        raise Refused408 from None


async def _chunks(receive: Receive, first: bytes, limit: int) -> bytes:
    body = bytearray(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The body never ended.")
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge(f"A body holds at most {limit} bytes.")
        if not message.get("more_body"):
            return bytes(body)


def _limited(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(f"A body holds at most {limit} bytes.")
    return body


class _Refused404(Refused):
    status = 404


class _Refused405(Refused):
    status = 405


class _Refused408(Refused):
    status = 408


class _Refused415(Refused):
    status = 415


Refused404 = _Refused404("There is no such inbox.")
Refused405 = _Refused405("A webhook takes GET and POST.")
Refused408 = _Refused408("The body came too slowly.")
Refused415 = _Refused415("Compressed bodies are not taken.")


async def _respond(send: Send, answer: WebhookAnswer, retry_after: int | None) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
