"""Named places where a test may stop the process dead; nothing without FRONTDESK_FAILPOINTS.

The variable holds `name=action@when` entries with commas between: `kill` ends the process with
SIGKILL, `stop` sends SIGSTOP, `raise` raises OSError. `when` is the hit it happens at (1 = first),
or the path of a flag: it happens at the first hit that finds the flag there, and takes it away.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path


def read_spec(spec: str) -> dict[str, tuple[str, int | Path]]:
    """Return what to do by name of place: an action, and at which hit or by which flag."""
    out: dict[str, tuple[str, int | Path]] = {}
    for entry in filter(None, (part.strip() for part in spec.split(","))):
        name, _, action = entry.partition("=")
        action, _, when = action.partition("@")
        out[name] = (action, Path(when) if "/" in when else int(when or 1))
    return out


ARMED = read_spec(os.environ.get("FRONTDESK_FAILPOINTS", ""))
_hits: dict[str, int] = {}


def hit(name: str) -> None:
    """Pass through a named place."""
    if not ARMED or name not in ARMED:
        return
    action, when = ARMED[name]
    if not _is_now(name, when):
        return
    if action == "raise":
        raise OSError(f"failpoint {name}")
    if action == "stop":
        # To this thread, or it runs on for as long as the stop takes to reach it: past a COMMIT.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def _is_now(name: str, when: int | Path) -> bool:
    if isinstance(when, Path):
        try:
            when.unlink()
        except FileNotFoundError:
            return False
        return True
    _hits[name] = _hits.get(name, 0) + 1
    return _hits[name] == when
