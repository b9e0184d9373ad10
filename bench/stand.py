"""Everything a run has started: a folder, servers by name, one PostgreSQL; stopped together."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench.bodies import Mix
from bench.load import Job
from bench.measure import ROOT, Failed, Sample, Server, fire, postmaster_of_mine
from bench.ours import write_config
from core.testing.postgres import PostgresServer

AGENTS = 10
CALLERS = 128


class Desk:
    """Servers that share one store, and who has written there so far."""

    def __init__(
        self, servers: list[Server], tokens: list[str] | None = None, database: int | None = None
    ) -> None:
        """`tokens` are the agents' (None = a floor); `database` is the postmaster's id."""
        self.servers = servers
        self._tokens = tokens
        self._database = database
        self._known = 0
        self._first = 0

    @property
    def is_cold(self) -> bool:
        """Say whether nobody has written yet."""
        return self._first == 0

    def hellos(self, count: int, *, server: int = 0) -> list[tuple[int, str]]:
        """Return (port, first frame) of so many agents."""
        port = self.servers[server].port
        if self._tokens is None:
            return [(port, "{}")] * count
        return [(port, f'{{"token":"{token}"}}') for token in self._tokens[:count]]

    def mix(self, count: int, new: float) -> Mix:
        """Take the next customers and message numbers."""
        mix = Mix(count=count, new=new, known=self._known, first=self._first)
        self._known += mix.opening
        self._first += count
        return mix

    def run(
        self,
        count: int,
        new: float,
        *,
        sockets: list[tuple[int, str]] | None = None,
        rate: float | None = None,
        callers: int = CALLERS,
        ports: list[int] | None = None,
    ) -> Sample:
        """Fire one load and measure it."""
        job = Job(
            ports=ports or [server.port for server in self.servers],
            mix=self.mix(count, new),
            callers=callers,
            rate=rate,
            sockets=sockets or [],
        )
        return fire(job, self.servers, self._database)


class Stand:
    """Starts what a case asks for and stops all of it at the end."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="frontdesk-bench-"))
        self._servers: list[Server] = []
        self._postgres: PostgresServer | None = None
        self._desks: dict[str, Desk] = {}

    def __enter__(self) -> Stand:
        """Use as a context."""
        return self

    def __exit__(self, *_problem: object) -> None:
        """Stop everything and remove the folder."""
        for server in reversed(self._servers):
            server.stop()
        if self._postgres is not None:
            self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self, name: str, spec: dict[str, Any]) -> Server:
        """Start one server and wait until it answers."""
        folder = self.folder / name
        server = Server({**spec, "out": str(folder / "moments.json")}, folder)
        self._servers.append(server)
        server.wait()
        return server

    def stop(self, server: Server) -> None:
        """Stop one early."""
        server.stop()
        self._servers.remove(server)

    def postgres(self, database: str) -> str:
        """Make a database in the run's own PostgreSQL and return its address."""
        if self._postgres is None:
            self._postgres = PostgresServer()
            self._postgres.start()
        return self._postgres.create(database)

    def floor(self, kind: str) -> Desk:
        """Return the floor of this kind: no store, FULL, NORMAL, orm, postgres."""
        if kind not in self._desks:
            path = str(self.folder / kind.replace(" ", "_")) + ".db"
            specs: dict[str, dict[str, Any]] = {
                "no store": {"kind": "no store"},
                "FULL": {"kind": "sqlite", "path": path, "level": "FULL"},
                "NORMAL": {"kind": "sqlite", "path": path, "level": "NORMAL"},
                "orm": {"kind": "orm", "path": path},
            }
            if kind == "postgres":
                specs[kind] = {"kind": "postgres", "url": self.postgres("floor")}
            database = postmaster_of_mine() if kind == "postgres" else None
            self._desks[kind] = Desk([self.serve(kind, specs[kind])], database=database)
        return self._desks[kind]

    def ours(
        self,
        name: str = "ours",
        *,
        durability: str = "full",
        postgres: bool = False,
        processes: int = 1,
        kind: str = "ours",
        profiled: bool = False,
    ) -> Desk:
        """Return Frontdesk with ten agents online, on a store of its own."""
        if name not in self._desks:
            folder = self.folder / name
            url = self.postgres(name) if postgres else f"sqlite:///{folder / 'frontdesk.db'}"
            config = write_config(folder, database=url, durability=durability)
            tokens = seed(config, AGENTS)
            servers = [
                self.serve(
                    f"{name}/{number}",
                    {"kind": kind, "config": str(config), "profiled": profiled},
                )
                for number in range(processes)
            ]
            self._desks[name] = Desk(servers, tokens, postmaster_of_mine() if postgres else None)
        return self._desks[name]


def seed(config: Path, agents: int) -> list[str]:
    """Make the schema and the agents in a process of its own; return the tokens."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench.ours", str(config), str(agents)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(done.stderr)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[str])
