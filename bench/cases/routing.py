"""T10: what routing costs inside the commit, without HTTP around it.

One process, the store's own statements, batches as the writer makes them. First: 64 first
messages a batch, with and without the routing policies, against plain SQL that does the same (pick
the agent with the fewest, give him the conversation, note why, tell). Then: somebody resolves and
the oldest that waits takes his place, with 1,000 and with 1,000,000 in the queue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.batches import Batches, CloseOne, Room, first_messages
from bench.crowd import crowd
from bench.measure import ratio
from bench.ours import migrate, seed, write_config
from bench.rawsql import RawRouting
from bench.report import Line
from bench.rounds import spread
from bench.stand import AGENTS, Stand

ROUNDS = 7
BATCH = 64
BATCHES = 15
CLOSES = 100
FEW = 1_000
MANY = 1_000_000
NEEDS = ("T10",)


def run(stand: Stand, _wanted: Iterable[str]) -> list[Line]:
    """Measure both halves."""
    return [_against_sql(stand.folder), _against_many(stand.folder)]


def _prepared(folder: Path) -> Path:
    config = write_config(folder, database=f"sqlite:///{folder / 'frontdesk.db'}")
    migrate(config)
    asyncio.run(seed(config, AGENTS))
    return config


def _against_sql(folder: Path) -> Line:
    routed = Batches(_prepared(folder / "routed"), routes=True)
    plain = Batches(_prepared(folder / "plain"), routes=False)
    raw_routed = RawRouting(folder / "raw_routed.db", AGENTS)
    raw_plain = RawRouting(folder / "raw_plain.db", AGENTS)
    numbers = iter(range(1, 1_000_000))

    def ours(batches: Batches) -> Callable[[], None]:
        return lambda: batches.write(first_messages(BATCH, next(numbers)))

    sides = {
        "routed": ours(routed),
        "plain": ours(plain),
        "raw routed": lambda: raw_routed.batch(BATCH, next(numbers), routes=True),
        "raw plain": lambda: raw_plain.batch(BATCH, next(numbers), routes=False),
    }
    found = _rounds(sides, BATCHES, BATCH)
    above = _differences(found["routed"], found["plain"])
    below = _differences(found["raw routed"], found["raw plain"])
    given = routed.count("SELECT count(*) FROM assignment")
    all_of_them = (ROUNDS + 1) * BATCHES * BATCH
    routed.close()
    plain.close()
    return Line(
        id="T10",
        what="routing one conversation inside the commit / the same in raw SQL, CPU",
        measured=median(above) / median(below),
        limit=1.5,
        absolute=f"{median(above):.0f} µs / {median(below):.0f} µs",
        spread=spread(above, below) if min(above) > 0 < min(below) else "",
        invalid="" if given == all_of_them else f"{given} of {all_of_them} were assigned",
    )


def _differences(with_: Sequence[float], without: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(with_, without, strict=True)]


def _against_many(folder: Path) -> Line:
    sides: dict[str, Callable[[], None]] = {}
    opened = []
    for name, count in (("few", FEW), ("many", MANY)):
        config = _prepared(folder / name)
        crowd(folder / name / "frontdesk.db", waiting=count)
        batches = Batches(config, routes=True)
        opened.append(batches)
        sides[name] = _closing(batches)
    found = _rounds(sides, CLOSES, 1)
    left = opened[1].count("SELECT count(*) FROM conversation WHERE state = 'waiting'")
    moved = AGENTS + (ROUNDS + 1) * CLOSES
    for batches in opened:
        batches.close()
    return Line(
        id="T10",
        what="resolve one, give the next: 1,000,000 waiting / 1,000, CPU",
        measured=ratio(found["many"], found["few"]),
        limit=1.5,
        absolute=f"{median(found['many']):.0f} µs / {median(found['few']):.0f} µs",
        spread=spread(found["many"], found["few"]),
        invalid="" if left == MANY - moved else f"{MANY - left} of {moved} were given",
    )


def _closing(batches: Batches) -> Callable[[], None]:
    agents = [str(one) for (one,) in batches.rows("SELECT id FROM agent")]
    # First bounded, then routed: an agent with endless room would take the others' share.
    policies, batches.policies = batches.policies, []
    batches.write([Room(agent=agent, room=0) for agent in agents])
    batches.policies = policies
    batches.write([Room(agent=agent, room=1) for agent in agents])
    turn = iter(range(1, 1_000_000))
    return lambda: batches.write([CloseOne(agent=agents[next(turn) % len(agents)])])


def _rounds(sides: dict[str, Callable[[], None]], times: int, each: int) -> dict[str, list[float]]:
    """Run the sides in turn, `times` a round; CPU µs for each of `each` items. Round 0 warms up."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        spent = dict.fromkeys(sides, 0.0)
        for _ in range(times):
            for name, once in sides.items():
                began = time.thread_time()
                once()
                spent[name] += time.thread_time() - began
        if number:
            for name, seconds in spent.items():
                found[name].append(seconds / (times * each) * 1e6)
    return found
