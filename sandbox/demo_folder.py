"""The folder of a demo: its plugins.toml, its passwords, and how it is wiped."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import Final

import msgspec

from core.errors import FrontdeskError
from core.guard import Lock

MARK: Final = "# A demo of Frontdesk, written by `frontdesk demo`. Everything in it is simulated."
_FILE: Final = """\
{mark}
# Change what you like: it stays until `frontdesk demo --reset`. Only public_url and api_base are
# set anew at each start, to the ports that are free then.

[frontdesk]
public_url = "{public_url}"
database   = "sqlite:///frontdesk.db"
files      = "files"
secret_key = {{ file = "secret_key" }}
plugins = ["plugins.sql", "handoff", "handoff.api", "handoff.console", "plugins.whatsapp"]

[products.lantern]
name = "Lantern Lamps"
timezone = "Europe/Istanbul"

[products.kestrel]
name = "Kestrel Bikes"
timezone = "Europe/Berlin"

[inboxes.lantern-wa]
channel = "whatsapp"
product = "lantern"
phone_number_id = "100000000000001"
access_token = "simulated-{token}-1"
app_secret   = "{secret}"
verify_token = "simulated"
api_base     = "{api_base}"

[inboxes.kestrel-wa]
channel = "whatsapp"
product = "kestrel"
phone_number_id = "100000000000002"
access_token = "simulated-{token}-2"
app_secret   = "{secret}"
verify_token = "simulated"
api_base     = "{api_base}"
"""
_PUBLIC_URL: Final = re.compile(r'^(\s*public_url\s*=\s*)"[^"]*"', re.MULTILINE)
_API_BASE: Final = re.compile(r'^(\s*api_base\s*=\s*)"[^"]*"', re.MULTILINE)
_PORT: Final = re.compile(r'^\s*api_base\s*=\s*"http://127\.0\.0\.1:(\d+)"', re.MULTILINE)
_WORDS: Final = (
    *("amber", "birch", "cedar", "comet", "coral", "delta", "ember", "fjord", "grove", "harbor"),
    *("indigo", "jasper", "kayak", "lagoon", "maple", "nectar", "ocean", "pebble", "quartz"),
    *("river", "saffron", "tundra", "velvet", "willow", "zephyr"),
)


class NotOurs(FrontdeskError):
    """The folder holds something else than a demo, or one that runs."""


class Folder:
    """One demo's files. Everything in it may be thrown away."""

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self.path = path
        self.config = path / "plugins.toml"
        self._logins = path / "logins.json"

    def wipe(self) -> None:
        """Remove it; refuse when it runs, or is no demo's."""
        if not self.path.exists():
            return
        if any(self.path.iterdir()) and not self._is_ours():
            raise NotOurs(f"{self.path} holds no demo and is left alone.")
        self.need_free()
        shutil.rmtree(self.path)

    def need_free(self) -> None:
        """Refuse while a demo runs on it: its addresses must not change under it."""
        lock = Lock(self.path / "frontdesk.db.lock")
        if not lock.take():
            raise NotOurs(f"A demo runs on {self.path} (process {lock.holder()}). Stop it first.")
        lock.release()

    def graph_port(self) -> int:
        """Return the simulator's port of the last time, 0 for any."""
        found = _PORT.search(self.config.read_text()) if self.config.exists() else None
        return int(found[1]) if found else 0

    def write(self, *, public_url: str, api_base: str) -> None:
        """Write plugins.toml, or set the addresses in the one that is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self.config.exists():
            text = self.config.read_text()
            text = _PUBLIC_URL.sub(rf'\1"{public_url}"', text)
            text = _API_BASE.sub(rf'\1"{api_base}"', text)
        else:
            text = _FILE.format(
                mark=MARK,
                public_url=public_url,
                api_base=api_base,
                token=secrets.token_hex(4),
                secret=secrets.token_hex(16),
            )
        self.config.write_text(text)

    def password(self, email: str) -> str:
        """Return the password of a demo agent, the same each time."""
        known: dict[str, str] = {}
        if self._logins.exists():
            known = msgspec.json.decode(self._logins.read_bytes(), type=dict[str, str])
        if email not in known:
            known[email] = "-".join(secrets.choice(_WORDS) for _ in range(3))
            self._logins.write_bytes(msgspec.json.format(msgspec.json.encode(known)))
            self._logins.chmod(0o600)
        return known[email]

    def _is_ours(self) -> bool:
        return self.config.exists() and self.config.read_text().startswith(MARK)
