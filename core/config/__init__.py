"""Reads plugins.toml: what exists (plugins, products, inboxes, desks) and how to reach it.

Two steps. `load` reads the structure and needs no plugin. Once plugins have registered their
channels and desks, `check_inboxes` and `check_desks` (core.config.checks) read each one's own
keys into the struct it declares. Either raises one ConfigError that names every mistake.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from core.config.decode import TableReader
from core.config.lines import KeyPath, Lines, locate
from core.config.problems import ConfigError, Findings, Problem, did_you_mean, listed
from core.config.secrets import Secret, ensure_secret_key
from core.config.sections import (
    DEFAULTS,
    DeskConfig,
    FrontdeskConfig,
    InboxConfig,
    ProductConfig,
    named_tables,
    read_frontdesk,
    read_inboxes,
    read_products,
)
from core.config.urls import cookie_rules, has_password

__all__ = [
    "Config",
    "ConfigError",
    "DeskConfig",
    "FrontdeskConfig",
    "InboxConfig",
    "Problem",
    "ProductConfig",
    "Secret",
    "ensure_secret_key",
    "load",
    "warn_plain_secrets",
]

_SECTIONS: Final = ("frontdesk", "products", "inboxes", "desks")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole plugins.toml. `warnings` are whole sentences to print; `lines` place later finds."""

    path: Path
    frontdesk: FrontdeskConfig
    products: Mapping[str, ProductConfig]
    inboxes: Mapping[str, InboxConfig]
    desks: Mapping[str, DeskConfig]
    warnings: tuple[str, ...]
    lines: Lines


def load(path: Path, *, env: Mapping[str, str] | None = None, create_key: bool = False) -> Config:
    """Reads and checks the structure of the file; raises ConfigError with every mistake.

    `env` holds the variables that secrets may come from, by default the process's own.
    `create_key` makes a missing secret_key file first (demo and init).
    """
    raw, lines = _parse(path)
    findings = Findings(str(path), lines)
    folder = path.resolve().parent
    if create_key:
        _create_key(raw, folder)
    tables = TableReader(findings, folder=folder, env=os.environ if env is None else env)
    for key in raw:
        if key not in _SECTIONS:
            hint = did_you_mean(key, _SECTIONS, f"The file has {listed(_SECTIONS)}")
            findings.add((key,), "unknown section", hint)
    frontdesk = read_frontdesk(raw.get("frontdesk", {}), tables, findings, folder)
    products = read_products(named_tables(raw, "products", findings), tables, findings)
    inboxes = read_inboxes(
        named_tables(raw, "inboxes", findings), tables, findings, _names(raw, "products")
    )
    desks = {
        name: DeskConfig(name=name, options=MappingProxyType(table))
        for name, table in named_tables(raw, "desks", findings).items()
    }
    findings.stop_if_any()
    assert frontdesk is not None  # noqa: S101 - it is missing only beside a finding
    _warn(frontdesk, path, tables, findings)
    return Config(
        path=path,
        frontdesk=frontdesk,
        products=MappingProxyType(products),
        inboxes=MappingProxyType(inboxes),
        desks=MappingProxyType(desks),
        warnings=tuple(findings.warnings),
        lines=lines,
    )


def _parse(path: Path) -> tuple[dict[str, Any], Lines]:
    content, text = b"", ""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text), locate(text)
    except OSError as error:
        sentence = f"cannot be read ({error.strerror})"
        raise _unusable(path, 1, sentence, "Run .venv/bin/frontdesk init to write one") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(path, line, "is not UTF-8", "Save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _unusable(path, *_syntax(str(error), text)) from None
    except RecursionError:
        hint = "Write it with fewer brackets"
        raise _unusable(path, 1, "is nested too deeply", hint) from None


def _unusable(path: Path, line: int, sentence: str, hint: str) -> ConfigError:
    return ConfigError([Problem(file=str(path), line=line, key="", sentence=sentence, hint=hint)])


def _syntax(message: str, text: str) -> tuple[int, str, str]:
    """Line, sentence and hint of a tomllib message; its own words never quote a value."""
    words = message.partition(" (at ")[0]
    found = re.search(r"at line (\d+)", message)
    line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
    return line, f"is not TOML: {words}", "Text stands in quotes, a table's name in [brackets]"


def _create_key(raw: Mapping[str, Any], folder: Path) -> None:
    section = raw.get("frontdesk", {})
    key = section.get("secret_key", DEFAULTS["secret_key"]) if isinstance(section, dict) else None
    name = key.get("file") if isinstance(key, dict) else None
    if isinstance(name, str):
        ensure_secret_key(folder / name)


def _names(raw: Mapping[str, Any], section: str) -> frozenset[str]:
    tables = raw.get(section, {})
    return frozenset(tables) if isinstance(tables, dict) else frozenset()


def _warn(section: FrontdeskConfig, path: Path, tables: TableReader, findings: Findings) -> None:
    warning = cookie_rules(section.public_url).warning
    if warning:
        findings.warn(("frontdesk", "public_url"), warning.rstrip("."))
    if section.durability == "relaxed":
        sentence = "relaxed: a power failure may lose messages that were already accepted"
        findings.warn(("frontdesk", "durability"), sentence)
    plain = tables.plain_secrets
    if not has_password(section.database.first):
        plain = [place for place in plain if place != ("frontdesk", "database")]
    warn_plain_secrets(path, plain, findings)


def warn_plain_secrets(path: Path, plain: list[KeyPath], findings: Findings) -> None:
    """Warns of secrets that stand in the file itself while anybody may read the file."""
    if not plain or not path.stat().st_mode & 0o004:
        return
    for place in plain:
        findings.warn(place, "a secret in a file that anybody on this machine can read")
