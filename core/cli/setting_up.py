"""`frontdesk init`: the file, the key, the schema, the first admin."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from core.cli import say
from core.cli.agents import ask_password, read_password, tell_inboxes
from core.cli.data import migrate
from core.cli.store import ask
from core.config import load
from core.ops import AddAgent, Agents
from core.ports.workplace import NewAgent

TEMPLATE = Path(__file__).with_name("plugins.toml")
"""The same as plugins.toml at the root of the repository; a test compares them."""


def init(config: Path, *, email: str | None, name: str, password_stdin: bool) -> None:
    """Make what is missing; what exists stays."""
    write_config(config)
    with say.starting():
        load(config, create_key=True)
    migrate(config, quiet=True)
    admins = [one for one in ask(config, Agents()) if one["role"] == "admin"]
    if admins and email is None:
        say.line(f"There is an admin: {admins[0]['email']}. More: {say.COMMAND} agent add")
    else:
        add_admin(config, email=email, name=name, password_stdin=password_stdin)
    say.line()
    say.line("Next:")
    say.line(f"  1. Name your products and inboxes in {config} (README.md shows WhatsApp).")
    say.line(f"  2. {say.COMMAND} check")
    say.line(f"  3. {say.COMMAND} serve")
    say.line(f"  4. {say.COMMAND} agent authorise EMAIL --all   after each new inbox")


def write_config(config: Path) -> None:
    """Write the file unless it exists."""
    if config.exists():
        say.line(f"{config} exists and stays as it is.")
        return
    with say.starting():
        config.parent.mkdir(parents=True, exist_ok=True)
        # 0600: people do put secrets into it.
        config.touch(mode=0o600, exist_ok=False)
        config.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    say.line(f"Wrote {config}.")


def add_admin(config: Path, *, email: str | None, name: str, password_stdin: bool) -> None:
    """Make an admin authorised for every inbox there is."""
    if email is None and not sys.stdin.isatty():
        say.stop("Nobody can be asked here: give --email and --password-stdin.")
    email = email or str(typer.prompt("The first admin's e-mail"))
    given = read_password(email) if password_stdin else ask_password()
    new = NewAgent(email=email, name=name, role="admin", password=given)
    added = ask(config, AddAgent(new=new, everywhere=True))
    say.line(f"Added {added['name']} <{added['email']}>, admin.")
    tell_inboxes(added)
