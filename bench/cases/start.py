"""T16: from nothing to the first 200, with no inbox configured, against the bare imports.

`frontdesk serve` itself is started, on a schema that is there, with the store, the desk, the API
and WhatsApp enabled. The bare program imports SQLAlchemy, Starlette, pluggy and uvicorn and
answers one route. CPU decides: with two shared cores the seconds of a start drift by 3x.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.measure import ROOT, Failed, cpu_of, ratio, tree_of
from bench.ours import write_config
from bench.report import Line
from bench.rounds import spread
from bench.stand import Stand, seed

ROUNDS = 7
NEEDS = ("T16",)
PATIENCE_SECONDS = 60.0
Start = tuple[float, float]


def run(stand: Stand, _wanted: Iterable[str]) -> list[Line]:
    """Start both in turn."""
    folder = stand.folder / "cold"
    config = write_config(folder, database=f"sqlite:///{folder / 'frontdesk.db'}", inboxes=False)
    seed(config, 0)
    commands = {
        "ours": ["-m", "core.cli", "serve", "--config", str(config), "--port"],
        "bare": ["-m", "bench.bare"],
    }
    found: dict[str, list[Start]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            start = first_answer(command, folder / f"{name}.log")
            if number:  # the first start of each fills the file cache and writes bytecode
                found[name].append(start)
    cpu, bare_cpu = _column(found, 0)
    wall, bare_wall = _column(found, 1)
    what = "cold start to the first 200 / bare imports"
    return [
        _line(f"{what}, CPU", cpu, bare_cpu, 1.3),
        _line(f"{what}, seconds", wall, bare_wall, None),
    ]


def _column(found: dict[str, list[Start]], index: int) -> tuple[list[float], list[float]]:
    return [s[index] for s in found["ours"]], [s[index] for s in found["bare"]]


def _line(what: str, above: Sequence[float], below: Sequence[float], limit: float | None) -> Line:
    return Line(
        id="T16",
        what=what,
        measured=ratio(above, below),
        limit=limit,
        absolute=f"{median(above):.2f} s / {median(below):.2f} s",
        spread=spread(above, below),
    )


def first_answer(command: Sequence[str], log: Path) -> Start:
    """Start a program on a free port; return its CPU seconds and the seconds to the first 200."""
    port = _free_port()
    began = time.perf_counter()
    with log.open("wb") as output:
        program = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, *command, str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    try:
        _wait(program, port, log)
        seconds = time.perf_counter() - began
        return cpu_of(tree_of(program.pid)), seconds
    finally:
        program.terminate()
        program.wait(30)


def _wait(program: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.perf_counter() + PATIENCE_SECONDS
    while not _answers(port):
        if program.poll() is not None or time.perf_counter() > until:
            raise Failed(log.read_text())
        time.sleep(0.002)


def _answers(port: int) -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        link.request("GET", "/healthz")
        return link.getresponse().status == 200
    except OSError:
        return False
    finally:
        link.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
