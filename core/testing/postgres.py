"""A real PostgreSQL of one's own for tests: fresh, on a free loopback port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

_START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "log_min_messages": "warning",
}


class NoPostgres(Exception):
    """PostgreSQL's programs are not on this machine."""


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL, Debian's or the one on PATH; NoPostgres."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name))
    program = shutil.which("postgres")
    if program is None:
        raise NoPostgres("PostgreSQL is not installed: apt-get install postgresql")
    return Path(program).resolve().parent


class PostgresServer:
    """One server in a temporary folder. `start`, then any number of databases, then `stop`."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Find the programs; NoPostgres when there are none. `settings` replace our own."""
        self._settings = {**_SETTINGS, **(settings or {})}
        self._programs = find_programs()
        # PostgreSQL refuses to run as root; Debian's package brings an account for it.
        self._account: dict[str, str] = {}
        if os.geteuid() == 0:
            self._account = {"user": "postgres", "group": "postgres"}
        self._folder = Path(tempfile.mkdtemp(prefix="frontdesk-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Make the cluster and wait until it answers."""
        if self._account:
            shutil.chown(self._folder, **self._account)
        data = self._folder / "data"
        # English order, not byte order: who relies on the locale of the database shall notice.
        self._run(
            "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en",
            "--no-sync",
        )
        self.port = _free_port()
        self.run()

    def run(self) -> None:
        """Run the server on the cluster there is, and wait until it answers."""
        data = self._folder / "data"
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        options += [f"--port={self.port}", f"--unix_socket_directories={self._folder}"]
        with (self._folder / "log").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [self._programs / "postgres", "-D", data, *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                **self._account,  # type: ignore[call-overload]
            )
        self._wait_until_it_answers()

    def crash(self) -> None:
        """End it as a crash would: `run` then recovers from its log."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(15)

    def stop(self) -> None:
        """End it at once and remove everything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(15)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the address of a database, as plugins.toml takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template0") -> str:
        """Make a database and return its address. Nobody may be connected to the template."""
        self._run("createdb", *self._address, f"--template={template}", database)
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected."""
        self._run("dropdb", *self._address, "--force", "--if-exists", database)

    @property
    def _address(self) -> list[str]:
        return ["--host=127.0.0.1", f"--port={self.port}", "--username=postgres"]

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _START_SECONDS
        ready = [str(self._programs / "pg_isready"), "--quiet", *self._address]
        while subprocess.run(ready, check=False).returncode != 0:  # noqa: S603
            if (
                self._process is None
                or self._process.poll() is not None
                or time.monotonic() > until
            ):
                raise RuntimeError((self._folder / "log").read_text(errors="replace"))
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            [self._programs / program, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **self._account,  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
