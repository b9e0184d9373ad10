"""Whatever is wrong before a start: `serve` ends with 2, names the place, opens nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.core.command import SITE, Ran, Site

CANARY = "CANARY-secret-value"
GOOD = SITE.replace("{database}", "sqlite:///var/frontdesk.db").replace(
    "access-token-of-the-test", CANARY
)

# Python runs it at every start: it writes down each port that is opened.
WITNESS = """
import sys
def look(event, arguments):
    if event == "socket.bind" and isinstance(arguments[1], tuple):
        open("bound", "a").write(str(arguments[1]))
sys.addaudithook(look)
"""

# name -> (text, what the line of the mistake holds, its key, what the hint holds)
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "not toml": (
        GOOD.replace("[products.acme]", "[products.acme"),
        "[products.acme",
        "",
        "bracket",
    ),
    "unknown section": (GOOD + "[inbox.x]\n", "[inbox.x]", "inbox", "inboxes"),
    "unknown key": (
        GOOD.replace("[frontdesk]", '[frontdesk]\npublic_uri = "x"'),
        "public_uri",
        "frontdesk.public_uri",
        "public_url",
    ),
    "wrong type": (GOOD.replace('name = "Acme"', "name = 5"), "name = 5", "products.acme.name", ""),
    "missing key": (
        GOOD.replace('verify_token = "verify-token-of-the-test"\n', "", 1),
        "[inboxes.wa]",
        "inboxes.wa",
        "verify_token",
    ),
    "misspelt key of a channel": (
        GOOD.replace("phone_number_id", "phone_number", 1),
        'phone_number = "111"',
        "inboxes.wa",
        "phone_number_id",
    ),
    "refused by the channel": (
        GOOD.replace('"111"', '"+49 111"'),
        '"+49 111"',
        "inboxes.wa.phone_number_id",
        "Mend this value",
    ),
    "variable not set": (
        GOOD.replace(f'"{CANARY}"', '{ env = "NO_SUCH_TOKEN" }', 1),
        "NO_SUCH_TOKEN",
        "inboxes.wa.access_token",
        "file",
    ),
    "secret where a variable's name belongs": (
        GOOD.replace(f'"{CANARY}"', f'{{ env = "{CANARY}" }}', 1),
        "env =",
        "inboxes.wa.access_token",
        "ACME_WA_TOKEN",
    ),
    "secret file missing": (
        GOOD.replace(f'"{CANARY}"', '{ file = "gone" }', 1),
        "gone",
        "inboxes.wa.access_token",
        "folder of this file",
    ),
    "empty secret": (GOOD.replace(f'"{CANARY}"', '""', 1), '""', "inboxes.wa.access_token", "env"),
    "unknown product": (
        GOOD.replace('product = "blue"', 'product = "bleu"'),
        "bleu",
        "inboxes.blue-wa.product",
        "blue",
    ),
    "unknown channel": (
        GOOD.replace('channel = "whatsapp"', 'channel = "whatsap"', 1),
        '"whatsap"',
        "inboxes.wa.channel",
        "",
    ),
    "channel not enabled": (
        GOOD.replace(', "plugins.whatsapp"]', "]"),
        'channel = "whatsapp"',
        "inboxes.wa.channel",
        "plugins.whatsapp",
    ),
    "two inboxes with one number": (
        GOOD.replace('"222"', '"111"'),
        'phone_number_id = "111"',
        "inboxes.blue-wa.phone_number_id",
        "Each inbox",
    ),
    "no such plugin": (
        GOOD.replace('"plugins.whatsapp"]', '"plugins.whatsap"]'),
        "plugins = [",
        "frontdesk.plugins",
        "plugins.whatsapp",
    ),
    "plugin that fails": (
        GOOD.replace('"plugins.whatsapp"]', '"plugins.whatsapp", "broken_plugin"]'),
        "plugins = [",
        "frontdesk.plugins",
        "Mend the plugin",
    ),
    "plugin twice": (
        GOOD.replace('"plugins.whatsapp"]', '"plugins.whatsapp", "handoff"]'),
        "plugins = [",
        "frontdesk.plugins",
        "Remove",
    ),
    "no plugins": (
        GOOD.replace('["plugins.sql", "handoff", "handoff.api", "plugins.whatsapp"]', "[]"),
        "plugins = []",
        "frontdesk.plugins",
        "plugins.sql",
    ),
    "unknown time zone": (
        GOOD.replace('name = "Acme"', 'name = "Acme"\ntimezone = "Europe/Istambul"'),
        "Istambul",
        "products.acme.timezone",
        "Europe/Istanbul",
    ),
    "database of no kind": (
        GOOD.replace("sqlite:///var/frontdesk.db", f"mysql://root:{CANARY}@host/db"),
        "database =",
        "frontdesk.database",
        "postgresql://",
    ),
    "database in memory": (
        GOOD.replace("sqlite:///var/frontdesk.db", "sqlite:///:memory:"),
        "database =",
        "frontdesk.database",
        "Name a file",
    ),
    "public_url with a password": (
        GOOD.replace("http://127.0.0.1:1", f"https://me:{CANARY}@desk.example"),
        "public_url",
        "frontdesk.public_url",
        "https://",
    ),
    "durability of no kind": (
        GOOD.replace("[frontdesk]", '[frontdesk]\ndurability = "none"'),
        'durability = "none"',
        "frontdesk.durability",
        "",
    ),
    "secret key too short": (
        GOOD.replace("[frontdesk]", f'[frontdesk]\nsecret_key = "{CANARY}"'),
        "secret_key",
        "frontdesk.secret_key",
        "init",
    ),
    "unusable name of an inbox": (
        GOOD.replace("[inboxes.wa]", '[inboxes."Wa 1"]'),
        "Wa 1",
        "inboxes",
        "a-z",
    ),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Site, Ran]]:
    """Every mistake, served; two at a time, for a start takes a second."""

    def serve(name: str) -> tuple[Site, Ran]:
        site = Site(tmp_path_factory.mktemp("mistake"), text=MISTAKES[name][0])
        (site.folder / "sitecustomize.py").write_text(WITNESS)
        (site.folder / "broken_plugin.py").write_text(f"raise RuntimeError('{CANARY}')\n")
        return site, site.run("serve", "--port", "0", code=None)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(MISTAKES, pool.map(serve, MISTAKES), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_serve_refuses_and_says_what_to_mend(name: str, ran: dict[str, tuple[Site, Ran]]) -> None:
    text, on_line, key, hint = MISTAKES[name]
    site, done = ran[name]
    assert done.code == 2, done.err
    assert "Traceback" not in done.err
    assert CANARY not in done.out + done.err
    assert done.out == "", "it says where it serves only once it does"
    lines = {f"plugins.toml:{n}:" for n, line in enumerate(text.split("\n"), 1) if on_line in line}
    found = [line for line in done.err.splitlines() if line.startswith(tuple(lines))]
    assert found, done.err
    assert key in found[0]
    assert hint.lower() in found[0].lower()
    assert not site.database.exists(), "nothing is made before the file is right"
    assert not (site.folder / "bound").exists(), "no port is opened"


@pytest.mark.slow
def test_the_good_file_is_good_and_the_witness_awake(tmp_path: Path) -> None:
    site = Site(tmp_path, text=GOOD)
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    with site.serve():
        assert "127.0.0.1" in (tmp_path / "bound").read_text()


@pytest.mark.slow
def test_a_store_that_cannot_be_served(tmp_path: Path) -> None:
    """The file is right and the store is not: no place to name, but one sentence, and 2."""
    (tmp_path / "var").mkdir()
    site = Site(tmp_path)
    site.database.write_bytes(b"not a database, but long enough to be taken for one" * 40)
    broken = site.run("serve", "--port", "0", code=2)
    assert "Traceback" not in broken.err
    assert "database" in broken.err
    nowhere = f"postgresql://frontdesk:{CANARY}@127.0.0.1:1/none"
    site.write(GOOD.replace("sqlite:///var/frontdesk.db", nowhere))
    unreachable = site.run("serve", "--port", "0", code=2)
    assert "cannot be reached" in unreachable.err
    assert CANARY not in unreachable.err
    assert "Traceback" not in unreachable.err


@pytest.mark.slow
def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    site = Site(tmp_path, text=None)
    ran = site.run("serve", code=2)
    assert ran.err.startswith("plugins.toml:1:")
    assert ".venv/bin/frontdesk init" in ran.err
