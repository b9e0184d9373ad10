"""The command line: who may do what, with a running server and without."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import pytest

from core.cli.setting_up import TEMPLATE
from tests.core.command import PASSWORD, ROOT, SITE, SQLITE, Served, Site, eventually


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(params=["alone", "beside a server"])
def either(request: pytest.FixtureRequest, site: Site) -> Iterator[Site]:
    """A site whose commands open the store themselves, or ask the server that runs."""
    with nullcontext() if request.param == "alone" else site.serve():
        yield site


def test_help_is_quick_and_imports_no_store_and_no_sdk() -> None:
    heavy = ["sqlalchemy", "alembic", "psycopg", "uvicorn", "pywa", "aiohttp", "handoff.plugin"]
    code = (
        "import sys; sys.argv = ['frontdesk', '--help']\n"
        "from core.cli import main\n"
        "try: main()\n"
        f"except SystemExit: print('LOADED', [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout
    for name in ("init", "serve", "demo", "check", "agent", "token", "replay", "why"):
        assert f" {name} " in done.stdout


def test_the_template_is_the_shipped_file() -> None:
    assert TEMPLATE.read_text() == (ROOT / "plugins.toml").read_text()


def test_init_makes_the_file_the_key_and_the_first_admin(tmp_path: Path) -> None:
    site = Site(tmp_path, text=None, key=False)
    refused = site.run("init", code=1)
    assert "--email" in refused.err
    ran = site.run(
        "init", "--email", "Boss@Acme.Example", "--password-stdin", stdin=PASSWORD + "\n"
    )
    assert "boss@acme.example" in ran.out
    assert (tmp_path / "plugins.toml").read_text() == TEMPLATE.read_text()
    for name in ("plugins.toml", "var/secret_key", "var/frontdesk.db"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    (boss,) = site.run("agent", "list", "--json").json
    assert (boss["role"], boss["status"]) == ("admin", "offline")

    key = (tmp_path / "var/secret_key").read_text()
    (tmp_path / "plugins.toml").write_text(TEMPLATE.read_text() + "# mine\n")
    again = site.run("init")
    assert "There is an admin" in again.out
    assert (tmp_path / "plugins.toml").read_text().endswith("# mine\n")
    assert (tmp_path / "var/secret_key").read_text() == key


def test_the_first_admin_is_authorised_everywhere(site: Site) -> None:
    site.run("init", "--email", "boss@acme.example", "--password-stdin", stdin=PASSWORD + "\n")
    (boss,) = site.run("agent", "list", "--json").json
    assert boss["inboxes"] == ["blue-wa", "wa"]


@pytest.mark.slow
def test_agents_are_added_authorised_and_disabled(either: Site) -> None:
    either.add("ann@acme.example", "--name", "Ann", "--role", "supervisor", "--inbox", "wa")
    either.run("agent", "add", "bob@acme.example")
    either.run("agent", "authorise", "bob@acme.example", "--product", "blue")
    either.run("agent", "authorise", "ann@acme.example", "--all")
    either.run("agent", "authorise", "ann@acme.example", "--inbox", "wa", "--remove")
    either.run("agent", "disable", "bob@acme.example")
    found = {one["email"]: one for one in either.run("agent", "list", "--json").json}
    assert found["ann@acme.example"]["inboxes"] == ["blue-wa"]
    assert found["ann@acme.example"]["role"] == "supervisor"
    assert found["bob@acme.example"]["inboxes"] == ["blue-wa"]
    assert found["bob@acme.example"]["disabled"] is True
    assert "bob@acme.example" in either.run("agent", "list").out


REFUSALS = [
    ("agent add bob@acme.example", "There is an agent with this e-mail."),
    ("agent add nobody", "This is not an e-mail address."),
    ("agent add x@y.example --inbox gone", "There is no inbox 'gone'."),
    ("agent add x@y.example --product gone", "There is no product gone"),
    ("agent add x@y.example --role king", "A role is one of"),
    ("agent authorise who@acme.example --all", "There is no agent who@"),
    ("agent authorise bob@acme.example", "Say which"),
    ("agent password bob@acme.example --password-stdin", "at least 10 characters"),
    ("token create who@acme.example", "There is no agent who@"),
    ("why gone", "There is no conversation gone."),
    ("replay gone", "There is no kept body gone."),
    ("replay", "Name one body, or --all."),
    ("replay x --all", "Name one body, or --all."),
]


def refuse_all(site: Site, refusals: list[tuple[str, str]]) -> None:
    for command, sentence in refusals:
        ran = site.run(*command.split(), stdin="short\n", code=1)
        assert sentence in ran.err, command
        assert len(ran.err.splitlines()) == 1, ran.err
        assert ran.out == ""


@pytest.mark.slow
def test_refusals_are_one_sentence(site: Site) -> None:
    site.run("agent", "add", "bob@acme.example")
    refuse_all(site, REFUSALS[-6:])
    with site.serve():
        refuse_all(site, REFUSALS)


@pytest.mark.slow
def test_a_token_acts_as_its_agent_until_the_password_changes(site: Site) -> None:
    site.add("ann@acme.example", "--all")
    early = site.token("ann@acme.example")
    with site.serve() as server:
        late = site.token("ann@acme.example")
        for token in (early, late):
            status, me = server.get("/api/v1/me", token)
            assert (status, me["email"]) == (200, "ann@acme.example")
        assert server.get("/api/v1/me", "wrong")[0] == 401
        site.run(
            "agent", "password", "ann@acme.example", "--password-stdin", stdin=PASSWORD + "2\n"
        )
        for token in (early, late):
            eventually(partial(refuses, server, token))


def refuses(server: Served, token: str) -> bool:
    return server.get("/api/v1/me", token)[0] == 401


def test_a_second_process_on_sqlite_is_refused(site: Site) -> None:
    with site.serve() as server:
        ran = site.run("serve", "--port", "0", code=2)
        assert "Another Frontdesk has this database open" in ran.err
        assert str(server.process.pid) in ran.err
        assert server.get("/readyz")[0] == 200
    many = site.run("serve", "--workers", "2", code=2)
    assert "--workers 2 needs PostgreSQL" in many.err


def test_a_busy_port_is_named(site: Site) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ran = site.run("serve", "--port", port, code=2)
    assert f"Port {port} on 127.0.0.1" in ran.err
    assert "--port" in ran.err
    assert "in use" in ran.err
    assert "no address" in site.run("serve", "--host", "203.0.113.77.example", code=2).err


def test_the_socket_is_its_owners_only_and_goes_with_the_server(site: Site) -> None:
    place = site.folder / "var/frontdesk.db.sock"
    with site.serve() as server:
        mode = place.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert server.stop() == 0
    assert not place.exists()


def test_a_socket_left_by_a_killed_server_is_in_nobodys_way(site: Site) -> None:
    place = site.folder / "var/frontdesk.db.sock"
    with site.serve() as server:
        server.stop(signal.SIGKILL)
    assert place.exists()
    site.add("ann@acme.example")
    with site.serve():
        assert [one["email"] for one in site.run("agent", "list", "--json").json] == [
            "ann@acme.example"
        ]


def test_a_deep_folder_is_no_obstacle(tmp_path: Path) -> None:
    """A socket's path has at most 107 bytes; a database's has no such bound."""
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    site = Site(folder)
    with site.serve():
        site.add("ann@acme.example")
        # The store is held by the server, so only the socket can have answered.
        assert "ann@acme.example" in site.run("agent", "list").out


def test_garbage_on_the_socket_is_refused_and_the_server_lives(site: Site) -> None:
    with site.serve() as server:
        for line in (b"{}\n", b"not json\n", b'{"ask": "shell"}\n', b"\xff\xfe\n"):
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(str(site.folder / "var/frontdesk.db.sock"))
                link.sendall(line)
                assert json.loads(link.makefile().readline())["refused"]
        assert server.get("/healthz")[0] == 200


@pytest.mark.slow
def test_a_backup_holds_what_was_accepted(either: Site) -> None:
    either.add("ann@acme.example", "--all")
    first = either.run("backup")
    target = Path(first.out.split("Wrote ")[1].split(" (")[0])
    assert target.parent == either.folder / "var/backups"
    either.run("backup", "copy.db")
    assert "exists" in either.run("backup", "copy.db", code=1).err
    for copy in (target, either.folder / "copy.db"):
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with closing(sqlite3.connect(copy)) as link:
            assert link.execute("SELECT email FROM agent").fetchall() == [("ann@acme.example",)]


@pytest.mark.slow
def test_why_says_who_got_it(site: Site) -> None:
    site.add("ann@acme.example", "--name", "Ann", "--all")
    token = site.token("ann@acme.example")
    with site.serve() as server:
        assert server.write("Hello?") == 200
        assert server.call("PUT", "/api/v1/me/status", {"status": "online"}, token=token)[0] == 200
        page = server.get("/api/v1/conversations?view=mine", token)[1]
        conversation = page["items"][0]["id"]
        beside = site.run("why", conversation).out
    assert "Ann" in beside
    assert site.run("why", conversation).out == beside
    assert site.run("why", conversation, "--json").json[-1]["sentence"] in beside


@pytest.mark.slow
def test_check_says_what_a_start_would_change(site: Site) -> None:
    assert "2 inboxes" in site.run("check").out
    new = site.run("check", "--diff").out
    assert "all of this file would be taken in" in new
    assert not site.database.exists(), "looking must not make a store"
    site.add("ann@acme.example", "--inbox", "wa")
    site.write(
        SITE.replace("{database}", SQLITE)
        .replace("[inboxes.blue-wa]", "[inboxes.azure-wa]")
        .replace('product = "blue"', 'product = "acme"')
    )
    for _ in "alone", "again":  # looking changes nothing
        lines = site.run("check", "--diff").out.splitlines()
        assert "+ inbox azure-wa (whatsapp, acme)" in lines
        assert any(line.startswith("- inbox blue-wa: detached") for line in lines)
        assert "! inbox azure-wa has no agent" in lines
        assert "! inbox wa has no agent" not in lines
    with site.serve() as server:
        assert server.get("/readyz")[0] == 200
        assert site.run("check", "--diff").out.splitlines()[1:] == ["! inbox azure-wa has no agent"]


def test_check_starts_nothing(site: Site) -> None:
    code = (
        "import sys; sys.argv = ['frontdesk', 'check']\n"
        "from core.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code)\n"
        "print('LOADED', [m for m in ('pywa', 'uvicorn', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=site.folder,
        env=site.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "LOADED []" in done.stdout
    assert not site.database.exists()


def test_plugins_and_hooks_are_listed(site: Site) -> None:
    listed = {one["plugin"]: one["hooks"] for one in site.run("plugins", "--json").json}
    assert listed["plugins.whatsapp"] == ["register_channels"]
    assert list(listed) == ["plugins.sql", "handoff", "handoff.api", "plugins.whatsapp"]
    known = {one["hook"]: one for one in site.run("hooks", "--json").json}
    assert known["register_stores"]["used_by"] == ["plugins.sql"]
    assert known["on_waiting"]["about"] == "A conversation waits for an agent."
    assert "register_channels" in site.run("hooks").out
    assert "plugins.whatsapp" in site.run("plugins").out


def test_a_plugin_of_plugins_toml_brings_a_command(site: Site) -> None:
    (site.folder / "greeter.py").write_text(
        "import typer\n"
        "from frontdesk import hookimpl\n"
        "app = typer.Typer(name='greet')\n"
        "@app.command()\n"
        "def greet(name: str) -> None: typer.echo(f'Hello {name}')\n"
        "@hookimpl\n"
        "def register_commands(): return [app]\n"
    )
    assert "No such command" in site.run("greet", "Ann", code=2).err
    text = (site.folder / "plugins.toml").read_text()
    site.write(text.replace('"plugins.whatsapp"]', '"plugins.whatsapp", "greeter"]'))
    assert site.run("greet", "Ann").out == "Hello Ann\n"


def test_addresses_are_printed(site: Site) -> None:
    with site.serve() as server:
        said = "".join(server.said)
        assert f"{server.address}/console" in said
        assert f"{server.address}/inboxes/wa/webhook" in said
