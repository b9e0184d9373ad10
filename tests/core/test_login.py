"""Sessions and tokens: how they begin, hold, and end on every node."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from core.errors import NotFound, SignedOut, Unavailable
from core.login import ABSOLUTE, IDLE, KNOWN_FOR, SEEN_EVERY, SeeLogin, StoredLogins
from core.models.people import Agent, Login, Password
from core.ports.views import AgentView
from core.ports.workplace import Actor
from core.units import Unit
from core.world import World

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
replace = msgspec.structs.replace


class Clock:
    """A clock that stands still until it is moved."""

    offset = timedelta()

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Plain:
    """Passwords without argon2: the digest is the password in brackets."""

    async def fits(self, password: str, digest: str | None) -> bool:
        return digest == f"[{password}]"


class Store:
    """People and lane 2 on dicts: units are decided on a real World, one batch each."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: dict[str, Agent] = {}
        self.passwords: dict[str, Password] = {}
        self.logins_by_digest: dict[str, Login] = {}
        self.units: list[Unit] = []
        self.fails: Exception | None = None
        self.before_commit: Any = None

    async def ask(self, unit: Unit, *, urgent: bool = False) -> object:
        assert urgent, "an agent waits"
        self.units.append(unit)
        if self.fails is not None:
            raise self.fails
        if self.before_commit is not None:
            self.before_commit()
        world = World()
        world.begin(self.clock.at, 0, fresh=True)
        keys = list(unit.needs())
        found = [self.logins_by_digest.get(cast("Any", key)[1]) for key in keys]
        world.take(keys, [row for row in found if row is not None], {})
        decision = unit.decide(world)
        for row in decision.rows:
            assert isinstance(row, Login), "lane 2 writes logins only"
            self.logins_by_digest[row.digest] = row
        return decision.answer

    async def agent(self, agent: str) -> Agent | None:
        return self.rows.get(agent)

    async def agent_by_email(self, email: str) -> tuple[Agent, Password | None] | None:
        for row in self.rows.values():
            if row.email == email:
                return row, self.passwords.get(row.id)
        return None

    async def login(self, digest: str) -> Login | None:
        return self.logins_by_digest.get(digest)

    async def logins(self, agent: str) -> Sequence[Login]:
        found = self.logins_by_digest.values()
        return [row for row in found if row.agent == agent and not row.revoked]


class Node:
    """One process: its own logins on the common store."""

    def __init__(self, store: Store) -> None:
        async def me(actor: Actor) -> AgentView:
            return cast("AgentView", store.rows[actor.agent])

        self.logins = StoredLogins(
            people=cast("Any", store),
            lane2=store,
            clock=store.clock,
            me=me,
            passwords=cast("Any", Plain()),
        )


@pytest.fixture(name="store")
def _store() -> Store:
    store = Store(Clock())
    for name in ("ann", "bob"):
        store.rows[name] = Agent(
            id=name,
            name=name,
            email=f"{name}@acme.example",
            status_since=NOW,
            created_at=NOW,
        )
    store.passwords["ann"] = Password(
        agent="ann", digest="[right]", changed_at=NOW - timedelta(days=1)
    )
    return store


@pytest.fixture(name="node")
def _node(store: Store) -> StoredLogins:
    return Node(store).logins


async def sign_in(node: StoredLogins) -> str:
    secret, _, _ = await node.sign_in("ann@acme.example", "right", address="192.0.2.1")
    return secret


async def is_out(node: StoredLogins, secret: str) -> bool:
    try:
        await node.who(secret)
    except SignedOut:
        return True
    return False


async def test_a_session_acts_from_the_console(node: StoredLogins, store: Store) -> None:
    secret, csrf, agent = await node.sign_in(" ANN@Acme.example ", "right", address="192.0.2.1")
    assert agent.id == "ann"
    (row,) = store.logins_by_digest.values()
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert await node.who(secret) == (Actor(agent="ann", desk="console"), csrf, row.id)
    assert (len(secret), len(csrf)) == (43, 43)
    assert secret not in repr(store.logins_by_digest)


async def test_a_token_acts_by_the_api(node: StoredLogins, store: Store) -> None:
    secret = await node.make_token("bob", "crm")
    actor, csrf, _ = await node.who(secret)
    assert (actor, csrf) == (Actor(agent="bob", desk="api"), "")
    store.clock.at += timedelta(days=365)
    assert not await is_out(node, secret)
    with pytest.raises(NotFound):
        await node.make_token("nobody", "crm")


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ann@acme.example", "wrong"),
        ("ann@acme.example", ""),
        ("nobody@acme.example", "right"),
        ("bob@acme.example", "right"),
        ("bob@acme.example", ""),
        ("", ""),
    ],
)
async def test_every_wrong_pair_gets_the_same_words(
    node: StoredLogins, store: Store, email: str, password: str
) -> None:
    with pytest.raises(SignedOut) as caught:
        await node.sign_in(email, password, address="192.0.2.1")
    assert caught.value.message == "The e-mail or the password is wrong."
    assert store.logins_by_digest == {}


async def test_a_disabled_agent_gets_them_too(node: StoredLogins, store: Store) -> None:
    store.rows["ann"] = replace(store.rows["ann"], disabled=True)
    with pytest.raises(SignedOut) as caught:
        await sign_in(node)
    assert caught.value.message == "The e-mail or the password is wrong."


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "x" * 10_000])
async def test_an_unknown_secret_is_nobody(node: StoredLogins, secret: str) -> None:
    assert await is_out(node, secret)


async def test_a_digest_is_no_secret(node: StoredLogins, store: Store) -> None:
    """Whoever reads the database cannot sign in with what he finds."""
    await sign_in(node)
    (digest,) = store.logins_by_digest
    assert await is_out(node, digest)


# -- time ----------------------------------------------------------------------------------------


async def test_a_session_ends_after_twelve_idle_hours(node: StoredLogins, store: Store) -> None:
    secret = await sign_in(node)
    store.clock.at += IDLE - MOMENT
    assert not await is_out(node, secret)
    store.clock.at += IDLE - MOMENT
    assert not await is_out(node, secret), "being used moves the end"
    store.clock.at += IDLE
    assert await is_out(node, secret)


async def test_a_session_ends_after_a_week_however_much_it_is_used(
    node: StoredLogins, store: Store
) -> None:
    secret = await sign_in(node)
    while store.clock.at < NOW + ABSOLUTE - timedelta(hours=1):
        store.clock.at += timedelta(hours=1)
        assert not await is_out(node, secret)
    store.clock.at = NOW + ABSOLUTE
    assert await is_out(node, secret)


async def test_use_is_noted_once_a_minute(node: StoredLogins, store: Store) -> None:
    secret = await sign_in(node)
    for _ in range(300):
        await node.who(secret)
        store.clock.at += timedelta(seconds=1)
    noted = [unit for unit in store.units if isinstance(unit, SeeLogin)]
    assert len(noted) == 4
    (row,) = store.logins_by_digest.values()
    assert row.seen_at == NOW + 4 * SEEN_EVERY


async def test_noting_never_brings_an_ended_session_back(node: StoredLogins, store: Store) -> None:
    secret = await sign_in(node)
    await node.sign_out(secret)
    (digest,) = store.logins_by_digest
    store.clock.at += timedelta(hours=1)
    await store.ask(SeeLogin(digest=digest), urgent=True)
    assert store.logins_by_digest[digest].revoked
    store.logins_by_digest[digest] = replace(store.logins_by_digest[digest], revoked=False)
    store.clock.at = NOW + IDLE
    await store.ask(SeeLogin(digest=digest), urgent=True)
    assert store.logins_by_digest[digest].until == NOW + IDLE


async def test_a_busy_store_signs_nobody_out(node: StoredLogins, store: Store) -> None:
    secret = await sign_in(node)
    store.clock.at += timedelta(hours=1)
    store.fails = Unavailable()
    assert not await is_out(node, secret)


# -- ending --------------------------------------------------------------------------------------


async def test_signing_out_holds_at_once_here_and_soon_elsewhere(store: Store) -> None:
    here, there = Node(store).logins, Node(store).logins
    secret = await sign_in(here)
    for node in (here, there):
        assert not await is_out(node, secret)
    await here.sign_out(secret)
    assert await is_out(here, secret)
    store.clock.at += KNOWN_FOR
    assert await is_out(there, secret)
    await here.sign_out(secret)
    await here.sign_out("never was")


async def test_being_disabled_ends_sessions_and_tokens(node: StoredLogins, store: Store) -> None:
    secrets = [await sign_in(node), await node.make_token("ann", "crm")]
    store.rows["ann"] = replace(store.rows["ann"], disabled=True)
    store.clock.at += KNOWN_FOR
    assert [await is_out(node, secret) for secret in secrets] == [True, True]


async def test_a_new_password_ends_what_was_there_and_not_what_comes(
    node: StoredLogins, store: Store
) -> None:
    old = [await sign_in(node), await node.make_token("ann", "crm")]
    others = await node.make_token("bob", "crm")
    store.clock.at += timedelta(seconds=1)
    store.passwords["ann"] = Password(agent="ann", digest="[right]", changed_at=store.clock.at)
    assert [await is_out(node, secret) for secret in old] == [True, True]
    assert not await is_out(node, others)
    assert not await is_out(node, await sign_in(node)), "even in the same microsecond"
    assert not await is_out(node, await node.make_token("ann", "new"))
    assert len(await node.sessions(Actor(agent="ann", desk="console"))) == 2


async def test_a_clock_that_steps_back_keeps_nobody_out(node: StoredLogins, store: Store) -> None:
    store.passwords["ann"] = Password(
        agent="ann", digest="[right]", changed_at=NOW + timedelta(hours=1)
    )
    assert not await is_out(node, await sign_in(node))


async def test_a_password_that_changes_meanwhile_lets_the_old_one_in_nowhere(
    node: StoredLogins, store: Store
) -> None:
    def change() -> None:
        store.before_commit = None
        store.passwords["ann"] = Password(agent="ann", digest="[new]", changed_at=NOW - MOMENT)

    store.before_commit = change
    with pytest.raises(SignedOut):
        await sign_in(node)
    assert [row.revoked for row in store.logins_by_digest.values()] == [True]


async def test_one_lists_and_ends_ones_own(node: StoredLogins) -> None:
    ann, bob = Actor(agent="ann", desk="console"), Actor(agent="bob", desk="api")
    secret = await sign_in(node)
    await node.make_token("bob", "crm")
    (mine,) = await node.sessions(ann)
    assert (mine.kind, mine.created_at) == ("session", "2026-03-01T12:00:00Z")
    with pytest.raises(NotFound):
        await node.revoke(bob, mine.id)
    with pytest.raises(NotFound):
        await node.revoke(ann, "never was")
    await node.revoke(ann, mine.id)
    assert await is_out(node, secret)
    assert await node.sessions(ann) == []
