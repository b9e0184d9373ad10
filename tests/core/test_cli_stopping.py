"""How a server stops, and how several processes on one PostgreSQL are looked after."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core.testing.postgres import PostgresServer
from sandbox.payloads import sign
from tests.core.command import APP_SECRET, PASSWORD, Served, Site, eventually

STOP_SECONDS = 20.0


@contextmanager
def open_socket(server: Served, token: str) -> Iterator[ClientConnection]:
    """Open an agent's socket and wait for its first answer."""
    with connect(server.address.replace("http", "ws") + "/api/v1/events") as link:
        link.send(json.dumps({"token": token, "after": None}))
        link.send(json.dumps({"type": "ping"}))
        json.loads(link.recv(timeout=10))
        yield link


def close_code(link: ClientConnection) -> int:
    """Read until the server closes; return its code."""
    with suppress(ConnectionClosed):
        while True:
            link.recv(timeout=STOP_SECONDS)
    assert link.close_code is not None
    return link.close_code


def half_a_webhook(server: Served) -> tuple[socket.socket, bytes]:
    """Begin a webhook and hold its last byte back; return the connection and that byte."""
    body = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()
    host, port = server.address.removeprefix("http://").split(":")
    link = socket.create_connection((host, int(port)), timeout=30)
    head = (
        "POST /inboxes/wa/webhook HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {len(body)}\r\nX-Hub-Signature-256: {sign(APP_SECRET, body)}\r\n\r\n"
    )
    link.sendall(head.encode() + body[:-1])
    return link, body[-1:]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    """A request under way is answered, a socket is closed with 1012, the exit is clean."""
    site = Site(tmp_path)
    site.add("ann@acme.example", "--all")
    token = site.token("ann@acme.example")
    with site.serve() as server, open_socket(server, token) as agent:
        webhook, last = half_a_webhook(server)
        began = time.monotonic()
        server.process.send_signal(number)
        assert close_code(agent) == 1012
        with closing(webhook):
            webhook.sendall(last)
            assert webhook.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - began < STOP_SECONDS
        assert server.process.stdout is not None
        assert "Stopped." in server.process.stdout.read()
    assert not re.search(r"Traceback|\"level\": \"error\"", (tmp_path / "stderr.txt").read_text())


@pytest.mark.slow
def test_a_stuck_client_cannot_hold_the_stop_up(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.serve() as server:
        webhook, _ = half_a_webhook(server)
        with closing(webhook):
            began = time.monotonic()
            assert server.stop() == 0
            # A body may take 15 s to come; a stop gives requests 3.
            assert time.monotonic() - began < 12.0


@pytest.mark.slow
def test_answers_come_at_once(tmp_path: Path) -> None:
    """A listener without its protocol named would delay each answer by 40 ms."""
    site = Site(tmp_path)
    with site.serve() as server:
        host, port = server.address.removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)))) as link:
            times = []
            for _ in range(40):
                began = time.perf_counter()
                link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                link.recv(4096)
                times.append(time.perf_counter() - began)
    assert sorted(times)[5] < 0.02, times


@pytest.fixture
def cluster(tmp_path: Path, postgres_server: PostgresServer) -> Site:
    url = postgres_server.create(f"cli_{os.getpid()}_{time.monotonic_ns()}")
    return Site(tmp_path, database=url)


@pytest.mark.slow
def test_postgresql_is_migrated_by_hand(cluster: Site) -> None:
    refused = cluster.run("serve", "--port", "0", code=2)
    assert ".venv/bin/frontdesk migrate" in refused.err
    assert "migrate" in cluster.run("agent", "list", code=2).err
    assert "Steps taken: " in cluster.run("migrate").out
    assert "up to date" in cluster.run("migrate").out
    with cluster.serve() as server:
        assert server.get("/readyz")[0] == 200


def workers_of(server: Served) -> set[int]:
    """The process ids of the workers."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return {int(pid) for pid in found.stdout.split()}


def answering(server: Served, rounds: int = 40) -> set[str]:
    """The names of the processes that answer."""
    return {server.get("/readyz")[1]["process"] for _ in range(rounds)}


@pytest.mark.slow
def test_several_processes_on_postgresql(cluster: Site) -> None:
    cluster.run("migrate")
    cluster.add("ann@acme.example", "--all")
    token = cluster.token("ann@acme.example")
    with cluster.serve("--workers", "2") as server:
        eventually(lambda: len(answering(server)) == 2)
        for n in range(20):
            assert server.write(f"text {n}", customer=f"491510{n:04}") == 200
        assert len(server.get("/api/v1/conversations?view=waiting", token)[1]["items"]) == 20
        # Both processes run, one of them answers commands.
        cluster.run("agent", "password", "ann@acme.example", "--password-stdin", stdin=PASSWORD)

        before = workers_of(server)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        assert server.get("/readyz")[0] == 200  # the other one takes the calls meanwhile
        eventually(lambda: len(workers_of(server)) == 2 and workers_of(server) != before)
        eventually(lambda: len(answering(server)) == 2)
        # Whoever answered commands may be the one that died; another takes it over.
        eventually((cluster.folder / "var/frontdesk.sock").exists)
        assert "ann@acme.example" in cluster.run("agent", "list").out
        assert server.stop() == 0
        assert workers_of(server) == set()


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(cluster: Site) -> None:
    cluster.run("migrate")
    with cluster.serve("--workers", "2") as server:
        eventually(lambda: len(answering(server)) == 2)
        workers = workers_of(server)
        server.stop(signal.SIGKILL)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.slow
def test_a_rolling_stop_loses_no_call(cluster: Site) -> None:
    """Two servers on one database: one stops under load, callers that try again lose nothing."""
    cluster.run("migrate")
    with cluster.serve() as first, cluster.serve() as second:
        answers: list[int] = []
        stopped = threading.Event()

        def write() -> None:
            n = 0
            while not stopped.is_set() and n < 5000:
                n += 1
                server = first if n % 2 else second
                try:
                    answers.append(server.write(f"text {n}", customer=f"49152{n:06}"))
                except (urllib.error.URLError, ConnectionError):
                    answers.append(0)  # refused: the sender tries the other one

        writer = threading.Thread(target=write)
        writer.start()
        eventually(lambda: len(answers) > 40)
        assert first.stop() == 0
        after = len(answers)
        eventually(lambda: len(answers) > after + 20)
        stopped.set()
        writer.join()
        assert set(answers) <= {200, 0}, set(answers)
        assert answers[-1] == 200 or answers[-2] == 200
