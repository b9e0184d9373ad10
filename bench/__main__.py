"""`python -m bench [T1 T5 ...]`: measure, print a table, write bench/results."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable

from bench.cases import ingest, push, routing, start
from bench.profile import profile
from bench.report import Line, save, table
from bench.stand import Stand

Case = Callable[[Stand, Iterable[str]], list[Line]]
CASES: dict[Case, tuple[str, ...]] = {
    ingest.run: tuple(ingest.NEEDS),
    push.run: push.NEEDS,
    routing.run: routing.NEEDS,
    start.run: start.NEEDS,
}


def main() -> None:
    """Run what was asked for, by default everything."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = [name for names in CASES.values() for name in names]
    parser.add_argument("targets", nargs="*", metavar="T", help=f"of {', '.join(known)}")
    parser.add_argument("--profile", metavar="T", help="profile the server of a target instead")
    chosen = parser.parse_args()
    if chosen.profile:
        print(profile(chosen.profile).read_text())
        return
    wanted = set(chosen.targets or known)
    if wanted - set(known):
        parser.error(f"known are {', '.join(known)}")
    # A run that is told to end must still end its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    lines: list[Line] = []
    try:
        for case, names in CASES.items():
            if wanted & set(names):
                with Stand() as stand:
                    lines += case(stand, wanted)
    finally:  # minutes of measuring are not thrown away for one case that failed
        print(table(lines))
        name = "all" if wanted == set(known) else "-".join(sorted(wanted))
        save(name, lines, seconds=time.monotonic() - began)


if __name__ == "__main__":
    main()
