"""Rules for the addresses in plugins.toml: where we are reached, and where the store is."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgresql+psycopg://")


class UrlRefused(ValueError):
    """An address that cannot be used: `sentence` says why, `hint` what to write."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class CookieRules(msgspec.Struct, frozen=True, kw_only=True):
    """How cookies are set under one public_url. They are always HttpOnly and SameSite=Lax.

    `prefix` goes before each name; `warning` is printed at start, empty when all is well.
    """

    prefix: str
    secure: bool
    warning: str = ""


def cookie_rules(public_url: str) -> CookieRules:
    """https: `__Host-` and Secure. http on loopback: plain. Other http: plain, with a warning."""
    parts = urlsplit(public_url)
    if parts.scheme == "https":
        return CookieRules(prefix="__Host-", secure=True)
    if _is_loopback(parts.hostname or ""):
        return CookieRules(prefix="", secure=False)
    warning = (
        "public_url is http on a host that others can reach: passwords and messages travel "
        "unencrypted. Put https in front and write https:// in public_url."
    )
    return CookieRules(prefix="", secure=False, warning=warning)


def plain_url(url: str) -> str:
    """Checks an http(s) address of a whole host and returns it without the final slash.

    Raises UrlRefused, whose words never hold the address: it may carry a password.
    """
    example = 'Write it like "https://desk.example.com"'
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise UrlRefused("is not an address", example) from None
    if parts.scheme not in {"http", "https"}:
        raise UrlRefused("must begin with http:// or https://", example)
    if not has_host or any(letter.isspace() for letter in url):
        raise UrlRefused("names no host", example)
    if parts.username is not None or parts.password is not None:
        raise UrlRefused("must not hold a user or a password", example)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UrlRefused("must name a host only, without a path", example)
    return f"{parts.scheme}://{parts.netloc}"


def database_url(url: str, folder: Path) -> str:
    """Checks the store's address; a relative SQLite path starts at `folder`. Raises UrlRefused."""
    if url.startswith(_SQLITE):
        return _SQLITE + str(_sqlite_path(url.removeprefix(_SQLITE), folder))
    if url.startswith(_POSTGRES) and _is_splittable(url):
        return url
    if url.startswith("postgres://"):
        raise UrlRefused("is not an address of a store", "Write postgresql:// in full")
    if url.startswith("sqlite:"):
        raise UrlRefused("names no file", 'Write three slashes: "sqlite:///var/frontdesk.db"')
    hint = 'Write "sqlite:///var/frontdesk.db" or "postgresql://user@host/database"'
    raise UrlRefused("is not an address of a store", hint)


def has_password(url: str) -> bool:
    """Whether an address holds a password."""
    return urlsplit(url).password is not None


def _is_splittable(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def _sqlite_path(name: str, folder: Path) -> Path:
    if not name or name == ":memory:" or name.startswith("?"):
        hint = 'Name a file: "sqlite:///var/frontdesk.db"'
        raise UrlRefused("a store in memory would lose every message", hint)
    return folder / name


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
