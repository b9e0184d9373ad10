"""WhatsApp Cloud API as a channel: what it can, who may call its webhook, and the way out."""

from __future__ import annotations

import asyncio
import hmac
import importlib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from frontdesk import (
    Can,
    Channel,
    Forged,
    Inbound,
    Notice,
    Outgoing,
    SendReceipt,
    WebhookAnswer,
    WebhookRequest,
    hookimpl,
)
from plugins.whatsapp.config import WhatsAppInbox
from plugins.whatsapp.wire import parse_webhook

if TYPE_CHECKING:
    from plugins.whatsapp.client import Client

_SIGNATURE: Final = re.compile(r"sha256=[0-9a-f]{64}")
_CHALLENGE: Final = re.compile(r"[!-~]{1,256}")
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" role="img">'
    '<path d="M4 20l1.3-4A8 8 0 1 1 8.4 19z" fill="none" stroke="currentColor" '
    'stroke-width="2" stroke-linejoin="round"/>'
    '<path d="M9 9.5c0 3 2.5 5.5 5.5 5.5" fill="none" stroke="currentColor" '
    'stroke-width="2" stroke-linecap="round"/></svg>'
)


class WhatsApp:
    """One object for all WhatsApp inboxes."""

    name: ClassVar[str] = "whatsapp"
    title: ClassVar[str] = "WhatsApp"
    icon: ClassVar[str] = _ICON
    colour: ClassVar[str] = "#25d366"
    can: ClassVar[Can] = Can(
        text_limit=4096,
        reply_window=timedelta(hours=24),
        receipts=True,
        read_receipts=True,
        quote=True,
    )
    config: ClassVar[type[msgspec.Struct]] = WhatsAppInbox
    route: ClassVar[str] = "phone_number_id"
    body_limit: ClassVar[int] = 3 * 1024 * 1024

    def __init__(self) -> None:
        """Know no inbox yet."""
        self._inboxes: dict[str, WhatsAppInbox] = {}
        self._secrets: dict[str, tuple[bytes, ...]] = {}
        self._by_number: dict[str, str] = {}
        self._clients: dict[str, Client] = {}

    def attach(self, inboxes: Mapping[str, msgspec.Struct]) -> None:
        """Take the typed options of every inbox, once, at boot."""
        for name, inbox in inboxes.items():
            if not isinstance(inbox, WhatsAppInbox):
                message = f"The options of inbox {name} are not those of WhatsApp."
                raise TypeError(message)
            self._inboxes[name] = inbox
            self._secrets[name] = tuple(secret.encode() for secret in inbox.app_secret)
            self._by_number[inbox.phone_number_id] = name

    def verify(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Answer Meta's handshake, or check the signature over the raw body; else raise Forged."""
        inbox = self._inboxes.get(request.inbox)
        if inbox is None:
            raise Forged
        if request.method == "GET":
            return _handshake(request.query, inbox.verify_token)
        if not self._signed(request, request.inbox):
            raise Forged
        return None

    def parse(self, request: WebhookRequest) -> list[Inbound]:
        """Read every item; one for another inbox of ours counts only if its secret fits as well."""
        items = parse_webhook(request.body)
        foreign = {
            route for route in {item.route for item in items} if not self._may_carry(request, route)
        }
        if not foreign:
            return items
        return [_refused(item) if item.route in foreign else item for item in items]

    async def send(self, outgoing: Outgoing) -> SendReceipt:
        """Send one text message through the inbox's client."""
        client = self._clients.get(outgoing.inbox)
        if client is None:
            # pywa takes a second to import: in a thread, so that webhooks go on being answered.
            module = await asyncio.to_thread(importlib.import_module, "plugins.whatsapp.client")
            client = self._clients.get(outgoing.inbox)
            if client is None:
                client = module.Client(self._inboxes[outgoing.inbox])
                self._clients[outgoing.inbox] = client
        return await client.send(outgoing)

    async def close(self) -> None:
        """Close every client."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()

    def _signed(self, request: WebhookRequest, inbox: str) -> bool:
        header = request.headers.get("x-hub-signature-256", "")
        return is_signed(request.body, header, self._secrets[inbox])

    def _may_carry(self, request: WebhookRequest, route: str) -> bool:
        inbox = self._by_number.get(route, request.inbox)
        if inbox == request.inbox:
            return True
        if request.replayed:  # the signature is gone: whichever secret made it must fit here too
            return set(self._secrets[request.inbox]) <= set(self._secrets[inbox])
        return self._signed(request, inbox)


def is_signed(body: bytes, header: str, secrets: Iterable[bytes]) -> bool:
    """Whether the header is `sha256=` and the lower-case HMAC of the raw body with one secret.

    Two headers arrive joined by a comma and match nothing; the SHA-1 header is never looked at.
    """
    if not _SIGNATURE.fullmatch(header):
        return False
    told = bytes.fromhex(header[7:])
    # hmac.digest would let go of the interpreter's lock for each body, and getting it back from the
    # writer's thread cost a quarter of a webhook's CPU; new() keeps it up to 2 kB.
    made = (hmac.new(secret, body, "sha256").digest() for secret in secrets)
    return any(hmac.compare_digest(one, told) for one in made)


def _handshake(query: Mapping[str, str], tokens: Iterable[str]) -> WebhookAnswer:
    """Echo the challenge to whom knows the token; only what cannot be markup or a header."""
    told = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
    known = any(hmac.compare_digest(token.encode(), told) for token in tokens)
    challenge = query.get("hub.challenge", "")
    if not known or query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        raise Forged
    return WebhookAnswer(status=200, body=challenge.encode())


def _refused(item: Inbound) -> Notice:
    return Notice(kind="foreign", detail=type(item).__name__.lower(), route=item.route)


@hookimpl
def register_channels() -> list[Channel]:
    """Offer this channel."""
    return [WhatsApp()]
