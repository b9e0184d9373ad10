"""Posts webhooks one at a time and says exactly when: for counting syncs, and for bad days."""

from __future__ import annotations

import http.client
import time
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

from sandbox.customers import make_customers
from sandbox.payloads import encode_body, message_item, new_wamid, sign, text
from tests.journeys.place import APP_SECRET, INBOXES, NUMBERS

TIMEOUT = 30.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One post. `sent` is just before the body's last byte left, both in seconds of the wall."""

    wamid: str
    sent: float
    answered: float
    status: int
    retry_after: str | None


class Poster:
    """One customer's provider on one connection."""

    def __init__(self, url: str, seed: int = 0) -> None:
        """Connect at the first post."""
        parts = urlsplit(url)
        self._rng = Random(seed)
        (self._customer,) = make_customers(1, self._rng)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def post(self, *, wamid: str = "", words: str = "hello") -> Answer:
        """Post one message and wait for the answer; a wamid given is posted again."""
        name = wamid or new_wamid(self._customer.wa_id, self._rng, inbound=True)
        item = message_item(
            NUMBERS[0], self._customer, text(words), wamid=name, at=datetime.now(UTC)
        )
        body = encode_body([item])
        connection = self._connection
        connection.putrequest("POST", f"/inboxes/{INBOXES[0]}/webhook")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("X-Hub-Signature-256", sign(APP_SECRET, body))
        connection.endheaders()
        connection.send(body[:-1])
        sent = time.time()
        connection.send(body[-1:])
        response = connection.getresponse()
        answered = time.time()
        response.read()
        return Answer(
            wamid=name,
            sent=sent,
            answered=answered,
            status=response.status,
            retry_after=response.headers.get("Retry-After"),
        )
