"""What a channel's parser hands over, and what the sender hands to a channel.

`route` is the provider's id of the number, page or bot an item was sent to; core finds the inbox
by it, so one signed body may carry items of several inboxes. Empty means: the inbox of the URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from core.models.parts import Part

ReceiptState = Literal["sent", "delivered", "read", "failed"]


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request at an inbox's webhook: raw body, header names in lower case, query.

    `replayed` = a kept body that was verified when it came; its headers are gone.
    """

    inbox: str
    method: str
    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    received_at: datetime
    replayed: bool = False


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer at once, without storing anything (a handshake)."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote. `keys` are the provider's ids of this person in this inbox, best first."""

    keys: tuple[str, ...]
    name: str = ""
    phone: str = ""
    email: str = ""
    username: str = ""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a customer. `quote` is the source_id it answers."""

    source_id: str
    sender: Sender
    text: str = ""
    parts: tuple[Part, ...] = ()
    quote: str = ""
    sent_at: datetime | None = None
    opens_window: bool = True
    route: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message of ours. `tag` is ours, given back by the provider, or empty."""

    source_id: str
    state: ReceiptState
    tag: str = ""
    at: datetime | None = None
    reason: str = ""
    hint: str = ""
    route: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An item that is neither a message nor a receipt: counted and kept with the raw body."""

    kind: str
    detail: str = ""
    route: str = ""


Inbound = Incoming | Receipt | Notice


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message to send. `to` are the address's keys, best first; `tag` comes back."""

    inbox: str
    to: tuple[str, ...]
    tag: str
    text: str
    parts: tuple[Part, ...] = ()
    quote: str = ""


class SendReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The provider accepted it under these ids (one message may become several)."""

    source_ids: tuple[str, ...]


class Can(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel can. Desks ask this, never the channel's name. Sizes in bytes."""

    text_limit: int = 4096
    text_unit: Literal["chars", "bytes", "utf16"] = "chars"
    reply_window: timedelta | None = None
    receipts: bool = False
    read_receipts: bool = False
    quote: bool = False
    react: bool = False
    edit: bool = False
    delete: bool = False
    files: bool = False
    typing: bool = False
    templates: bool = False
    start: bool = False
    pull: bool = False
