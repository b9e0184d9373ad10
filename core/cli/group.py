"""Our commands, and those that plugins hand over by `register_commands`."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
import typer.core
from typing_extensions import override

from core.errors import FrontdeskError

DISTRIBUTION = "frontdesk"
ENTRY_POINTS = "frontdesk.commands"
"""Modules of our own distribution whose commands are there without plugins.toml naming them."""


class Commands(typer.core.TyperGroup):
    """Looks for a command among ours, then in our distribution, then in plugins.toml's plugins."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *commands_of(_shipped())]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        found = found or commands_of(_shipped()).get(cmd_name)
        return found or commands_of(_enabled()).get(cmd_name)


def commands_of(plugins: dict[str, ModuleType]) -> dict[str, Any]:
    """Return what plugins register, by name."""
    if not plugins:
        return {}
    from core.hooks import Hooks

    found: dict[str, Any] = {}
    for app in Hooks(plugins).commands():
        command = typer.main.get_command(app)
        command.name = app.info.name or command.name
        found.setdefault(str(command.name), command)
    return found


def _shipped() -> dict[str, ModuleType]:
    try:
        points = importlib.metadata.distribution(DISTRIBUTION).entry_points
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {
        point.value: importlib.import_module(point.value)
        for point in points.select(group=ENTRY_POINTS)
    }


def _enabled() -> dict[str, ModuleType]:
    from core.config import load
    from core.config.checks import import_plugins

    try:
        return import_plugins(load(Path("plugins.toml")))
    except FrontdeskError:
        return {}  # whoever mistypes a command must not be told of mistakes in a file
