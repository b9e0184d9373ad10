"""The bus over NOTIFY: hints reach the others, commits are folded together, losses are mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio

from core.bus import read_hint, write_hint
from plugins.sql.notify import CHANNEL, NotifyBus, Pending, conninfo_of
from plugins.sql.plugin import register_buses

WAIT = 20.0


class Ear:
    """Keeps what a bus hears and lets tests wait for it."""

    def __init__(self, url: str) -> None:
        self.bus = NotifyBus(url)
        self.heard: list[dict[str, object]] = []
        self.changed = asyncio.Event()

    def hear(self, hint: bytes) -> None:
        self.heard.append(read_hint(hint))
        self.changed.set()

    async def until(self, is_there: Callable[[list[dict[str, object]]], bool]) -> None:
        async with asyncio.timeout(WAIT):
            while not is_there(self.heard):
                self.changed.clear()
                await self.changed.wait()


@pytest_asyncio.fixture
async def ears(postgres_url: str) -> AsyncIterator[tuple[Ear, Ear]]:
    pair = (Ear(postgres_url), Ear(postgres_url))
    for ear in pair:
        await ear.bus.start(ear.hear)
    yield pair
    for ear in pair:
        await ear.bus.close()


def typing(number: int) -> bytes:
    return b'{"typing":{"conversation":"c%d"}}' % number


async def test_others_hear_and_oneself_does_not(ears: tuple[Ear, Ear]) -> None:
    one, two = ears
    one.bus.publish(typing(1))
    await two.until(lambda heard: {"typing": {"conversation": "c1"}} in heard)
    two.bus.publish(typing(2))
    await one.until(lambda heard: {"typing": {"conversation": "c2"}} in heard)
    assert {"typing": {"conversation": "c1"}} not in one.heard


async def test_everything_told_before_closing_arrives(ears: tuple[Ear, Ear]) -> None:
    one, two = ears
    for number in range(200):
        one.bus.publish(write_hint(number, [f"send:{number % 3}"]))
        one.bus.publish(typing(number))
    await one.bus.close()
    await two.until(lambda heard: sum("typing" in hint for hint in heard) == 200)
    await two.until(lambda heard: any(hint.get("seq") == 199 for hint in heard))
    leases = {name for hint in two.heard for name in hint.get("leases", [])}  # type: ignore[attr-defined]
    assert leases >= {"send:0", "send:1", "send:2"}


async def test_a_killed_listener_comes_back_and_wakes_everybody(
    ears: tuple[Ear, Ear], postgres_url: str
) -> None:
    """Both connections of both are cut; what was told meanwhile is not known, so all must look."""
    one, two = ears
    two.heard.clear()
    with psycopg.connect(postgres_url, autocommit=True) as other:
        (cut,) = other.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone() or (0,)
    assert cut >= 2
    await two.until(lambda heard: {"seq": 0, "leases": ["*"]} in heard)
    one.bus.publish(typing(7))
    await two.until(lambda heard: {"typing": {"conversation": "c7"}} in heard)


async def test_foreign_and_broken_notices_are_passed_over(
    ears: tuple[Ear, Ear], postgres_url: str
) -> None:
    one, two = ears
    with psycopg.connect(postgres_url, autocommit=True) as other:
        for text in ("", "hello", "x !!!!", "x é"):
            other.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
    one.bus.publish(typing(1))
    await two.until(lambda heard: {"typing": {"conversation": "c1"}} in heard)


async def test_publishing_never_waits_for_a_server_that_is_not_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = NotifyBus("postgresql://nobody@127.0.0.1:1/none")
    heard: list[bytes] = []
    starting = asyncio.create_task(bus.start(heard.append))
    await asyncio.sleep(0)
    for number in range(3000):
        bus.publish(typing(number))
    bus.publish(b"x" * 3000)
    await bus.close()
    starting.cancel()
    assert heard == []
    assert "3000 bytes" in caplog.text


def test_telling_never_waits_for_the_disk(postgres_url: str) -> None:
    """NOTIFY takes a transaction id, so its commit would be flushed, and nothing needs that."""
    with psycopg.connect(conninfo_of(postgres_url)) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)


def test_hints_of_commits_are_folded_and_others_kept() -> None:
    pending = Pending()
    for hint in (write_hint(3, ["a"]), typing(1), write_hint(9, ["b"]), typing(2), typing(2)):
        pending.add(hint)
    pending.add(write_hint(5, ["a"]))
    assert pending.take() == [typing(1), typing(2), typing(2), write_hint(9, ["a", "b"])]
    assert pending.take() == []


def test_what_waits_is_bounded() -> None:
    pending = Pending(bound=3)
    for number in range(9):
        pending.add(typing(number))
    assert pending.take() == [typing(6), typing(7), typing(8)]


def test_many_leases_still_fit_into_one_hint() -> None:
    pending = Pending()
    for number in range(500):
        pending.add(write_hint(number, [f"send:inbox-{number}"]))
    (hint,) = pending.take()
    assert len(hint) <= 2000
    assert read_hint(hint) == {"seq": 499, "leases": ["*"]}


def test_the_plugin_hands_over_the_bus() -> None:
    (kind,) = register_buses()
    assert kind.name == "notify"
    assert isinstance(kind.open("postgresql://a@127.0.0.1/b"), NotifyBus)
