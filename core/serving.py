"""Serving on a port: how plugins.toml becomes a running server, and how that one stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from typing_extensions import override

from core.config import Config, Secret, load
from core.config.checks import import_plugins
from core.errors import FrontdeskError
from core.guard import Lock, alone_with
from core.hooks import Hooks
from core.ops_socket import OpsSocket
from core.process import Process
from core.redactor import hide

log = logging.getLogger("frontdesk.serving")
# Together with the drain of calls under way (core.process) below the 20 s that a stop may take.
REQUESTS_SECONDS: Final = 3
IDLE_SECONDS: Final = 30
FRAME_BYTES: Final = 64 * 1024
BACKLOG: Final = 1024


class PortBusy(FrontdeskError):
    """The port cannot be had: another program listens there, or it may not be used."""


@contextmanager
def open_process(
    path: Path,
    *,
    create_key: bool = False,
    more: Mapping[str, object] | None = None,
) -> Iterator[Process]:
    """Read the file, import its plugins and open the store; `more` are plugins beside the file's.

    Raises ConfigError, WrongPlugin, AlreadyOpen or CannotServe; by then no port is open.
    """
    config = load(path, create_key=create_key)
    hide(secrets_of(config))
    hooks = Hooks({**import_plugins(config), **(more or {})})
    with alone_with(config) as lock:
        yield make_process(config, hooks, lock)


def make_process(config: Config, hooks: Hooks, lock: Lock) -> Process:
    """Make a process that listens to commands once it runs."""
    process = Process(config, hooks)
    hide(
        value
        for options in process.options.values()
        for name in options.__struct_fields__
        if isinstance(secret := getattr(options, name), Secret)
        for value in secret
    )
    process.services.tasks.append(OpsSocket(process, lock).run)
    return process


def secrets_of(config: Config) -> list[str]:
    """Return the secrets of [frontdesk]; a store's address is one only if it holds a password."""
    section = config.frontdesk
    password = section.database.first.partition("://")[2].partition("@")[0].partition(":")[2]
    return [*section.secret_key, *([password] if password else [])]


def listen(host: str, port: int) -> socket.socket:
    """Open the port or raise PortBusy. What connects already is answered after the start."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise PortBusy(
            f"There is no address {host} on this machine. Try --host 127.0.0.1."
        ) from None
    family, *_, address = found[0]
    # The protocol must be named: without it asyncio leaves Nagle's delay on, 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = (error.strerror or "no reason given").lower()
        raise PortBusy(
            f"Port {port} on {host} cannot be had ({why}). Choose another with --port."
        ) from None
    return listener


class Server(uvicorn.Server):
    """uvicorn, made to tell when it is ready and to end with 0 when it was asked to end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        """`ready` is called once, when requests are being answered."""
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        log.info("serving")
        self._ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("stopping")
        await super().shutdown(sockets=sockets)
        log.info("stopped")

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn raises the signal once more at the end, and a clean stop would look like a death.
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def leave(self) -> None:
        """Stop as if a signal had come."""
        self.should_exit = True


def make_server(process: Process, ready: Callable[[], None] = lambda: None) -> Server:
    """Make the server of a process."""
    return Server(
        uvicorn.Config(
            process.app,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            # Deflate costs 35 KiB a socket, and a tiny frame could unpack to a huge one.
            ws_per_message_deflate=False,
            ws_ping_interval=30,
            ws_ping_timeout=30,
            ws_max_size=FRAME_BYTES,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=REQUESTS_SECONDS,
        ),
        ready,
    )


def new_loop() -> asyncio.AbstractEventLoop:
    """Make the loop that servers run in."""
    return uvloop.new_event_loop()


async def serve(server: Server, listener: socket.socket) -> bool:
    """Serve until a signal comes and everything is drained; say whether it ever started."""
    try:
        await server.serve(sockets=[listener])
    except SystemExit:  # uvicorn's word for "could not start"; the log says why
        return False
    return server.started


def run(server: Server, listener: socket.socket) -> bool:
    """Serve in a loop of its own; say whether it ever started."""
    _calm_collector()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(serve(server, listener))


def _calm_collector() -> None:
    """Leave what start-up made out of every collection, and collect a good deal less often.

    A message makes some two hundred objects and no cycles: at the usual threshold the collector
    walks the whole process every few messages.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
