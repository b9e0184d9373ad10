"""Posting signed webhooks the way Meta does: repeat what gets no 2xx, sooner first, then later."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

import aiohttp
import msgspec

from sandbox.payloads import sign

# Meta repeats for days; these last about 40 s and outlive a restart of the server under test
RETRY_PAUSES = tuple(timedelta(seconds=pause) for pause in (0, 0.1, 0.2, 0.5, 1, 2, 4, 8, 10, 14))
_TIMEOUT = timedelta(seconds=20)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where a business wants its webhooks, and the secret that signs them."""

    url: str
    app_secret: str


class Webhooks:
    """One HTTP client for all webhooks; use it in one event loop and close it there."""

    def __init__(
        self,
        *,
        pauses: Sequence[timedelta] = RETRY_PAUSES,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        self._pauses = tuple(pauses)
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._session: aiohttp.ClientSession | None = None
        self._hurry = asyncio.Event()

    async def post(self, webhook: Webhook, body: bytes) -> int | None:
        """Post once. Gives the HTTP status, or None when no answer came."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": sign(webhook.app_secret, body),
        }
        try:
            async with self._client().post(webhook.url, data=body, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return None

    async def deliver(self, webhook: Webhook, body: bytes) -> int | None:
        """Post until a 2xx or until the attempts are used up; gives the last status."""
        status = await self.post(webhook, body)
        for pause in self._pauses:
            if is_success(status):
                break
            await self.pause(pause)
            status = await self.post(webhook, body)
        return status

    async def pause(self, length: timedelta) -> None:
        """Wait before a repeat; `nudge` ends the wait early."""
        try:
            async with asyncio.timeout(length.total_seconds()):
                await self._hurry.wait()
        except TimeoutError:
            return

    def nudge(self) -> None:
        """End every wait now: the server that refused is there again."""
        self._hurry.set()
        self._hurry = asyncio.Event()

    async def handshake(self, url: str, verify_token: str, challenge: str) -> bool:
        """Subscribe as Meta does: a GET that must answer 200 with exactly the challenge."""
        query = urlencode(
            {
                "hub.mode": "subscribe",
                "hub.verify_token": verify_token,
                "hub.challenge": challenge,
            }
        )
        async with self._client().get(f"{url}?{query}") as response:
            return response.status == 200 and await response.text() == challenge

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0)
            )
        return self._session


def is_success(status: int | None) -> bool:
    """Tell whether Meta takes this answer for a delivery."""
    return status is not None and 200 <= status < 300
