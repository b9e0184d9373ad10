"""Who is signed in: sessions and API tokens as rows of lane 2, by the SHA-256 of their secret.

A login ends by sign-out, by time, when its agent is disabled, and when the password changes. The
last two need no unit of their own: whoever asks compares with the agent and the password as they
stand, so there is no moment in which one commit is written and the other is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, Protocol

import msgspec
from typing_extensions import override

from core.errors import FrontdeskError, NotFound, SignedOut
from core.ids import make_secret
from core.models.people import Agent, Login, Password
from core.models.row import Key
from core.passwords import Passwords
from core.ports.reading import People
from core.ports.store import Clock
from core.ports.views import AgentView
from core.ports.workplace import Actor, Logins, SessionView
from core.units import NOTHING, Ask, Decision, Unit
from core.views import View
from core.world import World

replace = msgspec.structs.replace
IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
TOKEN_LIFE = timedelta(days=3650)
SEEN_EVERY = timedelta(minutes=1)
KNOWN_FOR = timedelta(milliseconds=500)
KNOWN_BOUND = 10_000
_MOMENT = timedelta(microseconds=1)
_WRONG = "The e-mail or the password is wrong."
_OVER = "You are not signed in. Sign in again."


class OpenLogin(Ask, frozen=True, kw_only=True):
    """Write a new session or token down. Lane 2. Answers its row."""

    digest: str
    agent: str
    kind: Literal["session", "token"]
    name: str = ""
    csrf: str = ""
    after: datetime | None = None
    """When the password last changed: a login holds only if it is younger."""

    @override
    def needs(self) -> Iterable[Key | View]:
        """The row, which is not there."""
        return ((Login, self.digest),)

    def decide(self, world: World) -> Decision:
        """Begin now, or just after the password's change should the clock have stepped back."""
        world.get(Login, self.digest)
        now = world.now if self.after is None else max(world.now, self.after + _MOMENT)
        row = Login(
            digest=self.digest,
            id=world.new_id(),
            agent=self.agent,
            kind=self.kind,
            name=self.name,
            csrf=self.csrf,
            created_at=now,
            seen_at=now,
            until=now + (IDLE if self.kind == "session" else TOKEN_LIFE),
        )
        return Decision(rows=(row,), answer=row)


class SeeLogin(Ask, frozen=True, kw_only=True):
    """A login was used: note it, at most once a minute, and move a session's end. Lane 2."""

    digest: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The row."""
        return ((Login, self.digest),)

    def decide(self, world: World) -> Decision:
        """Never bring an ended login back."""
        row = world.get(Login, self.digest)
        if row is None or row.revoked or row.until <= world.now:
            return NOTHING
        if world.now - row.seen_at < SEEN_EVERY:
            return NOTHING
        until = row.until
        if row.kind == "session":
            until = min(world.now + IDLE, row.created_at + ABSOLUTE)
        return Decision(rows=(replace(row, seen_at=world.now, until=until),))


class EndLogin(Ask, frozen=True, kw_only=True):
    """End a login. Lane 2. Ending one that is over, or was never there, changes nothing."""

    digest: str

    @override
    def needs(self) -> Iterable[Key | View]:
        """The row."""
        return ((Login, self.digest),)

    def decide(self, world: World) -> Decision:
        """Mark it."""
        row = world.get(Login, self.digest)
        if row is None or row.revoked:
            return NOTHING
        return Decision(rows=(replace(row, revoked=True),))


class Asks(Protocol):
    """What is needed of the second lane's writer."""

    async def ask(self, unit: Unit, *, urgent: bool = False) -> object:
        """Decide and write one unit; return its answer or raise its error."""


class StoredLogins(Logins):
    """Logins on the store. What it learns of a secret it believes for half a second.

    `me` renders an agent; it is the Workplace's own.
    """

    def __init__(
        self,
        *,
        people: People,
        lane2: Asks,
        clock: Clock,
        me: Callable[[Actor], Awaitable[AgentView]],
        passwords: Passwords,
    ) -> None:
        """Take what it reads from and the writer it asks."""
        self._people = people
        self._lane2 = lane2
        self._clock = clock
        self._me = me
        self._passwords = passwords
        self._known: dict[str, tuple[datetime, Login]] = {}

    @override
    async def sign_in(
        self, email: str, password: str, *, address: str
    ) -> tuple[str, str, AgentView]:
        """Return (session secret, CSRF token, agent); SignedOut for any wrong pair alike.

        Counting the tries is left to whoever knows the caller (`address` is his network address).
        """
        found = await self._people.agent_by_email(email.strip().lower())
        agent, stored = found if found is not None else (None, None)
        fits = await self._passwords.fits(password, None if stored is None else stored.digest)
        if not fits or agent is None or stored is None or agent.disabled:
            raise SignedOut(_WRONG, code="wrong_password")
        secret, csrf = make_secret(), make_secret()
        digest, after = digest_of(secret), stored.changed_at
        await self._ask(
            OpenLogin(digest=digest, agent=agent.id, kind="session", csrf=csrf, after=after)
        )
        # The password may have changed between reading its hash and the commit of the session.
        if await self._password_of(agent) != stored:
            await self._end(digest)
            raise SignedOut(_WRONG, code="wrong_password")
        return secret, csrf, await self._me(Actor(agent=agent.id, desk="console"))

    @override
    async def who(self, secret: str) -> tuple[Actor, str, str]:
        """Return (actor, CSRF token, login id). A session acts from the console, a token by API."""
        digest = digest_of(secret)
        now = self._clock.now()
        believed = self._known.get(digest)
        if believed is not None and believed[0] <= now < believed[0] + KNOWN_FOR:
            login = believed[1]
        else:
            login = await self._look_up(digest, now)
        if login.until <= now:
            raise SignedOut(_OVER)
        desk = "console" if login.kind == "session" else "api"
        return Actor(agent=login.agent, desk=desk), login.csrf, login.id

    @override
    async def sign_out(self, secret: str) -> None:
        """End a session; one that is over already stays over."""
        await self._end(digest_of(secret))

    @override
    async def sessions(self, actor: Actor) -> Sequence[SessionView]:
        """Return the actor's sessions and tokens that still hold."""
        return [_view(row) for row in await self._holding(actor.agent)]

    @override
    async def revoke(self, actor: Actor, login: str) -> None:
        """End one of the actor's own; NotFound for anybody else's."""
        for row in await self._holding(actor.agent):
            if row.id == login:
                await self._end(row.digest)
                return
        raise NotFound

    @override
    async def make_token(self, agent: str, name: str) -> str:
        """Return a new API token, shown this once. A password change ends it like a session."""
        row = await self._people.agent(agent)
        if row is None or row.disabled:
            raise NotFound
        password = await self._password_of(row)
        secret = make_secret()
        await self._ask(
            OpenLogin(
                digest=digest_of(secret),
                agent=agent,
                kind="token",
                name=name,
                after=None if password is None else password.changed_at,
            )
        )
        return secret

    async def _look_up(self, digest: str, now: datetime) -> Login:
        login = await self._people.login(digest)
        if login is None or login.revoked or login.until <= now or not await self._holds(login):
            self._known.pop(digest, None)
            raise SignedOut(_OVER)
        if now - login.seen_at >= SEEN_EVERY:
            with suppress(FrontdeskError):  # a busy store must not sign anybody out
                await self._ask(SeeLogin(digest=digest))
        if len(self._known) >= KNOWN_BOUND:
            self._known.clear()
        self._known[digest] = (now, login)
        return login

    async def _holds(self, login: Login) -> bool:
        agent = await self._people.agent(login.agent)
        if agent is None or agent.disabled:
            return False
        return _is_younger(login, await self._password_of(agent))

    async def _holding(self, agent: str) -> list[Login]:
        row = await self._people.agent(agent)
        password = None if row is None else await self._password_of(row)
        return [one for one in await self._people.logins(agent) if _is_younger(one, password)]

    async def _password_of(self, agent: Agent) -> Password | None:
        found = await self._people.agent_by_email(agent.email)
        return None if found is None else found[1]

    async def _end(self, digest: str) -> None:
        await self._ask(EndLogin(digest=digest))
        self._known.pop(digest, None)

    async def _ask(self, unit: Unit) -> object:
        return await self._lane2.ask(unit, urgent=True)


def _is_younger(login: Login, password: Password | None) -> bool:
    return password is None or login.created_at > password.changed_at


def digest_of(secret: str) -> str:
    """Return the key a secret is stored under: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _view(row: Login) -> SessionView:
    return SessionView(
        id=row.id,
        kind=row.kind,
        name=row.name,
        created_at=_text(row.created_at),
        seen_at=_text(row.seen_at),
        until=_text(row.until),
    )


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
