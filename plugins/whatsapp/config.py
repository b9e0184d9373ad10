"""What an inbox of this channel needs in plugins.toml."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from core.config import Secret

_NUMBER_ID: Final = re.compile(r"[0-9]{1,32}")
_VERSION: Final = re.compile(r"[1-9][0-9]\.[0-9]")
_BASE: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_HEADER_SAFE: Final = re.compile(r"[!-~]+")


class WhatsAppInbox(msgspec.Struct, frozen=True, kw_only=True):
    """One phone number of the Cloud API; of a secret's values the first is used, all verify.

    `phone_number_id` is Meta's id of the number, never the number itself; `waba` the id of its
    WhatsApp Business Account, optional.
    """

    phone_number_id: str
    access_token: Secret
    app_secret: Secret
    verify_token: Secret
    api_base: str = "https://graph.facebook.com"
    api_version: str = "25.0"
    waba: str = ""

    def __post_init__(self) -> None:
        """Refuse what would fail at the first message; the words are for the one who typed it."""
        if not _NUMBER_ID.fullmatch(self.phone_number_id):
            _refuse("phone_number_id is not an id of digits as Meta shows it in API setup")
        if not _VERSION.fullmatch(self.api_version):
            _refuse('api_version is not a version like "25.0"')
        if not _BASE.fullmatch(self.api_base):
            _refuse("api_base is not an http or https address without login, query and fragment")
        if not all(_HEADER_SAFE.fullmatch(token) for token in self.access_token):
            _refuse("access_token holds characters that no access token has")

    @property
    def graph(self) -> str:
        """The address that every call starts with."""
        return f"{self.api_base.rstrip('/')}/v{self.api_version}"


def _refuse(message: str) -> None:
    raise ValueError(message)
