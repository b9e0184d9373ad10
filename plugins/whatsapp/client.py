"""Sends text through pywa, and says exactly what became of it. The only module that imports an SDK.

pywa builds the request; everything after that is ours: an answer that is no success is turned into
a SendError before pywa sees it, because pywa expects keys that proxies and Meta leave out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import httpx2
from pywa_async.client import WhatsApp as Pywa
from typing_extensions import override

from core.text import clean, decode_json, list_at, text_at
from frontdesk import Ambiguous, Outgoing, Rejected, SendReceipt, Unreachable
from plugins.whatsapp.config import WhatsAppInbox
from plugins.whatsapp.errors import refusal, retry_after
from plugins.whatsapp.senders import is_parent, is_scoped

for _name in ("pywa", "pywa_async"):  # at DEBUG they log customers' words and numbers
    logging.getLogger(_name).setLevel(logging.INFO)

DEADLINE: Final = timedelta(seconds=15)
TEXT_LIMIT: Final = 4096
_TAG_LIMIT: Final = 512
_ANSWER_LIMIT: Final = 1024 * 1024
# Waiting for a connection, connecting and TLS end well before the deadline: what the deadline cuts
# off has left, and is ambiguous.
_TIMEOUT: Final = httpx2.Timeout(15, connect=4, pool=4)
_LIMITS: Final = httpx2.Limits(
    max_connections=20, max_keepalive_connections=20, keepalive_expiry=30
)
_NOTHING_LEFT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
_MAY_HAVE_LEFT: Final = (TimeoutError, httpx2.HTTPError, ValueError)  # ValueError: JSON only to us
_LOOK_FIRST: Final = "The message may have been sent; look before you send it again."


class Client:
    """One inbox's connection to the Graph API. Never tries again by itself."""

    def __init__(
        self,
        inbox: WhatsAppInbox,
        *,
        deadline: timedelta = DEADLINE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open nothing yet: the first send connects."""
        self._number = inbox.phone_number_id
        self._deadline = deadline.total_seconds()
        self._now = now
        self._session = httpx2.AsyncClient(
            transport=_Capped(limits=_LIMITS),
            timeout=_TIMEOUT,
            event_hooks={"response": [self._raise_refusal]},
            headers={"Accept-Encoding": "identity"},
        )
        pywa = Pywa(
            phone_id=self._number,
            token=inbox.access_token.first,
            session=cast("Any", self._session),  # httpx's twin; pywa's hint names httpx
            server=None,
            api_version=inbox.api_version,
        )
        self._session.base_url = inbox.graph  # pywa has just set Meta's own
        self._api = pywa.api

    async def send(self, outgoing: Outgoing) -> SendReceipt:
        """Send one text; the receipt holds the provider's id.

        Raises Rejected for what cannot be sent, Unreachable when nothing left, Ambiguous when it
        may have, and what `errors.refusal` makes of Meta's codes.
        """
        _check(outgoing)
        number, scoped = _recipient(outgoing.to)
        try:
            async with asyncio.timeout(self._deadline):
                # Not Pywa.send_message: it takes an id with letters in it for a group's.
                answer = await self._api.send_message(
                    sender=self._number,
                    to=number,
                    recipient=scoped,
                    recipient_type="individual",
                    typ="text",
                    msg={"body": clean(outgoing.text), "preview_url": False},
                    reply_to_message_id=outgoing.quote or None,
                    biz_opaque_callback_data=outgoing.tag or None,
                )
        except _NOTHING_LEFT as error:
            message = "WhatsApp cannot be reached."
            raise Unreachable(message, hint="Check the network and api_base.") from error
        except _MAY_HAVE_LEFT as error:
            message = "WhatsApp did not answer."
            raise Ambiguous(message, hint=_LOOK_FIRST) from error
        return SendReceipt(source_ids=(_message_id(answer),))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def _raise_refusal(self, response: httpx2.Response) -> None:
        body = await response.aread()
        if response.is_success and _names_message(body):
            return
        wait = response.headers.get("retry-after", "")
        raise refusal(response.status_code, body, after=retry_after(wait, now=self._now()))


class _Capped(httpx2.AsyncHTTPTransport):
    """Reads at most 1 MiB of an answer, uncompressed: a few bytes of gzip can hold a gigabyte."""

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        response.headers.pop("content-encoding", None)
        response.stream = _CappedStream(cast("httpx2.AsyncByteStream", response.stream))
        return response


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _ANSWER_LIMIT
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                message = "The answer is larger than 1 MiB."
                raise httpx2.ReadError(message)
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


def _check(outgoing: Outgoing) -> None:
    if outgoing.parts:
        message = "This inbox can send text only."
        raise Rejected(message)
    if not outgoing.text.strip():
        message = "There is no text to send."
        raise Rejected(message)
    if len(outgoing.text) > TEXT_LIMIT:
        message = f"The text is longer than {TEXT_LIMIT} characters."
        raise Rejected(message, hint="Split it into several messages.")
    if len(outgoing.tag) > _TAG_LIMIT:
        message = f"The tag is longer than {_TAG_LIMIT} characters."
        raise Rejected(message)


def _recipient(keys: tuple[str, ...]) -> tuple[str | None, str | None]:
    """The number to write to, or else the id: a person's own before the parent's."""
    number = next((key for key in keys if key.isascii() and key.isdigit()), None)
    if number:
        return f"+{number}", None
    scoped = sorted((key for key in keys if is_scoped(key)), key=is_parent)
    if not scoped:
        message = "WhatsApp cannot write to this address."
        raise Rejected(message)
    return None, scoped[0]


def _names_message(body: bytes) -> bool:
    """Whether a success says which message it accepted; without that nobody knows."""
    try:
        return _message_id(decode_json(body)) != ""
    except ValueError:
        return False


def _message_id(answer: object) -> str:
    messages = list_at(answer, "messages") if isinstance(answer, dict) else []
    return text_at(messages[0], "id") if messages and isinstance(messages[0], dict) else ""
