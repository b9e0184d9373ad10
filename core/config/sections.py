"""The sections of plugins.toml as typed structs, and the readers that check each of them."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from core.config.decode import TableReader
from core.config.lines import KeyPath
from core.config.problems import Findings, did_you_mean, listed
from core.config.secrets import Secret
from core.config.urls import UrlRefused, database_url, plain_url

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_KEY_LENGTH: Final = 32  # characters; 128 random bits even when written as hex digits

DEFAULTS: Final[Mapping[str, object]] = {
    "public_url": "http://127.0.0.1:8000",
    "database": "sqlite:///var/frontdesk.db",
    "files": "var/files",
    "secret_key": {"file": "var/secret_key"},
}
"""What [frontdesk] holds when it does not say, as it would stand in the file."""


class FrontdeskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [frontdesk]. `database.first` is an address with an absolute path.

    `bus` is `auto` or the name of a registered bus. `secret_key.first` signs, all verify.
    """

    public_url: str
    database: Secret
    bus: str = "auto"
    files: Path
    files_url: str | None = None
    durability: Literal["full", "relaxed"] = "full"
    secret_key: Secret
    plugins: tuple[str, ...]


class ProductConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One [products.<name>]; `title` is what people read, `timezone` an IANA name."""

    name: str
    title: str
    timezone: str


class InboxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One [inboxes.<name>]. `was`: its former names. `options`: raw, its channel reads them."""

    name: str
    channel: str
    product: str
    was: tuple[str, ...] = ()
    options: Mapping[str, Any]


class DeskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One [desks.<name>]; the desk reads its raw `options`."""

    name: str
    options: Mapping[str, Any]


class _Product(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    timezone: str = "UTC"


class _Inbox(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    product: str
    was: tuple[str, ...] = ()


def read_frontdesk(
    raw: object, tables: TableReader, findings: Findings, folder: Path
) -> FrontdeskConfig | None:
    whole = {**DEFAULTS, **raw} if isinstance(raw, dict) else raw
    section = tables.read(whole, FrontdeskConfig, ("frontdesk",))
    if section is None:
        return None
    _check_plugins(section.plugins, findings)
    if any(len(value) < _KEY_LENGTH for value in section.secret_key):
        hint = "Name a file that does not exist yet and run .venv/bin/frontdesk init"
        sentence = f"is shorter than {_KEY_LENGTH} characters"
        findings.add(("frontdesk", "secret_key"), sentence, hint)

    def url(key: str, check: Callable[[str], str], value: str) -> str:
        try:
            return check(value)
        except UrlRefused as refused:
            findings.add(("frontdesk", key), refused.sentence, refused.hint)
            return ""

    files_url = section.files_url
    database = url("database", lambda value: database_url(value, folder), section.database.first)
    return msgspec.structs.replace(
        section,
        public_url=url("public_url", plain_url, section.public_url),
        database=Secret(database),
        files_url=None if files_url is None else url("files_url", plain_url, files_url),
    )


def _check_plugins(plugins: tuple[str, ...], findings: Findings) -> None:
    path: KeyPath = ("frontdesk", "plugins")
    if not plugins:
        findings.add(path, "is empty", 'At least a store is needed: ["plugins.sql"]')
    for index, module in enumerate(plugins):
        if not _MODULE.fullmatch(module):
            hint = 'Write the module with dots, as in "plugins.whatsapp"'
            findings.add((*path, index), "is not the name of a Python module", hint)
        elif module in plugins[:index]:
            findings.add((*path, index), f"names {module} twice", "Remove one of them")


def named_tables(
    raw: Mapping[str, Any], section: str, findings: Findings
) -> dict[str, dict[str, Any]]:
    """The tables of a section that maps names to tables; others are noted and left out."""
    tables = raw.get(section, {})
    if not isinstance(tables, dict):
        findings.add((section,), "must hold tables", f"Write [{section}.name]")
        return {}
    usable = {}
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            hint = "Use a-z, 0-9, - and _, at most 64; it stands in addresses and never changes"
            findings.add((section, name), "is not a usable name", hint)
        elif not isinstance(table, dict):
            findings.add((section, name), "must be a table", f"Write [{section}.name] above it")
        else:
            usable[name] = table
    return usable


def read_products(
    raw: Mapping[str, dict[str, Any]], tables: TableReader, findings: Findings
) -> dict[str, ProductConfig]:
    products = {}
    for name, table in raw.items():
        read = tables.read(table, _Product, ("products", name))
        if read is None:
            continue
        _check_timezone(read.timezone, ("products", name, "timezone"), findings)
        products[name] = ProductConfig(name=name, title=read.name, timezone=read.timezone)
    return products


def _check_timezone(timezone: str, path: KeyPath, findings: Findings) -> None:
    try:
        zoneinfo.ZoneInfo(timezone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        known = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
        near = difflib.get_close_matches(timezone.lower(), known, n=1)
        hint = f'Did you mean "{known[near[0]]}"?' if near else 'Write it like "Europe/Istanbul"'
        findings.add(path, "is not a known time zone", hint)


def read_inboxes(
    raw: Mapping[str, dict[str, Any]],
    tables: TableReader,
    findings: Findings,
    products: frozenset[str],
) -> dict[str, InboxConfig]:
    inboxes: dict[str, InboxConfig] = {}
    for name, table in raw.items():
        own = {key: value for key, value in table.items() if key in _Inbox.__struct_fields__}
        read = tables.read(own, _Inbox, ("inboxes", name))
        if read is None:
            continue
        if read.product not in products:
            hint = did_you_mean(read.product, products, f"Known products: {listed(products)}")
            findings.add(("inboxes", name, "product"), "names no product of this file", hint)
        options = {key: value for key, value in table.items() if key not in own}
        inboxes[name] = InboxConfig(
            name=name,
            channel=read.channel,
            product=read.product,
            was=read.was,
            options=MappingProxyType(options),
        )
    _check_former_names(inboxes, frozenset(raw), findings)
    return inboxes


def _check_former_names(
    inboxes: Mapping[str, InboxConfig], present: frozenset[str], findings: Findings
) -> None:
    taken: dict[str, str] = {}
    for inbox in inboxes.values():
        for index, former in enumerate(inbox.was):
            path: KeyPath = ("inboxes", inbox.name, "was", index)
            if former in present:
                findings.add(path, "names an inbox that still exists", "Remove one of the two")
            elif former in taken:
                hint = "Only one inbox can continue a former one"
                findings.add(path, f"is also a former name of {taken[former]}", hint)
            taken.setdefault(former, inbox.name)
