"""Serves one application in a process of its own: `python -m bench.serve SPEC`.

The first line of output is the port; connections wait in the backlog until the application runs.
Floors get the very settings of `frontdesk serve` (core.serving), so that a ratio compares what
stands behind uvicorn and not uvicorn.
"""

from __future__ import annotations

import contextlib
import cProfile
import json
import logging
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from core.process import Process

Spec = dict[str, Any]


def open_listener() -> socket.socket:
    """Listen on a free loopback port."""
    # asyncio turns Nagle's delay off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def serve_ours(spec: Spec, listener: socket.socket) -> None:
    """Serve Frontdesk; `out` names a file for the moments of its commits."""
    from core import serving

    with serving.open_process(Path(spec["config"])) as process:
        from bench.hops import Moments

        moments = Moments()
        moments.watch(process.live)
        tracer = cProfile.Profile() if spec["profiled"] else None
        with tracer or contextlib.nullcontext():
            serving.run(serving.make_server(process), listener)
        if tracer is not None:
            tracer.dump_stats(spec["out"] + ".profile")
        moments.save(Path(spec["out"]))


def serve_floor(spec: Spec, listener: socket.socket) -> None:
    """Serve a floor under the same settings as ours."""
    from core import serving

    app = make_floor(spec)
    process = cast("Process", SimpleNamespace(app=app))
    serving.run(serving.make_server(process), listener)
    if spec["kind"] == "hop from":
        app.moments.save(Path(spec["out"]))


def make_floor(spec: Spec) -> Any:
    """Return the ASGI application that a spec names; imports only what that one needs."""
    from bench import floors

    match spec["kind"]:
        case "no store":
            return floors.no_store()
        case "sqlite":
            return floors.sqlite_floor(spec["path"], spec["level"])
        case "postgres":
            return floors.postgres_floor(spec["url"])
        case "orm":
            from bench.orm import Sessions

            return floors.Floor(store=Sessions(spec["path"]).put)
        case kind:
            from bench import hops

            return hops.from_floor(spec) if kind == "hop from" else hops.to_floor(spec)


def main() -> None:
    """Serve until SIGTERM."""
    spec = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING)
    listener = open_listener()
    print(listener.getsockname()[1], flush=True)
    if spec["kind"] == "ours":
        serve_ours(spec, listener)
    elif spec["kind"] == "ours without store":
        from bench.nostore import serve

        serve(Path(spec["config"]), listener)
    else:
        serve_floor(spec, listener)


if __name__ == "__main__":
    main()
