"""What a channel is to the core: verify, parse, send. One object per kind of channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import msgspec

from core.errors import Refused
from core.models.inbound import Can, Inbound, Outgoing, SendReceipt, WebhookAnswer, WebhookRequest


class Forged(Refused):
    """The request is not signed by the provider. It changes nothing."""

    status = 403
    code = "forged"

    def __init__(self, message: str = "The signature is missing or wrong.") -> None:
        """Say no more than that."""
        super().__init__(message)


class Unparsed(Exception):
    """The signed body cannot be read; it is kept and answered 200."""


class Channel(Protocol):
    """One kind of place customers write. Declares what it can; never knows another channel.

    `config` is the struct of an inbox's own keys in plugins.toml; `route` names the key whose
    value the provider uses to address the inbox ("" when each inbox has its own URL).
    `body_limit` is the largest webhook body in bytes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str]
    colour: ClassVar[str]
    can: ClassVar[Can]
    config: ClassVar[type[msgspec.Struct]]
    route: ClassVar[str]
    body_limit: ClassVar[int]

    def attach(self, inboxes: Mapping[str, msgspec.Struct]) -> None:
        """Take the typed options of every inbox of this channel, once, at boot."""

    def verify(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Raise Forged, answer a handshake, or return None: the body may be parsed."""

    def parse(self, request: WebhookRequest) -> list[Inbound]:
        """Read every item of a verified body, in an order fit to store. Pure; raises Unparsed."""

    async def send(self, outgoing: Outgoing) -> SendReceipt:
        """Send one message; raise a SendError when it was not, or may not have been, accepted."""

    async def close(self) -> None:
        """Close what `send` opened."""
