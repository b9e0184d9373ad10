"""What a kill run must at least have done: below any of these it is INCONCLUSIVE, never passed.

Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from tests.journeys.evidence import Evidence, Kill, Post


class Floors(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything: `accepted` and `replies` before each kill, the shares of the run."""

    kills: int
    servers: int = 0
    accepted: int = 200
    replies: int = 20
    uncommitted: int = 0
    held: int = 0
    duplicates: float = 0.3
    reordered: float = 0.1
    rebatched: float = 0.1
    notes: int = 1
    lost: int = 1


def shortfalls(evidence: Evidence, floors: Floors) -> list[str]:
    """Return what the run did too little of: with any of these it is INCONCLUSIVE."""
    short = [
        problem
        for number, kill in enumerate(evidence.kills, 1)
        for problem in _weak(number, kill, floors)
    ]
    struck = [kill for kill in evidence.kills if kill.posts_cut]
    counts = (
        (len(evidence.kills), floors.kills, "kills"),
        (len({kill.server for kill in evidence.kills}), floors.servers, "servers killed"),
        (
            sum(1 for kill in struck if kill.point == "writer1.before_commit"),
            floors.uncommitted,
            "kills with a batch uncommitted",
        ),
        (
            sum(1 for kill in evidence.kills if kill.calls_held and kill.calls_open),
            floors.held,
            "kills with a provider call open",
        ),
        (sum(1 for one in evidence.written if one.note), floors.notes, "notes"),
        (sum(one.lost for one in evidence.written), floors.lost, "answers lost and asked again"),
    )
    short += [f"{count} of {floor} {what}" for count, floor, what in counts if count < floor]
    return short + _tame(evidence, floors)


def _weak(number: int, kill: Kill, floors: Floors) -> Iterator[str]:
    if kill.code != -9:
        yield f"kill {number} ended with {kill.code}, not by SIGKILL"
    if kill.accepted < floors.accepted:
        yield f"{kill.accepted} of {floors.accepted} messages before kill {number}"
    if kill.replies < floors.replies:
        yield f"{kill.replies} of {floors.replies} replies before kill {number}"


def _tame(evidence: Evidence, floors: Floors) -> list[str]:
    """Say how the provider misbehaved too little."""
    shares = misbehaviour(evidence.writers, evidence.posts)
    return [
        f"{share:.0%} of {floor:.0%} {what}"
        for share, floor, what in zip(
            shares,
            (floors.duplicates, floors.reordered, floors.rebatched),
            ("duplicates", "reordered", "batched differently"),
            strict=True,
        )
        if share < floor
    ]


def misbehaviour(writers: dict[str, str], posts: Sequence[Post]) -> tuple[float, float, float]:
    """Return the shares of messages that came again, came late, and came in another body."""
    age = {wamid: place for place, wamid in enumerate(writers)}
    times: Counter[str] = Counter()
    bodies: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    youngest: dict[str, int] = {}
    late: set[str] = set()
    for post in sorted(posts, key=lambda one: one.started):
        for wamid in post.wamids:
            times[wamid] += 1
            bodies[wamid].add(post.wamids)
            customer = writers[wamid]
            if times[wamid] == 1 and age[wamid] < youngest.get(customer, -1):
                late.add(wamid)
            youngest[customer] = max(age[wamid], youngest.get(customer, -1))
    total = max(1, len(times))
    again = sum(1 for count in times.values() if count > 1)
    differently = sum(1 for several in bodies.values() if len(several) > 1)
    return again / total, len(late) / total, differently / total
