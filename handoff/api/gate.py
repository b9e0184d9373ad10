"""Who is asking: bearer tokens, session cookies, CSRF tokens. The one gate for HTTP and sockets."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import msgspec

from core.config.urls import cookie_rules
from core.errors import Forbidden, SignedOut
from core.ports.rooms import Services
from core.ports.workplace import Actor
from handoff.api.guesses import Guesses, Marks
from handoff.api.origin import need_own_page, origin_of

SESSION: Final = "frontdesk"
MARK: Final = "frontdesk-known"
SESSION_AGE: Final = timedelta(days=7)
MARK_AGE: Final = timedelta(days=365)
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
SECRET_BOUND: Final = 512
_NOBODY: Final = "You are not signed in. Sign in again."


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and by which login. `csrf` is empty for tokens."""

    actor: Actor
    login: str
    secret: str
    csrf: str


class Gate:
    """Finds out who asks. `guesses` and `marks` guard POST /session."""

    def __init__(self, services: Services, *, guesses: Guesses | None = None) -> None:
        """Take names and rules of the cookies from public_url."""
        config = services.config.frontdesk
        rules = cookie_rules(config.public_url)
        self.services = services
        self.public = origin_of(config.public_url)
        self.session_cookie = rules.prefix + SESSION
        self.mark_cookie = rules.prefix + MARK
        self.guesses = guesses or Guesses()
        self.marks = Marks(config.secret_key.values)
        self._secure = "; Secure" if rules.secure else ""

    async def admit(
        self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]
    ) -> SignedIn:
        """Return who asks; a cookie changes nothing without its CSRF token."""
        token = bearer(headers.get("authorization"))
        if token is not None:
            return await self.by_token(token)
        signed = await self.by_cookie(cookies)
        if method not in SAFE_METHODS:
            need_own_page(headers, self.public)
            _need_csrf(headers.get("x-csrf-token"), signed.csrf)
        return signed

    async def by_token(self, token: str) -> SignedIn:
        """Return who owns an API token; SignedOut otherwise."""
        return await self._who(token, "api")

    async def by_cookie(self, cookies: Mapping[str, str]) -> SignedIn:
        """Return whose session the cookie holds; SignedOut otherwise."""
        return await self._who(cookies.get(self.session_cookie, ""), "console")

    async def _who(self, secret: str, desk: str) -> SignedIn:
        if not 0 < len(secret) <= SECRET_BOUND:
            raise SignedOut(_NOBODY)
        actor, csrf, login = await self.services.logins.who(secret)
        if actor.desk != desk:  # a token is no cookie and a session no bearer token
            raise SignedOut(_NOBODY)
        return SignedIn(actor=actor, login=login, secret=secret, csrf=csrf)

    def session_set(self, secret: str) -> str:
        """Return the Set-Cookie of a new session."""
        return self._cookie(self.session_cookie, secret, SESSION_AGE)

    def session_gone(self) -> str:
        """Return the Set-Cookie that ends it."""
        return self._cookie(self.session_cookie, "", timedelta())

    def mark_set(self, mark: str) -> str:
        """Return the Set-Cookie of a browser's mark."""
        return self._cookie(self.mark_cookie, mark, MARK_AGE)

    def _cookie(self, name: str, value: str, age: timedelta) -> str:
        seconds = int(age.total_seconds())
        return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{self._secure}"


def bearer(header: str | None) -> str | None:
    """Return the token of an Authorization header; None when it is for somebody else (a proxy)."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _need_csrf(given: str | None, expected: str) -> None:
    if not expected or not hmac.compare_digest((given or "").encode(), expected.encode()):
        raise Forbidden("X-CSRF-Token is missing or not of this session.", code="csrf")
