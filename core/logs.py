"""Logs: one line of JSON for each, or a readable one on a terminal, and no secret in any of them.

Every logger of every library goes through here, and through core.redactor last. Texts of messages
are never logged at all.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from core.redactor import REDACTOR

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CHATTY: Final = ("asyncio", "httpcore", "httpx", "httpx2", "urllib3", "uvicorn", "websockets")


def printable(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Write control characters out: a customer's name must not colour or move the terminal."""
    return {
        name: _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def set_up(
    *,
    level: str = "info",
    stream: TextIO | None = None,
    readable: bool | None = None,
) -> None:
    """Send every log of this Python through one handler.

    `readable`: for people instead of as JSON, by default where `stream` (stderr) is a terminal.
    """
    stream = stream or sys.stderr
    readable = stream.isatty() if readable is None else readable
    before: list[Callable[..., Any]] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: list[Callable[..., Any]] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        REDACTOR,
    ]
    if readable:
        last += [printable, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    else:
        last.append(structlog.processors.JSONRenderer())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=last)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        # At INFO they write a line for each request, with its whole address.
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
