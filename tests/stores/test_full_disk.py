"""A full disk is a 503: what was acknowledged stays, nothing is damaged, and it goes on later."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

PROGRAM = """
import asyncio, json, resource, sys
from core.clock import SystemClock
from core.errors import Unavailable
from core.testing.writer_suite import declare, message, writing
from plugins.sql.plugin import Sqlite

async def main():
    rooms = Sqlite().open(sys.argv[1], clock=SystemClock(), relaxed=False)
    await declare(rooms)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    stored, refused = [], []
    async with writing(rooms.store(lane=1)) as writer:
        for number in range(200):
            try:
                await writer.ask(message(f"m{number}", text="x" * 10_000))
                stored.append(number)
            except Unavailable:
                refused.append(number)
                if len(refused) == 3:
                    break
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await writer.ask(message("after"))
    await rooms.close()
    print(json.dumps([stored, refused]))

asyncio.run(main())
"""


def test_full_disk(sqlite_url: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, sqlite_url],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stored, refused = json.loads(done.stdout)
    assert stored, "the disk was full from the start: nothing was tested"
    assert len(refused) == 3
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = {source for (source,) in found.execute("SELECT source_id FROM message")}
        numbers = [seq for (seq,) in found.execute("SELECT seq FROM event ORDER BY seq")]
        (newest,) = found.execute("SELECT seq FROM counter").fetchone()
    assert kept == {f"m{number}" for number in stored} | {"after"}
    assert numbers == list(range(1, newest + 1))
