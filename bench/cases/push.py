"""T5, T14: how soon an agent sees what a customer wrote.

Open loop, 50 messages a second, one in three opens a conversation. T5 counts from the moment a
webhook is due to the moment its frame is on the agent's socket. T14 counts from the commit in one
process to the frame on a socket of the other, both on one PostgreSQL; the floor is told the id
through a unix socket and reads that one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import msgspec

from bench.measure import Failed, Sample, postmaster_of_mine, quantile, ratio
from bench.report import Line
from bench.rounds import interleave, p50, pushed, spread
from bench.stand import Desk, Stand

COUNT = 200
RATE = 50.0
CALLERS = 16
NEW = 1 / 3
NEEDS = ("T5", "T14")


def run(stand: Stand, wanted: Iterable[str]) -> list[Line]:
    """Measure what is wanted."""
    lines: list[Line] = []
    if "T5" in wanted:
        lines += _to_the_socket(stand)
    if "T14" in wanted:
        lines += _hop(stand)
    return lines


def _to_the_socket(stand: Stand) -> list[Line]:
    desks = {"floor": stand.floor("FULL"), "ours": stand.ours()}
    for desk in desks.values():
        _warm(desk)
    runs = interleave({name: partial(_fire, desk, desk.hellos(1)) for name, desk in desks.items()})
    above, below = p50(runs["ours"]), p50(runs["floor"])
    late = [quantile(pushed(s), 0.99) for s in runs["ours"]]
    return [
        Line(
            id="T5",
            what="webhook to agent's socket at 50/s, p50, ours / durable floor",
            measured=ratio(above, below),
            limit=1.5,
            absolute=f"{_ms(above)} / {_ms(below)} (p99 {_ms(late)})",
            spread=spread(above, below),
            invalid=_missing([*runs["ours"], *runs["floor"]]),
        )
    ]


def _warm(desk: Desk, ports: list[int] | None = None) -> None:
    desk.run(300, 1.0, ports=ports)


def _fire(desk: Desk, hellos: list[tuple[int, str]], ports: list[int] | None = None) -> Sample:
    return desk.run(COUNT, NEW, sockets=hellos, rate=RATE, callers=CALLERS, ports=ports)


def _missing(samples: Sequence[Sample]) -> str:
    seen = sum(len(s.told.pushes) for s in samples)
    return "" if seen >= 0.95 * COUNT * len(samples) else f"only {seen} frames were seen"


def _ms(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:.2f} ms"


class Moments(msgspec.Struct):
    """What bench.hops wrote down."""

    ours: list[tuple[int, int, float]]
    floors: dict[str, float]


def _hop(stand: Stand) -> list[Line]:
    desks = {"floor": _hop_floor(stand), "ours": stand.ours("hop", postgres=True, processes=2)}
    for desk in desks.values():
        _warm(desk, [desk.servers[0].port])
    runs = interleave(
        {
            name: partial(_fire, desk, desk.hellos(1, server=1), [desk.servers[0].port])
            for name, desk in desks.items()
        }
    )
    moments = {}
    for name, desk in desks.items():
        stand.stop(desk.servers[0])
        moments[name] = _read(desk.servers[0].folder / "moments.json")
    above = [quantile(_ours(sample, moments["ours"]), 0.5) for sample in runs["ours"]]
    below = [quantile(_floor(sample, moments["floor"]), 0.5) for sample in runs["floor"]]
    return [
        Line(
            id="T14",
            what="commit in A to frame on B's socket, p50, ours / unix socket and one read",
            measured=ratio(above, below),
            limit=3.0,
            absolute=f"{_ms(above)} / {_ms(below)}",
            spread=spread(above, below),
            invalid=_missing([*runs["ours"], *runs["floor"]]),
        )
    ]


def _hop_floor(stand: Stand) -> Desk:
    path = str(stand.folder / "hop.sock")
    url = stand.postgres("hop_floor")
    to = stand.serve("hop to", {"kind": "hop to", "path": path, "url": url})
    from_ = stand.serve("hop from", {"kind": "hop from", "path": path, "url": url})
    return Desk([from_, to], database=postmaster_of_mine())


def _read(path: Path) -> Moments:
    if not path.exists():
        raise Failed("the first process wrote no moments down")
    return msgspec.json.decode(path.read_bytes(), type=Moments)


def _ours(sample: Sample, moments: Moments) -> list[float]:
    """Join frames with the commits that their events belong to."""
    commits = iter(sorted(moments.ours))
    first, last, at = next(commits)
    hops = []
    for seq, seen in sorted(sample.told.seqs):
        while last < seq:
            first, last, at = next(commits)
        if first <= seq:
            hops.append(seen - at)
    return hops


def _floor(sample: Sample, moments: Moments) -> list[float]:
    return [
        seen - moments.floors[name]
        for name, _, seen in sample.told.pushes
        if name in moments.floors
    ]
