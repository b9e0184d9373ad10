"""The second step of reading plugins.toml: plugins are imported, inboxes and desks are typed."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

import msgspec

from core.config import Config, InboxConfig, warn_plain_secrets
from core.config.decode import TableReader
from core.config.lines import KeyPath
from core.config.problems import Findings, did_you_mean, listed
from core.config.secrets import Secret

_DISTRIBUTION: Final = "frontdesk"
_REQUIREMENT = re.compile(r"""(?P<name>[\w.-]+).*;.*extra\s*==\s*["'](?P<extra>[^"']+)["']""")

InboxModel = tuple[type[msgspec.Struct], str | None]
"""The struct of an inbox's own keys, and the key that must differ between two inboxes."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Typed options by name of inbox or desk, and sentences to print."""

    options: Mapping[str, msgspec.Struct]
    warnings: tuple[str, ...] = ()


def import_plugins(config: Config) -> dict[str, ModuleType]:
    """Imports each module of `plugins`, in order: its `plugin` submodule if it has one.

    Raises ConfigError for every module that is missing or fails, with the line to install an
    extra whose distributions are absent; those are looked up, their SDKs are not imported.
    """
    findings = Findings(str(config.path), config.lines)
    modules = {}
    for index, name in enumerate(config.frontdesk.plugins):
        path: KeyPath = ("frontdesk", "plugins", index)
        missing = _missing_distributions(name)
        if missing:
            extra = name.rpartition(".")[2]
            sentence = f"{name} needs {listed(missing)}, not installed"
            hint = f"Run .venv/bin/pip install '{_DISTRIBUTION}[{extra}]'"
            findings.add(path, sentence, hint)
            continue
        module = _import(name, path, findings)
        if module is not None:
            modules[name] = module
    findings.stop_if_any()
    return modules


def check_inboxes(
    config: Config,
    channels: Mapping[str, InboxModel],
    *,
    env: Mapping[str, str] | None = None,
) -> Checked:
    """Reads every inbox's options into its channel's struct; raises ConfigError.

    `channels` maps each registered channel to its struct and to the option by which its provider
    addresses an inbox (None or "" when each inbox has its own URL); two inboxes of a channel
    must not share a value of it.
    """
    findings, tables = _reading(config, env)
    options: dict[str, msgspec.Struct] = {}
    taken: dict[tuple[str, object], str] = {}
    for inbox in config.inboxes.values():
        if inbox.channel not in channels:
            _unregistered(inbox, config, frozenset(channels), findings)
            continue
        model, route = channels[inbox.channel]
        read = tables.read(dict(inbox.options), model, ("inboxes", inbox.name))
        if read is not None:
            options[inbox.name] = read
            _check_route(inbox, read, route, taken, findings)
    return _checked(config, options, tables, findings)


def check_desks(
    config: Config,
    desks: Mapping[str, type[msgspec.Struct]],
    *,
    env: Mapping[str, str] | None = None,
) -> Checked:
    """Reads every desk's options into the struct it registered; raises ConfigError."""
    findings, tables = _reading(config, env)
    options: dict[str, msgspec.Struct] = {}
    for desk in config.desks.values():
        path: KeyPath = ("desks", desk.name)
        if desk.name not in desks:
            hint = _hint_to_enable(f"handoff.{desk.name}", config)
            findings.add(path, "no plugin registers this desk", hint)
            continue
        read = tables.read(dict(desk.options), desks[desk.name], path)
        if read is not None:
            options[desk.name] = read
    return _checked(config, options, tables, findings)


def _reading(config: Config, env: Mapping[str, str] | None) -> tuple[Findings, TableReader]:
    findings = Findings(str(config.path), config.lines)
    folder = config.path.resolve().parent
    return findings, TableReader(findings, folder=folder, env=os.environ if env is None else env)


def _checked(
    config: Config, options: dict[str, msgspec.Struct], tables: TableReader, findings: Findings
) -> Checked:
    findings.stop_if_any()
    warn_plain_secrets(config.path, tables.plain_secrets, findings)
    return Checked(options=MappingProxyType(options), warnings=tuple(findings.warnings))


def _unregistered(
    inbox: InboxConfig, config: Config, channels: frozenset[str], findings: Findings
) -> None:
    otherwise = _hint_to_enable(f"plugins.{inbox.channel}", config)
    hint = did_you_mean(inbox.channel, channels, otherwise)
    if _is_module(f"plugins.{inbox.channel}"):
        hint = otherwise
    sentence = f'no plugin registers the channel "{inbox.channel}"'
    findings.add(("inboxes", inbox.name, "channel"), sentence, hint)


def _hint_to_enable(module: str, config: Config) -> str:
    if module in config.frontdesk.plugins:
        return f"{module} is enabled but does not register it"
    if _is_module(module):
        return f'Add "{module}" to plugins in [frontdesk]'
    return "Add the plugin that brings it to plugins in [frontdesk]"


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _check_route(
    inbox: InboxConfig,
    options: msgspec.Struct,
    route: str | None,
    taken: dict[tuple[str, object], str],
    findings: Findings,
) -> None:
    value = getattr(options, route) if route else None
    for single in value if isinstance(value, Secret) else (value,):
        if single is None:
            continue
        other = taken.setdefault((inbox.channel, single), inbox.name)
        if other != inbox.name:
            sentence = f"is the same as in the inbox {other}"
            hint = "Each inbox needs its own, or a customer's message would have two places"
            findings.add(("inboxes", inbox.name, str(route)), sentence, hint)
            return


def _missing_distributions(plugin: str) -> frozenset[str]:
    """What the extra named like the plugin asks for and this Python does not have."""
    extra = plugin.rpartition(".")[2]
    try:
        requirements = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return frozenset()
    if not plugin.startswith(("plugins.", "handoff.")):
        return frozenset()
    found = (_REQUIREMENT.match(requirement) for requirement in requirements)
    wanted = {match["name"] for match in found if match and match["extra"] == extra}
    return frozenset(name for name in wanted if not _is_installed(name))


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _import(name: str, path: KeyPath, findings: Findings) -> ModuleType | None:
    try:
        module = importlib.import_module(name)
        if hasattr(module, "__path__") and importlib.util.find_spec(f"{name}.plugin"):
            return importlib.import_module(f"{name}.plugin")
    except ModuleNotFoundError as error:
        _not_found(name, error.name or "", path, findings)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        sentence = f"{name} failed while it was imported ({_where(error)})"
        findings.add(path, sentence, "Mend the plugin, or take it out of plugins")
    else:
        return module
    return None


def _not_found(name: str, missing: str, path: KeyPath, findings: Findings) -> None:
    if missing == name or name.startswith(f"{missing}."):
        hint = did_you_mean(name, _own_plugins(), "Install the package that brings it")
        findings.add(path, f"there is no module {name}", hint)
        return
    hint = f"Run .venv/bin/pip install {missing.partition('.')[0]}"
    findings.add(path, f"{name} needs the module {missing}, not installed", hint)


def _own_plugins() -> list[str]:
    """The plugins that ship with us, by their folders."""
    names = ["handoff"]
    for package in ("plugins", "handoff"):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            files = Path(folder).glob("[a-z]*/__init__.py")
            names += [f"{package}.{file.parent.name}" for file in files]
    return names


def _where(error: BaseException) -> str:
    """The kind of error and its last line of code; its text may hold anything."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = Path(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} in {file}:{trace.tb_lineno}"
