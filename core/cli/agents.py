"""`frontdesk agent ...` and `frontdesk token create`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import typer

from core.cli import say
from core.cli.store import ask
from core.config import load
from core.models.people import Role
from core.ops import AddAgent, Agents, ChangeAgent, MakeToken
from core.ports.workplace import AgentPatch, NewAgent

ROLES: tuple[Role, ...] = ("agent", "supervisor", "admin")


class Inboxes(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is authorised for: inboxes by name, by product, or all."""

    names: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    everywhere: bool = False


class New(Inboxes, frozen=True, kw_only=True):
    """An agent as the command line names him."""

    email: str
    name: str = ""
    role: str = "agent"
    slack: str | None = None


def add(config: Path, new: New, *, password_stdin: bool, as_json: bool) -> None:
    """Add an agent."""
    role = next((one for one in ROLES if one == new.role), None)
    if role is None:
        say.stop(f"A role is one of {', '.join(ROLES)}.")
    asked = AddAgent(
        new=NewAgent(
            email=new.email,
            name=new.name,
            role=role,
            inboxes=named(config, new),
            password=read_password(new.email) if password_stdin else None,
        ),
        everywhere=new.everywhere,
    )
    added = ask(config, asked)
    if new.slack:
        ask(config, ChangeAgent(email=new.email, patch=AgentPatch(slack_user=new.slack)))
    if as_json:
        say.as_json(added)
        return
    say.line(f"Added {added['name']} <{added['email']}>, {added['role']}.")
    tell_inboxes(added)
    if not password_stdin:
        say.line(f"Without a password yet: {say.COMMAND} agent password {added['email']}")


def show(config: Path, *, as_json: bool) -> None:
    """List all."""
    agents = ask(config, Agents())
    if as_json:
        say.as_json(agents)
        return
    if not agents:
        say.line(f"There are no agents. Make the first admin: {say.COMMAND} init")
        return
    rows = [
        [
            one["email"],
            one["name"],
            one["role"],
            "disabled" if one["disabled"] else one["status"],
            ", ".join(one["inboxes"]) or "-",
        ]
        for one in agents
    ]
    say.table(["E-MAIL", "NAME", "ROLE", "STATUS", "INBOXES"], rows)


def password(config: Path, email: str, *, from_stdin: bool) -> None:
    """Set a password."""
    given = read_password(email) if from_stdin else ask_password()
    changed = ask(config, ChangeAgent(email=email, patch=AgentPatch(password=given)))
    say.line(f"The password of {changed['email']} is set; earlier sessions and tokens have ended.")


def disable(config: Path, email: str) -> None:
    """Shut an agent out."""
    changed = ask(config, ChangeAgent(email=email, patch=AgentPatch(disabled=True)))
    say.line(f"{changed['email']} is disabled.")


def authorise(config: Path, email: str, inboxes: Inboxes, *, remove: bool) -> None:
    """Give or take inboxes."""
    names = named(config, inboxes)
    if not names and not inboxes.everywhere:
        say.stop("Say which: --inbox NAME, --product NAME or --all.")
    if not remove:
        asked = ChangeAgent(email=email, add=names, everywhere=inboxes.everywhere)
    elif inboxes.everywhere:
        asked = ChangeAgent(email=email, patch=AgentPatch(inboxes=()))
    else:
        asked = ChangeAgent(email=email, remove=names)
    tell_inboxes(ask(config, asked))


def token(config: Path, email: str, name: str) -> None:
    """Print a new token, and nothing else on standard output."""
    made = ask(config, MakeToken(email=email, name=name))
    say.warn("This token is shown this once. It ends when the agent's password changes.")
    say.line(made)


def tell_inboxes(agent: dict[str, Any]) -> None:
    """Say what an agent is authorised for."""
    names = ", ".join(agent["inboxes"])
    say.line(f"Authorised for: {names or 'nothing yet'}.")


def named(config: Path, inboxes: Inboxes) -> tuple[str, ...]:
    """Return the inboxes named, those of the products named among them."""
    if not inboxes.products:
        return inboxes.names
    with say.starting():
        read = load(config)
    for product in inboxes.products:
        if product not in read.products:
            say.stop(f"There is no product {product} in {config}.")
    more = [one.name for one in read.inboxes.values() if one.product in inboxes.products]
    return tuple(dict.fromkeys((*inboxes.names, *more)))


def ask_password() -> str:
    """Ask for a new password, twice, unseen."""
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def read_password(email: str) -> str:
    """Read a password from the first line of standard input."""
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        say.stop(f"Standard input held no password for {email}.")
    return given
