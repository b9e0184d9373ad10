"""The commands and their options. What a command does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.group import Commands

app = typer.Typer(
    name="frontdesk",
    cls=Commands,
    help="Customers write where they already are; people answer from Slack or the console.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
agent = typer.Typer(help="Those who answer.", no_args_is_help=True)
token = typer.Typer(help="Keys of programs to the API.", no_args_is_help=True)
app.add_typer(agent, name="agent")
app.add_typer(token, name="token")

Config = Annotated[Path, typer.Option("--config", "-c", help="The file that says what exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Email = Annotated[str, typer.Argument(help="The agent's e-mail.")]
Inboxes = Annotated[list[str] | None, typer.Option("--inbox", help="An inbox; repeatable.")]
Products = Annotated[
    list[str] | None, typer.Option("--product", help="Every inbox of a product; repeatable.")
]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Level = Annotated[str, typer.Option(help="debug, info, warning or error.")]
DEFAULT = Path("plugins.toml")


@app.command()
def init(
    config: Config = DEFAULT,
    email: Annotated[str | None, typer.Option(help="The first admin's e-mail.")] = None,
    name: Annotated[str, typer.Option(help="The name customers see.")] = "",
    password_stdin: Stdin = False,
) -> None:
    """Write plugins.toml and a secret key, and make the first admin."""
    from core.cli import setting_up

    setting_up.init(config, email=email, name=name, password_stdin=password_stdin)


@app.command()
def serve(
    config: Config = DEFAULT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Default: a local public_url's port, else 8000."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes; more than one needs PostgreSQL.")
    ] = 1,
    log_level: Level = "info",
) -> None:
    """Serve for real."""
    from core.cli import serve as serving

    raise typer.Exit(serving.serve(config, host, port, workers, log_level))


@app.command(hidden=True)
def worker(
    socket: Annotated[int, typer.Option()],
    alive: Annotated[int, typer.Option()],
    config: Config = DEFAULT,
    log_level: Level = "info",
) -> None:
    """Be one of the processes of `serve --workers`."""
    from core.cli import serve as serving

    raise typer.Exit(serving.work(config, socket, alive, log_level))


@app.command()
def check(
    config: Config = DEFAULT,
    diff: Annotated[
        bool, typer.Option("--diff", help="Also say what a start would change in the store.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read plugins.toml as `serve` would, and start nothing."""
    from core.cli import looking

    looking.check(config, diff=diff, as_json=as_json)


@app.command()
def plugins(config: Config = DEFAULT, as_json: Json = False) -> None:
    """List the plugins that run, and what each brings."""
    from core.cli import looking

    looking.plugins(config, as_json=as_json)


@app.command()
def hooks(config: Config = DEFAULT, as_json: Json = False) -> None:
    """List the hooks, and which plugin uses each."""
    from core.cli import looking

    looking.hooks(config, as_json=as_json)


@agent.command("add")
def agent_add(
    email: Email,
    config: Config = DEFAULT,
    name: Annotated[str, typer.Option(help="The name customers see.")] = "",
    role: Annotated[str, typer.Option(help="agent, supervisor or admin.")] = "agent",
    inbox: Inboxes = None,
    product: Products = None,
    everywhere: Annotated[bool, typer.Option("--all", help="Every inbox.")] = False,
    slack: Annotated[str | None, typer.Option(help="The agent's Slack user id.")] = None,
    password_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Add an agent, authorised for what is named and nothing else."""
    from core.cli import agents

    agents.add(
        config,
        agents.New(
            email=email,
            name=name,
            role=role,
            names=tuple(inbox or ()),
            products=tuple(product or ()),
            everywhere=everywhere,
            slack=slack,
        ),
        password_stdin=password_stdin,
        as_json=as_json,
    )


@agent.command("list")
def agent_list(config: Config = DEFAULT, as_json: Json = False) -> None:
    """List agents: role, status, and what they are authorised for."""
    from core.cli import agents

    agents.show(config, as_json=as_json)


@agent.command("password")
def agent_password(email: Email, config: Config = DEFAULT, password_stdin: Stdin = False) -> None:
    """Set an agent's password; every session and token of his ends."""
    from core.cli import agents

    agents.password(config, email, from_stdin=password_stdin)


@agent.command("disable")
def agent_disable(email: Email, config: Config = DEFAULT) -> None:
    """Shut an agent out at once; his conversations go on with the others."""
    from core.cli import agents

    agents.disable(config, email)


@agent.command("authorise")
def agent_authorise(
    email: Email,
    config: Config = DEFAULT,
    inbox: Inboxes = None,
    product: Products = None,
    everywhere: Annotated[bool, typer.Option("--all", help="Every inbox.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the named ones away instead.")
    ] = False,
) -> None:
    """Authorise an agent for inboxes, or take them away."""
    from core.cli import agents

    agents.authorise(
        config,
        email,
        agents.Inboxes(
            names=tuple(inbox or ()), products=tuple(product or ()), everywhere=everywhere
        ),
        remove=remove,
    )


@token.command("create")
def token_create(
    email: Email,
    config: Config = DEFAULT,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make an API token that acts as this agent; it is shown this once."""
    from core.cli import agents

    agents.token(config, email, name)


@app.command()
def migrate(config: Config = DEFAULT) -> None:
    """Bring the store's schema up to date."""
    from core.cli import data

    data.migrate(config)


@app.command()
def backup(
    to: Annotated[Path | None, typer.Argument(help="The file to write; default: backups/.")] = None,
    config: Config = DEFAULT,
) -> None:
    """Copy the database while it is in use."""
    from core.cli import data

    data.backup(config, to)


@app.command()
def why(
    conversation: Annotated[str, typer.Argument(help="Its id, as in the console's address.")],
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """Say who got a conversation when, and why."""
    from core.cli import data

    data.why(config, conversation, as_json=as_json)


@app.command()
def replay(
    webhook: Annotated[str, typer.Argument(help="The id of a kept body.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that are unparsed or failed.")] = False,
    config: Config = DEFAULT,
    as_json: Json = False,
) -> None:
    """Take webhook bodies in again that could not be read or stored."""
    from core.cli import data

    data.replay(config, webhook, every=every, as_json=as_json)
