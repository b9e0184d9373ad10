"""A 2xx means on disk: syncs are counted, because a process that is killed loses nothing anyway.

(A kill -9 leaves the operating system's own memory alone; only a power cut would tell.) Each
count is also made with durability = "relaxed", where it must fail: that is what shows it counts.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import LiteralString

import aiohttp
import psycopg
import pytest

from core.testing.postgres import PostgresServer
from plugins.sql.plugin import Postgresql
from tests.journeys.despite import NOWHERE, serving
from tests.journeys.place import free_port, write_config
from tests.journeys.posting import Answer, Poster
from tests.journeys.program import Ended, Program

REQUESTS = 200
AT_ONCE = 16
TRACE_SECONDS = 20.0
STATS_SECONDS = 60.0
_CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<at>[\d.]+) (?P<rest>.*)$")
_TOOK = re.compile(r"= 0 <(?P<took>[\d.]+)>")

pytestmark = pytest.mark.slow


def post_in_turn(url: str) -> list[Answer]:
    with Poster(url) as poster:
        poster.post()  # connects, and is not counted
        return [poster.post() for _ in range(REQUESTS)]


def post_at_once(url: str) -> list[Answer]:
    def work(seed: int) -> list[Answer]:
        with Poster(url, seed) as poster:
            return [poster.post() for _ in range(2 * REQUESTS // AT_ONCE)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [answer for answers in pool.map(work, range(1, AT_ONCE + 1)) for answer in answers]


# -- SQLite: every sync the process makes, by strace -----------------------------------------------


@asynccontextmanager
async def traced(pid: int, output: Path) -> AsyncIterator[None]:
    """Have strace write down the syncs of all threads of a process."""
    strace = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o", str(output)),
        *("-p", str(pid)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert strace.stderr is not None
    try:
        async with asyncio.timeout(TRACE_SECONDS):
            said = await strace.stderr.readline()
        if b"attached" not in said:
            pytest.skip(f"strace may not look at processes here: {said.decode()}")
        yield
    finally:
        if strace.returncode is None:
            strace.send_signal(signal.SIGINT)
        await strace.communicate()


def read_syncs(text: str) -> list[tuple[float, float]]:
    """Return when each sync that succeeded began and ended, from what strace wrote."""
    begun: dict[str, float] = {}
    syncs = []
    for line in text.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        pid, at, rest = found["pid"], float(found["at"]), found["rest"]
        took = _TOOK.search(rest)
        if "<unfinished" in rest:
            begun[pid] = at
        elif took is None:
            begun.pop(pid, None)
        elif "resumed>" in rest:
            syncs.append((begun.pop(pid, at), at))
        else:
            syncs.append((at, at + float(took["took"])))
    return sorted(syncs)


def covered(answers: Sequence[Answer], syncs: Sequence[tuple[float, float]]) -> int:
    """Count answers with a whole sync between the body's last byte and themselves."""
    return sum(
        1
        for one in answers
        if any(begun >= one.sent and ended <= one.answered for begun, ended in syncs)
    )


def test_syncs_are_read() -> None:
    text = """
7  10.500000 fdatasync(4)                = 0 <0.250000>
8  11.000000 fdatasync(4 <unfinished ...>
7  11.100000 fsync(5)                    = -1 EIO (Input/output error) <0.000100>
8  11.250000 <... fdatasync resumed>)    = 0 <0.250000>
"""
    assert read_syncs(text) == [(10.5, 10.75), (11.0, 11.25)]


@pytest.fixture
def strace() -> None:
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is not installed: apt-get install strace")
        pytest.skip("strace is not installed: apt-get install strace")


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("durability", ["full", "relaxed"])
async def test_on_sqlite_each_2xx_follows_a_sync(
    sqlite_url: str, tmp_path: Path, durability: str
) -> None:
    output = tmp_path / "strace"
    async with (
        serving(sqlite_url, tmp_path, durability=durability) as program,
        traced(program.pid, output),
    ):
        in_turn = await asyncio.to_thread(post_in_turn, program.url)
        at_once = await asyncio.to_thread(post_at_once, program.url)
    answers = [*in_turn, *at_once]
    assert {answer.status for answer in answers} == {200}
    syncs = read_syncs(output.read_text())
    if durability == "relaxed":
        assert covered(answers, syncs) < len(answers) / 10
        return
    assert covered(in_turn, syncs) == REQUESTS
    assert covered(at_once, syncs) == len(at_once)
    inside = [end for _, end in syncs if end > in_turn[-1].answered]
    assert len(inside) < len(at_once), "commits at one time are not grouped"


# -- PostgreSQL: the server's own count of syncs of its log ----------------------------------------


_SYNCS = "SELECT wal_sync FROM pg_stat_wal"
_SYNCS_18 = "SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal'"
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def wal_syncs(url: str) -> int:
    """Return the count once nobody else is connected: a backend reports the last at its end."""
    until = time.monotonic() + STATS_SECONDS
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        sql = _SYNCS_18 if connection.info.server_version >= 180000 else _SYNCS
        while ask(connection, _OTHERS):
            assert time.monotonic() < until, "somebody stays connected"
            await asyncio.sleep(0.05)
        return ask(connection, sql)


def ask(connection: psycopg.Connection, sql: LiteralString) -> int:
    found = connection.execute(sql).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("durability", ["full", "relaxed"])
async def test_on_postgresql_each_2xx_costs_a_sync(
    postgres_url: str, tmp_path: Path, durability: str
) -> None:
    async with serving(postgres_url, tmp_path, durability=durability):
        pass  # once for what only the first start writes
    before = await wal_syncs(postgres_url)
    async with serving(postgres_url, tmp_path, durability=durability, agents=()) as program:
        answers = await asyncio.to_thread(post_in_turn, program.url)
    made = await wal_syncs(postgres_url) - before
    assert {answer.status for answer in answers} == {200}
    if durability == "relaxed":
        assert made < REQUESTS
    else:
        assert made >= REQUESTS


# -- weaker settings -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["fsync", "full_page_writes"])
def careless_postgres(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,  # noqa: ARG001 - skips where there is none
) -> Iterator[tuple[str, str]]:
    """The address of a database whose server would lose what it promised, and the setting."""
    server = PostgresServer(settings={request.param: "off"})
    try:
        server.start()
        url = server.create("careless")
        Postgresql().migrate(url)
        yield url, request.param
    finally:
        server.stop()


async def test_it_does_not_start_on_a_careless_server(
    careless_postgres: tuple[str, str], tmp_path: Path
) -> None:
    url, setting = careless_postgres
    port = free_port()
    config = write_config(tmp_path, port=port, database=url, graph=NOWHERE)
    program = Program(config, port=port, folder=tmp_path)
    with pytest.raises(Ended, match=f"{setting} = off"):
        await program.start()
    assert await program.until_dead(within=1) == 2


async def test_it_starts_when_told_to_and_says_so(
    careless_postgres: tuple[str, str], tmp_path: Path
) -> None:
    url, _ = careless_postgres
    async with serving(url, tmp_path, durability="relaxed") as program:
        assert await durability_of(program) == "relaxed"
        assert "durability = relaxed" in program.said()


async def test_the_usual_durability_is_shown(sqlite_url: str, tmp_path: Path) -> None:
    async with serving(sqlite_url, tmp_path) as program:
        assert await durability_of(program) == "full"


async def durability_of(program: Program) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{program.url}/readyz") as response,
    ):
        state: dict[str, str] = await response.json()
        return state["durability"]
