"""Where a target's CPU goes: samples the server under load and names its functions.

With py-spy every thread that holds the interpreter is sampled. Without it the server runs under
cProfile, which sees the event loop's thread only and slows it down: good for names, not for shares.
"""

from __future__ import annotations

import pstats
import shutil
import subprocess
import sys
from collections import Counter
from io import StringIO
from pathlib import Path

from bench.measure import Failed, Server
from bench.report import RESULTS
from bench.stand import Desk, Stand

SECONDS = 12
COUNT = 2_000
TOP = 40
OURS = ("core/", "handoff/", "plugins/")


def profile(target: str) -> Path:
    """Profile the server of T1 (or T13, on PostgreSQL) under its load; return the text file."""
    if target not in {"T1", "T13"}:
        raise Failed("profiles exist for T1 and T13")
    sampler = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which(
        "py-spy"
    )
    with Stand() as stand:
        desk = stand.ours(postgres=target == "T13", profiled=sampler is None)
        desk.run(600, 1.0)
        text = _sampled(stand, desk, sampler) if sampler else _traced(stand, desk)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"profile-{target}.txt"
    path.write_text(text)
    return path


def _sampled(stand: Stand, desk: Desk, sampler: str) -> str:
    folded = stand.folder / "folded"
    spy = subprocess.Popen(  # noqa: S603 - our own server, found on PATH
        [
            sampler,
            "record",
            "--gil",
            "--rate=250",
            f"--duration={SECONDS}",
            "--format=raw",
            f"--output={folded}",
            f"--pid={desk.servers[0].pid}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while spy.poll() is None:
        desk.run(COUNT, 1 / 3, sockets=desk.hellos(1))
    if spy.returncode != 0:
        raise Failed("py-spy may not look at the server")
    return summary(folded.read_text())


def summary(folded: str) -> str:
    """Turn folded stacks into tables: by room, by function, by function with what it calls."""
    rooms: Counter[str] = Counter()
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";")]
        rooms[_room(frames)] += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    total = sum(own.values())
    lines = [
        f"{total} samples of threads that held the interpreter. What SQLite, PostgreSQL's client",
        "and the kernel do without holding it is not among them.",
    ]
    for title, counts, top in (
        ("by the deepest file of ours", rooms, TOP),
        ("by function", own, TOP),
        ("by function, with what it calls", whole, 2 * TOP),
    ):
        lines += ["", title]
        lines += [f"{count / total:7.1%}  {name}" for name, count in counts.most_common(top)]
    return "\n".join(lines) + "\n"


def _room(frames: list[str]) -> str:
    """Return the deepest file of ours in a stack; uvicorn itself has none."""
    for frame in reversed(frames):
        file = frame.partition("(")[2].rstrip(")")
        if file.startswith(OURS) and file != "core/serving.py":
            return file
    return "uvicorn and its loop"


def _function(frame: str) -> str:
    """Drop the line number: one function is one row."""
    return frame.rpartition(":")[0] + ")" if ":" in frame else frame


def _traced(stand: Stand, desk: Desk) -> str:
    for _ in range(5):
        desk.run(COUNT, 1 / 3, sockets=desk.hellos(1))
    server: Server = desk.servers[0]
    stand.stop(server)
    output = StringIO()
    stats = pstats.Stats(str(server.folder / "moments.json.profile"), stream=output)
    stats.strip_dirs().sort_stats("tottime").print_stats(TOP)
    # The first line names the folder of the run.
    return output.getvalue().partition("\n")[2].lstrip("\n")
