"""Webhook bodies shaped like WhatsApp's, signed and ready to be written to a socket.

They are made before the clock runs, so that the client costs as little as it can while it fires.
"""

from __future__ import annotations

import hmac
import json
import random
import time

import msgspec

NUMBER = "105500000000001"
SECRET = "bench-app-secret"  # noqa: S105 - made up; server and client of one run share it
INBOX = "wa"
PATH = f"/inboxes/{INBOX}/webhook"
_WORDS = "Good morning, where is my order? It should have come on Friday, number"


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes: `count` messages, a share of them from customers nobody has seen yet.

    The rest come from the customers below `known`, chosen at random; new ones are numbered from
    there on. `first` is the number of the first message.
    """

    count: int
    new: float
    known: int
    first: int

    @property
    def opening(self) -> int:
        """How many messages open a conversation."""
        return round(self.count * self.new)


class Shot(msgspec.Struct, frozen=True):
    """One request as bytes, its message's id, and whether its customer is new."""

    request: bytes
    source_id: str
    opens: bool


def make_shots(mix: Mix) -> list[Shot]:
    """Build every request of a run; the same mix gives the same ids."""
    rng = random.Random(mix.first)
    opens = [True] * mix.opening + [False] * (mix.count - mix.opening)
    rng.shuffle(opens)
    fresh = iter(range(mix.known, mix.known + mix.opening))
    moment = str(int(time.time()))
    shots = []
    for index, is_new in enumerate(opens):
        customer = next(fresh) if is_new else rng.randrange(mix.known)
        source_id = f"wamid.HBgNNDkxNTEwMDAwMDAwMBUCABIYFjNFQjA{mix.first + index:016d}"
        body = body_of(customer, source_id, f"{_WORDS} {index}.", moment)
        shots.append(Shot(request_of(body), source_id, is_new))
    return shots


def body_of(customer: int, source_id: str, text: str, moment: str) -> bytes:
    """Return one text message as Meta posts it."""
    wa_id = f"4915{customer:09d}"
    message = {
        "from": wa_id,
        "id": source_id,
        "timestamp": moment,
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000001", "phone_number_id": NUMBER},
        "contacts": [{"profile": {"name": f"Customer {customer}"}, "wa_id": wa_id}],
        "messages": [message],
    }
    entry = {"id": "104000000000001", "changes": [{"value": value, "field": "messages"}]}
    envelope = {"object": "whatsapp_business_account", "entry": [entry]}
    return json.dumps(envelope, separators=(",", ":")).encode()


def request_of(body: bytes) -> bytes:
    """Wrap a body into a signed HTTP/1.1 request with the headers Meta sends."""
    signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
    head = (
        f"POST {PATH} HTTP/1.1\r\n"
        "Host: desk.example\r\n"
        "Accept: */*\r\n"
        "Accept-Encoding: deflate, gzip\r\n"
        "User-Agent: facebookexternalua\r\n"
        "Content-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
