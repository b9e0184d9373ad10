"""Passwords: argon2id, the same work for everybody, and never more than two at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from core import passwords
from core.errors import Unavailable
from core.passwords import THREADS, WAITING_BOUND, Passwords


@pytest.fixture(name="kept")
def _kept() -> Iterator[Passwords]:
    kept = Passwords()
    yield kept
    kept.close()


async def test_a_password_fits_its_digest_and_no_other(kept: Passwords) -> None:
    digest = await kept.digest("correct horse battery")
    assert digest.startswith("$argon2id$")
    assert await kept.fits("correct horse battery", digest)
    assert not await kept.fits("correct horse batterz", digest)
    assert digest != await kept.digest("correct horse battery")


async def test_both_spellings_of_a_letter_are_one_password(kept: Passwords) -> None:
    digest = await kept.digest("caf\u00e9 caf\u00e9 caf\u00e9")
    assert await kept.fits("cafe\u0301 cafe\u0301 cafe\u0301", digest)


@pytest.mark.parametrize("odd", ["", "\x00", "\ud800", "x" * 100_000, "\U0001f600"])
async def test_no_password_is_an_error(kept: Passwords, odd: str) -> None:
    digest = await kept.digest("correct horse battery")
    assert not await kept.fits(odd, digest)


@pytest.mark.parametrize("broken", ["", "plain", "$argon2id$v=19$broken", "$2b$12$abcdefghijk"])
async def test_a_digest_that_is_none_fits_nothing(kept: Passwords, broken: str) -> None:
    assert not await kept.fits("correct horse battery", broken)


async def test_without_a_digest_the_same_work_is_done(
    kept: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def verify(_: str, digest: str) -> bool:
        seen.append(digest)
        return True

    monkeypatch.setattr(passwords, "_fits", verify)
    assert not await kept.fits("anything", None)
    parameters = [part for part in seen[0].split("$") if part][:3]
    assert parameters == ["argon2id", "v=19", "m=65536,t=3,p=1"]


async def test_two_work_the_rest_waits_and_too_many_are_turned_away(
    kept: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    inside: list[int] = []
    most = 0
    two = threading.Event()

    def verify(*_: str) -> bool:
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        if most == THREADS:
            two.set()
        go.wait(5)
        inside.pop()
        return True

    monkeypatch.setattr(passwords, "_fits", verify)
    asked = [asyncio.create_task(kept.fits("x", "digest")) for _ in range(THREADS + WAITING_BOUND)]
    assert await asyncio.to_thread(two.wait, 5)
    with pytest.raises(Unavailable):
        await kept.fits("x", "digest")
    go.set()
    assert await asyncio.gather(*asked) == [True] * len(asked)
    assert most == THREADS
    assert await kept.fits("x", "digest")
