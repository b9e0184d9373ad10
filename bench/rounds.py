"""Interleaved rounds: every side once a round, in turning order, so that drift hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.measure import Sample, quantile, ratio

ROUNDS = 5
Samples = Sequence[Sample]


def interleave(
    sides: Mapping[str, Callable[[], Sample]], rounds: int = ROUNDS
) -> dict[str, list[Sample]]:
    """Run every side in every round; the order turns by one each time."""
    names = list(sides)
    found: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(sides[name]())
    return found


def cpu_ratio(above: Samples, below: Samples) -> float:
    """The median of the rounds' ratios of CPU a message, databases included."""
    return ratio([s.total for s in above], [s.total for s in below])


def rate_ratio(above: Samples, below: Samples) -> float:
    """The median of the rounds' ratios of messages a second."""
    return ratio([s.rate for s in above], [s.rate for s in below])


def spread(above: Sequence[float], below: Sequence[float]) -> str:
    """The smallest and the largest ratio of a round."""
    each = sorted(a / b for a, b in zip(above, below, strict=True))
    return f"{each[0]:.2f}-{each[-1]:.2f}"


def micros(samples: Samples) -> str:
    """The median CPU a message, and the database's share."""
    ours = median(s.cpu for s in samples)
    beside = median(s.database for s in samples)
    return f"{ours:.0f}+{beside:.0f} µs" if beside else f"{ours:.0f} µs"


def a_second(samples: Samples) -> str:
    """The median rate."""
    return f"{median(s.rate for s in samples):.0f}/s"


def pushed(sample: Sample) -> list[float]:
    """Seconds from webhook to socket, of every message that was seen."""
    return [seen - fired for _, fired, seen in sample.told.pushes]


def p50(samples: Samples) -> list[float]:
    """The rounds' median seconds from webhook to socket."""
    return [quantile(pushed(sample), 0.5) for sample in samples]
