"""The command `frontdesk demo`: everything at once, against simulated customers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from core.hookspecs import hookimpl

FOLDER = Path("var/demo")
app = typer.Typer(name="demo", add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    reset: Annotated[bool, typer.Option("--reset", help="Begin anew: wipe var/demo.")] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Taken if free, else the next free one.")
    ] = 8000,
    tokens: Annotated[bool, typer.Option("--tokens", help="Also print API tokens.")] = False,
) -> None:
    """Try it here: a simulated WhatsApp, two inboxes, two agents."""
    from sandbox.demo import run

    run(FOLDER, reset=reset, port=port, tokens=tokens)


@hookimpl
def register_commands() -> Sequence[Any]:
    """Hand over `demo`."""
    return (app,)
