"""`frontdesk serve`: one process, or several on one PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from core import logs
from core.cli import say
from core.cli.fleet import Fleet
from core.config import Config, load
from core.config.urls import cookie_rules
from core.guard import beside
from core.process import Process
from core.serving import listen, make_server, open_process, run


def serve(config: Path, host: str, port: int | None, workers: int, level: str) -> int:
    """Serve until a signal comes; return the exit code."""
    logs.set_up(level=level)
    if workers > 1:
        return serve_with_workers(config, host, port, workers, level)
    with say.starting(), open_process(config) as process:
        listener = open_port(process, host, port)
        warn_of(process.config)
        server = make_server(process, lambda: tell_addresses(process.config, listener))
        if not run(server, listener):
            say.stop("It could not start; the log above says why.")
    say.line("Stopped.")
    return 0


def open_port(process: Process, host: str, port: int | None) -> socket.socket:
    """Open the port, or close the store again."""
    try:
        return listen(host, port_of(process.config, port))
    except BaseException:
        asyncio.run(process.close())
        raise


def serve_with_workers(config: Path, host: str, port: int | None, count: int, level: str) -> int:
    """Look after several processes that share one port."""
    with say.starting():
        read = load(config)
        if beside(read).alone:
            say.stop(
                f"--workers {count} needs PostgreSQL: SQLite serves one process. "
                "Leave --workers out, or name a postgresql:// database.",
                say.CANNOT_START,
            )
        with open_process(config) as process:  # whatever is wrong is said once, not by each worker
            asyncio.run(process.close())
        listener = listen(host, port_of(read, port))
    warn_of(read)
    fleet = Fleet(count, ["worker", "--config", str(config), "--log-level", level], listener)
    return asyncio.run(fleet.run(lambda: tell_addresses(read, listener)))


def work(config: Path, handle: int, alive: int, level: str) -> int:
    """Be one of several: serve on a socket of the parent's, for as long as it lives."""
    logs.set_up(level=level)
    listener = socket.socket(fileno=handle)
    with say.starting(), open_process(config) as process:
        server = make_server(
            process, lambda: asyncio.get_running_loop().add_reader(alive, server.leave)
        )
        started = run(server, listener)
    os.close(alive)
    return 0 if started else 1


def port_of(config: Config, port: int | None) -> int:
    """Return the port to serve on: the one asked for, a loopback public_url's, else 8000."""
    if port is not None:
        return port
    public = config.frontdesk.public_url
    return urlsplit(public).port or 80 if is_local(public) else 8000


def is_local(public: str) -> bool:
    """Say whether a public_url is plain http on this machine."""
    rules = cookie_rules(public)
    return not rules.secure and not rules.warning


def warn_of(config: Config) -> None:
    """Print what works but is worth knowing."""
    for sentence in config.warnings:
        say.warn(f"Warning: {sentence}")


def tell_addresses(config: Config, listener: socket.socket) -> None:
    """Print where everything is."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    here = f"http://{shown}:{port}"
    public = here if is_local(config.frontdesk.public_url) else config.frontdesk.public_url
    say.line(f"Frontdesk serves on {here}")
    say.line(f"  console   {public}/console")
    say.line(f"  API       {public}/openapi.json")
    for inbox in config.inboxes:
        say.line(f"  webhook   {public}/inboxes/{inbox}/webhook")
    if config.frontdesk.durability == "relaxed":
        say.line("  durability = relaxed: a power failure may lose accepted messages")
    say.line("Stop it with Ctrl-C.")
