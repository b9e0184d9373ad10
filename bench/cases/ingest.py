"""T1, T2, T3, T4, T13, T17: what it costs to take a message in.

The mix: one message in three opens a conversation (new contact, address, conversation, routed to
one of ten agents); the others belong to open conversations. One agent's socket is open and must
be shown every message. 128 callers side by side, 2,000 messages a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from bench.measure import Sample
from bench.report import Line
from bench.rounds import (
    Samples,
    a_second,
    cpu_ratio,
    interleave,
    micros,
    rate_ratio,
    spread,
)
from bench.stand import Desk, Stand

COUNT = 2_000
ORM_COUNT = 400
NEW = 1 / 3
SEEN_SHARE = 0.95
FLOOR_BOUND = 1.5
Side = Callable[[], Sample]
Runs = dict[str, list[Sample]]

NEEDS = {
    "T1": ("no store", "FULL", "ours", "ours, none new", "ours, all new", "ours, ten sockets"),
    "T2": ("orm", "ours"),
    "T3": ("no store", "FULL", "ours, unwatched", "ours, no store"),
    "T4": ("FULL", "NORMAL", "ours", "ours, relaxed"),
    "T13": ("ours, unwatched", "ours, PostgreSQL", "FULL", "floor, PostgreSQL"),
    "T17": ("ours, one process", "ours, two processes"),
}


def run(stand: Stand, wanted: Iterable[str]) -> list[Line]:
    """Measure the sides that the wanted targets need, together."""
    asked = [name for name in NEEDS if name in wanted]
    names = list(dict.fromkeys(side for name in asked for side in NEEDS[name]))
    sides = {name: _side(stand, name) for name in names}
    runs = interleave(sides)
    lines: list[Line] = []
    for name in asked:
        lines += LINES[name](runs)
    return lines


def _side(stand: Stand, name: str) -> Side:
    """Start what a side needs, warm it up, and return how to run it once."""
    desk, new, sockets, count = _prepare(stand, name)
    if desk.is_cold:
        desk.run(count // 5, 1.0)
    hellos = desk.hellos(sockets)
    return partial(desk.run, count, new, sockets=hellos)


def _prepare(stand: Stand, name: str) -> tuple[Desk, float, int, int]:
    """Return the desk, the share of new conversations, the sockets and the messages a round."""
    if name in {"no store", "FULL", "NORMAL", "orm"}:
        return stand.floor(name), NEW, 0, ORM_COUNT if name == "orm" else COUNT
    match name:
        case "ours":
            return stand.ours(), NEW, 1, COUNT
        case "ours, none new":
            return stand.ours(), 0.0, 1, COUNT
        case "ours, all new":
            return stand.ours(), 1.0, 1, COUNT
        case "ours, ten sockets":
            return stand.ours(), NEW, 10, COUNT
        case _:
            watched = name == "ours, relaxed"
            return _others(stand, name), NEW, int(watched), COUNT


def _others(stand: Stand, name: str) -> Desk:
    match name:
        case "ours, relaxed":
            return stand.ours("relaxed", durability="relaxed")
        case "ours, no store":
            return stand.ours("without", kind="ours without store")
        case "ours, PostgreSQL" | "ours, one process":
            return stand.ours("one", postgres=True)
        case "ours, two processes":
            return stand.ours("two", postgres=True, processes=2)
        case "floor, PostgreSQL":
            return stand.floor("postgres")
        case _:
            return stand.ours()


def _floor_is_slow(runs: Runs) -> str:
    """A floor far above no store would flatter whatever is measured against it."""
    found = cpu_ratio(runs["FULL"], runs["no store"])
    return f"floor is {found:.2f}x no store" if found > FLOOR_BOUND else ""


def _unseen(samples: Samples) -> str:
    """A message that reaches nobody is not a whole one."""
    opened = sum(s.told.opened for s in samples)
    assigned = sum(s.told.assigned for s in samples)
    if opened and assigned < SEEN_SHARE * opened:
        return f"only {assigned} of {opened} new conversations assigned and seen"
    messages = sum(len(s.told.latencies) for s in samples)
    seen = sum(len(s.told.pushes) for s in samples)
    return "" if seen >= SEEN_SHARE * messages else f"only {seen} of {messages} messages seen"


def _line(
    id_: str, what: str, above: Samples, below: Samples, limit: float | None, invalid: str = ""
) -> Line:
    return Line(
        id=id_,
        what=what,
        measured=cpu_ratio(above, below),
        limit=limit,
        absolute=f"{micros(above)} / {micros(below)}",
        spread=spread([s.total for s in above], [s.total for s in below]),
        invalid=invalid,
    )


def _rates(id_: str, what: str, above: Samples, below: Samples, limit: float | None) -> Line:
    return Line(
        id=id_,
        what=what,
        measured=rate_ratio(above, below),
        limit=limit,
        least=True,
        absolute=f"{a_second(above)} / {a_second(below)}",
        spread=spread([s.rate for s in above], [s.rate for s in below]),
    )


def _t1(runs: Runs) -> list[Line]:
    floor, ours = runs["FULL"], runs["ours"]
    why = _floor_is_slow(runs) or _unseen(ours)
    return [
        _line("T1", "full ingest / floor, CPU, 1/3 new", ours, floor, 2.0, why),
        _line("T1", "the same, no new conversations", runs["ours, none new"], floor, None),
        _line("T1", "the same, only new conversations", runs["ours, all new"], floor, None),
        _line("T1", "1/3 new, ten agents' sockets", runs["ours, ten sockets"], floor, None),
        _line("-", "floor / no store, CPU", floor, runs["no store"], None),
    ]


def _t2(runs: Runs) -> list[Line]:
    what = "full ingest / ORM session a request, rate"
    return [_rates("T2", what, runs["ours"], runs["orm"], 8.0)]


def _t3(runs: Runs) -> list[Line]:
    ours = runs["ours, unwatched"], runs["ours, no store"]
    floors = runs["FULL"], runs["no store"]
    return [
        _line("T3", "ours durable / ours without store, CPU", *ours, 1.4),
        _line("T3", "floor durable / no store, CPU", *floors, None),
    ]


def _t4(runs: Runs) -> list[Line]:
    return [
        _rates("T4", "ours FULL / relaxed, rate", runs["ours"], runs["ours, relaxed"], 0.9),
        _rates("T4", "floor FULL / NORMAL, rate", runs["FULL"], runs["NORMAL"], None),
    ]


def _t13(runs: Runs) -> list[Line]:
    ours = runs["ours, PostgreSQL"], runs["ours, unwatched"]
    floors = runs["floor, PostgreSQL"], runs["FULL"]
    return [
        _line("T13", "PostgreSQL (with its backends) / SQLite, CPU", *ours, 1.2),
        _line("T13", "the floors alike", *floors, None),
    ]


def _t17(runs: Runs) -> list[Line]:
    ours = runs["ours, two processes"], runs["ours, one process"]
    return [_line("T17", "two processes / one on PostgreSQL, CPU", *ours, 1.15)]


LINES: dict[str, Callable[[Runs], list[Line]]] = {
    "T1": _t1,
    "T2": _t2,
    "T3": _t3,
    "T4": _t4,
    "T13": _t13,
    "T17": _t17,
}
