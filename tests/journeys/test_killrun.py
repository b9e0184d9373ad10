"""kill -9, again and again: what got a 2xx is there once and was shown once, in order; what an
agent said was delivered, visibly failed, or is unknown because its call was open at a kill.

`make test` kills six times on each profile, `make soak` thirty-six times. A run below its floors
is INCONCLUSIVE and fails. The faults of faults.py must be found, or finding nothing means nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.checker import judge
from tests.journeys.evidence import Evidence
from tests.journeys.floors import Floors, shortfalls
from tests.journeys.killrun import HELD, OUTSIDE, KillRun
from tests.journeys.stage import Inconclusive, Wanted, set_stage

UNCOMMITTED = "writer1.before_commit"
COMMITTED = "writer1.after_commit"
SIX = (HELD, UNCOMMITTED, "sender.after_call", UNCOMMITTED, HELD, "intake.before_answer")
TWELVE = (
    HELD,
    UNCOMMITTED,
    "sender.before_call",
    UNCOMMITTED,
    HELD,
    OUTSIDE,
    HELD,
    UNCOMMITTED,
    "sender.after_record",
    COMMITTED,
    HELD,
    UNCOMMITTED,
)
# On SQLite both lanes are the one writer: the points of lane 2 are never passed.
LANE2 = ("writer2.before_commit", "writer2.after_commit")
SOON = 5.0
"""A sown fault need not be waited for: what it breaks may never come to its end."""

pytestmark = pytest.mark.slow


async def run_of(wanted: Wanted) -> Evidence:
    try:
        async with set_stage(wanted) as stage:
            return await KillRun(stage).run()
    except Inconclusive as problem:
        pytest.fail(f"INCONCLUSIVE: {problem}")


def must_hold(evidence: Evidence, floors: Floors) -> None:
    short = shortfalls(evidence, floors)
    violations = judge(evidence)
    assert not violations, "\n".join(violations[:50])
    assert not short, f"INCONCLUSIVE: {short}"


@pytest.mark.parametrize("servers", [1, 2])
async def test_six_kills_on_postgresql(postgres_url: str, tmp_path: Path, servers: int) -> None:
    wanted = Wanted(database=postgres_url, folder=tmp_path, points=SIX, servers=servers)
    must_hold(await run_of(wanted), Floors(kills=6, servers=servers, uncommitted=2, held=2))


async def test_six_kills_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    wanted = Wanted(database=sqlite_url, folder=tmp_path, points=SIX)
    must_hold(await run_of(wanted), Floors(kills=6, uncommitted=2, held=2))


@pytest.mark.soak
@pytest.mark.parametrize("servers", [1, 2])
async def test_many_kills_on_postgresql(postgres_url: str, tmp_path: Path, servers: int) -> None:
    points = TWELVE * 3 + LANE2
    wanted = Wanted(database=postgres_url, folder=tmp_path, points=points, servers=servers)
    must_hold(await run_of(wanted), Floors(kills=38, servers=servers, uncommitted=10, held=10))


@pytest.mark.soak
async def test_many_kills_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    wanted = Wanted(database=sqlite_url, folder=tmp_path, points=TWELVE * 3)
    must_hold(await run_of(wanted), Floors(kills=36, uncommitted=10, held=10))


# -- the checker catches what it is for ------------------------------------------------------------


async def kinds_found(wanted: Wanted) -> set[str]:
    return {violation.partition(":")[0] for violation in judge(await run_of(wanted))}


@pytest.mark.parametrize(
    ("fault", "points", "kind"),
    [
        ("ack_before_commit", (OUTSIDE,), "lost"),
        ("no_dedupe", (), "stored twice"),
        ("cursor_skip", (COMMITTED,), "not shown"),
        ("note_to_contact", (), "note left"),
    ],
)
async def test_a_sown_fault_is_found(
    sqlite_url: str, tmp_path: Path, fault: str, points: tuple[str, ...], kind: str
) -> None:
    wanted = Wanted(
        database=sqlite_url,
        folder=tmp_path,
        points=points,
        fault=fault,
        accepted=50,
        replies=5,
        settle=SOON,
    )
    assert kind in await kinds_found(wanted)


async def test_two_processes_that_ignore_the_lease_are_found(
    postgres_url: str, tmp_path: Path
) -> None:
    wanted = Wanted(
        database=postgres_url,
        folder=tmp_path,
        points=(),
        servers=2,
        fault="ignore_lease",
        settle=SOON,
    )
    assert "sent twice" in await kinds_found(wanted)
