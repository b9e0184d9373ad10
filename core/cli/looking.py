"""`frontdesk check`, `plugins` and `hooks`: what the file says, without starting anything."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from core import hookspecs
from core.cli import say
from core.config import Config, load
from core.config.checks import check_inboxes, import_plugins
from core.guard import beside
from core.hooks import Hooks, hook_names


def read(path: Path) -> tuple[Config, dict[str, ModuleType], Hooks, list[str]]:
    """Read the file as far as it goes without a store; the last are sentences worth printing."""
    with say.starting():
        config = load(path)
        modules = import_plugins(config)
        hooks = Hooks(modules)
        channels = {one.name: (one.config, one.route or None) for one in hooks.channels()}
        checked = check_inboxes(config, channels)
    return config, modules, hooks, [*config.warnings, *checked.warnings]


def check(path: Path, *, diff: bool, as_json: bool) -> None:
    """Say what is wrong, or that all is well."""
    config, modules, _, warnings = read(path)
    changes = differences(path, config) if diff else None
    if as_json:
        found: dict[str, Any] = {"ok": True, "warnings": warnings}
        say.as_json(found if changes is None else {**found, "changes": changes})
        return
    for sentence in warnings:
        say.warn(f"Warning: {sentence}")
    count = (
        f"{len(modules)} plugins, {len(config.products)} products, {len(config.inboxes)} inboxes"
    )
    say.line(f"{path} is right: {count}.")
    if changes is not None:
        for sentence in changes or ["A start would change nothing in the store."]:
            say.line(sentence)


def differences(path: Path, config: Config) -> list[str]:
    """Return what a start would change in the store, one sentence each."""
    stands = standing(path, config)
    if stands is None:
        return ["The store is new or of an earlier release: all of this file would be taken in."]
    known: dict[str, list[str]] = stands["inboxes"]
    said = [f"+ product {name}" for name in config.products if name not in stands["products"]]
    for inbox in config.inboxes.values():
        was = known.get(inbox.name)
        now = [inbox.product, inbox.channel, "attached"]
        if was is None:
            said.append(f"+ inbox {inbox.name} ({inbox.channel}, {inbox.product})")
        elif list(was) != now:
            said.append(f"~ inbox {inbox.name}: {' '.join(was)} -> {' '.join(now)}")
    for name, (_, _, state) in known.items():
        if name not in config.inboxes and state == "attached":
            said.append(f"- inbox {name}: detached; its archive stays, nothing is sent or taken in")
    lonely = [name for name in stands["without_agent"] if name in config.inboxes]
    lonely += [name for name in config.inboxes if name not in known]
    return said + [f"! inbox {name} has no agent" for name in lonely]


def standing(path: Path, config: Config) -> dict[str, Any] | None:
    """Return what the store holds; None when looking would change its schema."""
    from core.cli.store import NoServer, ask, over_socket
    from core.ops import Standing
    from core.stores import store_kind

    with say.refusing():
        try:
            found: dict[str, Any] = over_socket(beside(config).socket, Standing(), lambda _: None)
        except NoServer:
            pass
        else:
            return found
    url = config.frontdesk.database.first
    with say.starting():
        if not store_kind(Hooks(import_plugins(config)), url).is_current(url):
            return None
    answer: dict[str, Any] = ask(path, Standing())
    return answer


def plugins(path: Path, *, as_json: bool) -> None:
    """List plugins in the order they are asked."""
    _, modules, hooks, _ = read(path)
    uses = hooks.implementations()
    found = [
        {
            "plugin": name,
            "about": first_line(module),
            "hooks": [hook for hook in hook_names() if name in uses[hook]],
        }
        for name, module in modules.items()
    ]
    if as_json:
        say.as_json(found)
        return
    rows = [[str(one["plugin"]), ", ".join(one["hooks"]) or "-"] for one in found]
    say.table(["PLUGIN", "HOOKS"], rows)


def hooks(path: Path, *, as_json: bool) -> None:
    """List hooks in the order of core/hookspecs.py."""
    _, _, known, _ = read(path)
    uses = known.implementations()
    found = [
        {"hook": name, "about": first_line(getattr(hookspecs, name)), "used_by": uses[name]}
        for name in hook_names()
    ]
    if as_json:
        say.as_json(found)
        return
    rows = [[str(o["hook"]), ", ".join(o["used_by"]) or "-", str(o["about"])] for o in found]
    say.table(["HOOK", "USED BY", "WHAT"], rows)


def first_line(what: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(what) or "").partition("\n")[0]
