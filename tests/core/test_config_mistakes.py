"""Every mistake in plugins.toml names its line, its key and a way out, and quotes no secret.

In each document the line that must be named ends in `#<`. CANARY stands wherever a value could
be a secret; no message may hold it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from core.config import ConfigError, Secret, ensure_secret_key, load
from core.config.checks import check_desks, check_inboxes, import_plugins
from core.config.problems import Problem

ENV = {"ACME_TOKEN": "CANARY-token", "ACME_EMPTY": "", "lower": "CANARY-lower"}


class Room(msgspec.Struct, frozen=True, kw_only=True):
    product: str
    slack_channel: str
    default: bool = False


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    token: Secret
    retries: Annotated[int, msgspec.Meta(ge=1, le=9)] = 3
    ratio: float = 1.0
    mode: Literal["events", "socket"] = "events"
    origins: tuple[str, ...] = ()
    logo: Path | None = None
    strict: bool = False
    labels: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number == self.token.first:
            message = f"number and token are both {self.number}."
            raise ValueError(message)


class Slack(msgspec.Struct, frozen=True, kw_only=True):
    bot_token: Secret
    rooms: list[Room] = msgspec.field(default_factory=list)


def read(path: Path) -> None:
    """All that happens to a file before a port opens, imports of plugins apart."""
    config = load(path, env=ENV)
    check_inboxes(config, {"phone": (Phone, "number"), "page": (Phone, None)}, env=ENV)
    check_desks(config, {"slack": Slack}, env=ENV)


FRONT = """
[frontdesk]
plugins = ["plugins.sql"]
secret_key = "CANARY-CANARY-CANARY-CANARY-CANARY-CANARY"
"""
ACME = '[products.acme]\nname = "Acme"\n'
INBOX = '[inboxes.one]\nchannel = "phone"\nproduct = "acme"\nnumber = "1"\n'
TOKEN = 'token = { env = "ACME_TOKEN" }\n'


def inbox(line: str) -> str:
    """An inbox that is right but for `line`."""
    return FRONT + ACME + INBOX + TOKEN + line


def bare(lines: str) -> str:
    """An inbox made of `lines` alone."""
    return FRONT + ACME + lines


def token(line: str) -> str:
    return FRONT + ACME + INBOX + line


def desk(lines: str) -> str:
    return FRONT + ACME + lines


SLACK = '[desks.slack]\nbot_token = "CANARY"\n'
case = pytest.param

STRUCTURE = [
    case("[frontdesk]\nplugin = 1 #<", "frontdesk.plugin", 'mean "plugins"', id="key-misspelt"),
    case("[frontdesk] #<", "frontdesk.plugins", "Add plugins", id="plugins-missing"),
    case("# nothing", "frontdesk.plugins", "Add plugins", id="only-a-comment"),
    case("", "frontdesk.plugins", "Add plugins", id="empty-file"),
    case("[fronntdesk] #<\n" + FRONT, "fronntdesk", 'mean "frontdesk"', id="section-misspelt"),
    case("[inbox.one] #<\n" + FRONT, "inbox", 'mean "inboxes"', id="section-singular"),
    case("[zzz] #<\n" + FRONT, "zzz", "desks, frontdesk", id="section-unknown"),
    case('name = "CANARY" #<\n' + FRONT, "name", "The file has", id="key-outside-sections"),
    case("frontdesk = 3 #<", "frontdesk", "table of keys", id="section-no-table"),
    case("[[frontdesk]] #<", "frontdesk", "table of keys", id="section-a-list"),
    case('inboxes = "CANARY" #<\n' + FRONT, "inboxes", "[inboxes.name]", id="inboxes-text"),
    case("products = [] #<\n" + FRONT, "products", "[products.name]", id="products-list"),
    case("desks = 1 #<\n" + FRONT, "desks", "[desks.name]", id="desks-number"),
    case(FRONT + '[inboxes]\none = "CANARY" #<', "inboxes.one", "[inboxes.name]", id="inbox-text"),
    case(FRONT + "[inboxes.Acme] #<", "inboxes.Acme", "a-z, 0-9", id="inbox-upper-case"),
    case(FRONT + '[inboxes."a b"] #<', 'inboxes."a b"', "a-z, 0-9", id="inbox-with-space"),
    case(FRONT + '[inboxes."a/../b"] #<', 'inboxes."a/../b"', "a-z, 0-9", id="inbox-path"),
    case(FRONT + "[products.Ä] #<", "", "[brackets]", id="product-not-ascii"),
    case(FRONT + '[products."Ä"] #<', 'products."Ä"', "a-z, 0-9", id="product-quoted-umlaut"),
    case(FRONT + f"[inboxes.{'a' * 65}] #<", f"inboxes.{'a' * 65}", "at most 64", id="long-name"),
]
FRONTDESK = [
    case('plugins = "CANARY" #<', "plugins", "in brackets", id="plugins-text"),
    case("plugins = [] #<", "plugins", "plugins.sql", id="plugins-empty"),
    case('plugins = [\n "a",\n 3, #<\n]', "plugins[1]", "in quotes", id="plugins-number"),
    case('plugins = [\n "a",\n "a", #<\n]', "plugins[1]", "Remove one", id="plugins-twice"),
    case('plugins = ["plugins/sql"] #<', "plugins[0]", "with dots", id="plugins-slash"),
    case('plugins = ["plugins."] #<', "plugins[0]", "with dots", id="plugins-final-dot"),
    case('plugins = ["os; CANARY"] #<', "plugins[0]", "with dots", id="plugins-code"),
    case('public_url = "CANARY" #<', "public_url", "https://desk", id="url-no-scheme"),
    case('public_url = "ftp://CANARY" #<', "public_url", "https://desk", id="url-ftp"),
    case('public_url = "https://" #<', "public_url", "https://desk", id="url-no-host"),
    case('public_url = "https://u:CANARY@h" #<', "public_url", "https://desk", id="url-password"),
    case('public_url = "https://h/CANARY" #<', "public_url", "https://desk", id="url-path"),
    case('public_url = "https://h?k=CANARY" #<', "public_url", "https://desk", id="url-query"),
    case('public_url = "https://h:99999" #<', "public_url", "https://desk", id="url-port"),
    case('public_url = "https://[::1" #<', "public_url", "https://desk", id="url-bracket"),
    case('public_url = "https://a b" #<', "public_url", "https://desk", id="url-space"),
    case("public_url = 8000 #<", "public_url", "in quotes", id="url-number"),
    case('files_url = "CANARY" #<', "files_url", "https://desk", id="files-url"),
    case('database = "postgres://u:CANARY@h/d" #<', "database", "in full", id="db-postgres"),
    case('database = "mysql://u:CANARY@h/d" #<', "database", "postgresql://user", id="db-mysql"),
    case('database = "sqlite://" #<', "database", "three slashes", id="db-no-file"),
    case('database = "sqlite:///:memory:" #<', "database", "Name a file", id="db-memory"),
    case('database = "" #<', "database", "env =", id="db-empty"),
    case("database = 1 #<", "database", "env =", id="db-number"),
    case('bus = ["CANARY"] #<', "bus", "in quotes", id="bus-list"),
    case("files = true #<", "files", "in quotes", id="files-bool"),
    case('durability = "relax" #<', "durability", 'mean "relaxed"', id="durability-near"),
    case('durability = "CANARY" #<', "durability", "Write one", id="durability-far"),
    case("durability = 1 #<", "durability", "Write one", id="durability-number"),
    case('database_url = "CANARY" #<', "database_url", 'mean "database"', id="key-near"),
    case('zzz = "CANARY" #<', "zzz", "Known keys here: public_url", id="key-far"),
]
SECRET_KEY = [
    case('secret_key = "CANARY" #<', "", "frontdesk init", id="key-short"),
    case('secret_key = ["CANARY", "CANARY"] #<', "", "frontdesk init", id="keys-short"),
    case("secret_key = { file = 'nowhere' } #<", "", "frontdesk init once", id="key-no-file"),
    case("secret_key = [] #<", "", "env =", id="key-empty-list"),
    case("secret_key = 1 #<", "", "env =", id="key-number"),
]
PRODUCTS = [
    case('[products.p] #<\ntimezone = "UTC"', ".name", "Add name", id="name-missing"),
    case("[products.p]\nname = 1 #<", ".name", "in quotes", id="name-number"),
    case('[products.p]\nname = "P"\ntimezon = 1 #<', ".timezon", '"timezone"', id="key"),
    case(
        '[products.p]\nname = "P"\ntimezone = "Europe/Istambul" #<',
        ".timezone",
        '"Europe/Istanbul"',
        id="zone-near",
    ),
    case('[products.p]\nname = "P"\ntimezone = "CANARY/x/y" #<', ".timezone", "like", id="zone"),
    case('[products.p]\nname = "P"\ntimezone = "../../etc" #<', ".timezone", "", id="zone-path"),
    case('[products.p]\nname = "P"\ntimezone = "" #<', ".timezone", "like", id="zone-empty"),
]
INBOXES = [
    case(bare('[inboxes.one] #<\nproduct = "acme"'), ".channel", "Add channel", id="no-channel"),
    case(bare('[inboxes.one] #<\nchannel = "phone"'), ".product", "Add product", id="no-product"),
    case(
        bare('[inboxes.one]\nproduct = "acmee" #<\nchannel = "phone"'),
        ".product",
        'mean "acme"',
        id="product-near",
    ),
    case(
        bare('[inboxes.one]\nproduct = "zzz" #<\nchannel = "phone"'),
        ".product",
        "Known products: acme",
        id="product-far",
    ),
    case(
        bare('[inboxes.one]\nproduct = "acme"\nchannel = "phonne" #<'),
        ".channel",
        'mean "phone"',
        id="channel-near",
    ),
    case(
        bare('[inboxes.one]\nproduct = "acme"\nchannel = "whatsapp" #<'),
        ".channel",
        'Add "plugins.whatsapp"',
        id="channel-not-enabled",
    ),
    case(
        bare('[inboxes.one]\nproduct = "acme"\nchannel = "zzz" #<'),
        ".channel",
        "Add the plugin",
        id="channel-far",
    ),
    case(
        bare('[inboxes.one]\nproduct = "acme"\nchannel = "sql" #<'),
        ".channel",
        "is enabled but",
        id="channel-of-another-kind",
    ),
    case(bare("[inboxes.one]\nproduct = 1 #<\nchannel = 'phone'"), ".product", "", id="product-1"),
    case(inbox("was = 'old' #<"), ".was", "in brackets", id="was-text"),
    case(inbox("was = ['one'] #<"), ".was[0]", "Remove one", id="was-present"),
    case(inbox("was = [\n 'old',\n 'old', #<\n]"), ".was[1]", "Only one", id="was-twice"),
    case(inbox('tokn = "CANARY" #<'), ".tokn", 'mean "token"', id="option-near"),
    case(inbox('zzz = "CANARY" #<'), ".zzz", "Known keys here: number", id="option-far"),
    case(inbox("[inboxes.one.deep] #<"), ".deep", "Known keys", id="option-table"),
    case(inbox('retries = "CANARY" #<'), ".retries", "without quotes", id="text-for-number"),
    case(inbox("retries = 0 #<"), ".retries", "without quotes", id="number-too-small"),
    case(inbox("retries = 2.5 #<"), ".retries", "without quotes", id="fraction-for-number"),
    case(inbox("ratio = 'CANARY' #<"), ".ratio", "without quotes", id="text-for-fraction"),
    case(inbox("mode = 'event' #<"), ".mode", 'mean "events"', id="choice-near"),
    case(inbox("mode = ['CANARY'] #<"), ".mode", "Write one", id="choice-list"),
    case(inbox("origins = 'CANARY' #<"), ".origins", "in brackets", id="text-for-list"),
    case(inbox("origins = [\n'a',\n1, #<\n]"), ".origins[1]", "in quotes", id="list-of-mixed"),
    case(inbox("logo = 1 #<"), ".logo", "in quotes", id="path-number"),
    case(inbox("strict = 'CANARY' #<"), ".strict", "true or false", id="text-for-bool"),
    case(inbox("labels = { a = 1 } #<"), ".labels.a", "in quotes", id="table-of-text"),
    case(inbox("labels = 1 #<"), ".labels", "keys and values", id="number-for-table"),
    case(inbox("strict = 1979-05-27 #<"), ".strict", "true or false", id="date-for-bool"),
    case(
        inbox("[inboxes.two]\nchannel = 'phone'\nproduct = 'acme'\nnumber = '1' #<\n" + TOKEN),
        "inboxes.two.number",
        "Each inbox needs its own",
        id="same-number",
    ),
]
TOKENS = [
    case(FRONT + ACME + INBOX.replace("one]", "one] #<"), "", "env =", id="missing"),
    case(token("token = 1 #<"), "", "env =", id="number"),
    case(token("token = '' #<"), "", "env =", id="empty"),
    case(token("token = '  ' #<"), "", "env =", id="blank"),
    case(token("token = [] #<"), "", "env =", id="empty-list"),
    case(token("token = [\n'CANARY',\n'', #<\n]"), "[1]", "env =", id="list-with-empty"),
    case(token("token = { env = 'ACME_NONE' } #<"), "", "Set it", id="variable-unset"),
    case(token("token = { env = 'ACME_EMPTY' } #<"), "", "env =", id="variable-empty"),
    case(
        token("token = { env = 'CANARY:x' } #<"), ".env", "name of a variable", id="token-as-name"
    ),
    case(token("token = { env = 'CANARYx' } #<"), "", "Set it", id="token-like-a-name"),
    case(token("token = { env = 3 } #<"), "", "env =", id="variable-number"),
    case(token("token = { enf = 'CANARY' } #<"), ".enf", 'mean "env"', id="source-misspelt"),
    case(token("token = { vault = 'CANARY' } #<"), ".vault", "env =", id="source-unknown"),
    case(token("token = {} #<"), "", "env =", id="no-source"),
    case(token("token = { env = 'A_B', file = 'CANARY' } #<"), "", "env =", id="two-sources"),
    case(token("token = { file = 'CANARY' } #<"), "", "folder of this file", id="no-such-file"),
    case(token("token = { file = '.' } #<"), "", "folder of this file", id="file-is-a-folder"),
    case(token("token = { file = 'empty' } #<"), "", "env =", id="file-empty"),
    case(token("token = { file = 'binary' } #<"), "", "folder of this file", id="file-binary"),
    case(token("token = { file = 'huge' } #<"), "", "nothing else", id="file-huge"),
    case(token('token = { file = "a\\u0000b" } #<'), "", "folder", id="file-with-nul"),
]
DESKS = [
    case(desk("[desks.slack] #<"), "slack.bot_token", "env =", id="token-missing"),
    case(desk("[desks.slac] #<"), "slac", "Add the plugin", id="unregistered"),
    case(desk("[desks.console] #<"), "console", 'Add "handoff.console"', id="not-enabled"),
    case(
        desk(
            SLACK + "[[desks.slack.rooms]]\nproduct='a'\nslack_channel='C'\n"
            "[[desks.slack.rooms]]\nproduct='b'\nslack_chanel='C' #<\nslack_channel='C'"
        ),
        "slack.rooms[1].slack_chanel",
        'mean "slack_channel"',
        id="second-room-key",
    ),
    case(
        desk(
            SLACK + "[[desks.slack.rooms]]\nproduct='a'\nslack_channel=\"C\"\n"
            "[[desks.slack.rooms]] #<\nproduct='b'"
        ),
        "slack.rooms[1].slack_channel",
        "Add slack_channel",
        id="second-room-misses-key",
    ),
    case(
        desk(
            SLACK + "rooms = [\n{product='a', slack_channel='C'},\n"
            "{product=1, slack_channel='C'}, #<\n]"
        ),
        "slack.rooms[1].product",
        "in quotes",
        id="inline-room",
    ),
    case(desk(SLACK + "rooms = ['CANARY'] #<"), "slack.rooms[0]", "table", id="room-is-text"),
    case(desk(SLACK + "[desks.slack.rooms] #<"), "slack.rooms", "brackets", id="rooms-a-table"),
]
SYNTAX = [
    case("[frontdesk\nplugins = []", 1, id="open-bracket"),
    case("a = \n", 1, id="no-value"),
    case('\na = "CANARY', 2, id="open-quote"),
    case('a = 1\nb = """CANARY\n', 2, id="open-text"),
    case("a = 1\na = 2", 2, id="key-twice"),
    case("[a]\n[b]\n[a]", 3, id="table-twice"),
    case("[inboxes.one]\nx = 1\n\n[inboxes.one]\n", 4, id="inbox-twice"),
    case("a = CANARY", 1, id="no-quotes"),
    case("a : 1", 1, id="yaml"),
    case("a = 1 b = 2", 1, id="two-in-one-line"),
    case("a = [1, 2", 1, id="open-list"),
    case("a = True", 1, id="python-true"),
    case("{}", 1, id="json"),
    case("a = 1\r\n\r\nb = '\x01'", 3, id="control-character"),
    case("<<<<<<< HEAD\n", 1, id="merge-conflict"),
    case("a.b = 1\n[a.b]", 2, id="value-then-table"),
    case("a = 2026-13-40", 1, id="no-such-day"),
]


def mistakes(path: Path, text: str) -> tuple[Problem, ...]:
    path.write_text(text, encoding="utf-8")
    ensure_secret_key(path.parent / "var/secret_key")
    (path.parent / "empty").write_text("\n")
    (path.parent / "binary").write_bytes(b"\xff\xfe\x00CANARY")
    (path.parent / "huge").write_text("CANARY" * 20_000)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert "CANARY" not in f"{caught.value!s}{caught.value!r}"
    assert str(path) in str(caught.value)
    return caught.value.problems


def expect(path: Path, text: str, key: str, hint: str) -> None:
    """One mistake, at the marked line (the first one when none is marked)."""
    line = next((n for n, line in enumerate(text.split("\n"), 1) if line.endswith("#<")), 1)
    found = mistakes(path, text)
    said = [(problem.line, problem.key) for problem in found]
    assert said == [(line, key)]
    assert hint in found[0].hint
    assert f":{line}:" in str(found[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plugins.toml"


@pytest.mark.parametrize(("text", "key", "hint"), STRUCTURE)
def test_structure(path: Path, text: str, key: str, hint: str) -> None:
    expect(path, text, key, hint)


@pytest.mark.parametrize(("line", "key", "hint"), FRONTDESK)
def test_frontdesk_section(path: Path, line: str, key: str, hint: str) -> None:
    own = (
        FRONT if not line.startswith("plugins") else FRONT.replace('plugins = ["plugins.sql"]', "")
    )
    expect(path, own + line, f"frontdesk.{key}", hint)


@pytest.mark.parametrize(("line", "key", "hint"), SECRET_KEY)
def test_secret_key(path: Path, line: str, key: str, hint: str) -> None:
    text = '[frontdesk]\nplugins = ["plugins.sql"]\n' + line
    expect(path, text, f"frontdesk.secret_key{key}", hint)


@pytest.mark.parametrize(("lines", "key", "hint"), PRODUCTS)
def test_products(path: Path, lines: str, key: str, hint: str) -> None:
    expect(path, FRONT + lines, f"products.p{key}", hint)


@pytest.mark.parametrize(("text", "key", "hint"), INBOXES)
def test_inboxes(path: Path, text: str, key: str, hint: str) -> None:
    expect(path, text, key if key.startswith("inboxes") else f"inboxes.one{key}", hint)


@pytest.mark.parametrize(("text", "key", "hint"), TOKENS)
def test_secrets(path: Path, text: str, key: str, hint: str) -> None:
    expect(path, text, f"inboxes.one.token{key}", hint)


@pytest.mark.parametrize(("text", "key", "hint"), DESKS)
def test_desks(path: Path, text: str, key: str, hint: str) -> None:
    expect(path, text, f"desks.{key}", hint)


@pytest.mark.parametrize(("text", "line"), SYNTAX)
def test_what_is_not_toml(path: Path, text: str, line: int) -> None:
    (problem,) = mistakes(path, text)
    assert (problem.line, problem.key) == (line, "")
    assert "is not TOML" in problem.sentence


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(ConfigError, match="frontdesk init"):
        load(path)


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_file_in_another_encoding(path: Path) -> None:
    path.write_bytes(b"a = 1\nb = '\xe4 CANARY'\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert (caught.value.problems[0].line, caught.value.problems[0].hint) == (
        2,
        "Save the file as UTF-8",
    )
    assert "CANARY" not in str(caught.value)


def test_brackets_without_end(path: Path) -> None:
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError):
        load(path)


def test_an_unreadable_secret_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read anything, so the refusal comes from the system call itself."""
    (path.parent / "locked").write_text("CANARY")
    real = Path.open

    def refuse(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    expect(path, token("token = { file = 'locked' } #<"), "inboxes.one.token", "folder")


def test_a_model_that_quotes_its_secret(path: Path) -> None:
    text = token("").replace('number = "1"', 'number = "CANARY-token"') + TOKEN
    (problem,) = mistakes(path, text)
    assert problem.sentence == "and token are both (hidden)"
    assert (problem.line, problem.key) == (10, "inboxes.one.number")


def test_two_inboxes_with_one_secret_as_their_route(path: Path) -> None:
    """A bot is addressed by its token; lists that share one value collide too."""
    text = inbox("[inboxes.two]\nchannel = 'phone'\nproduct = 'acme'\nnumber = '2'\n")
    path.write_text(text + "token = ['CANARY-new', 'CANARY-token'] #<\n")
    with pytest.raises(ConfigError) as caught:
        check_inboxes(load(path, env=ENV), {"phone": (Phone, "token")}, env=ENV)
    (problem,) = caught.value.problems
    assert problem.key == "inboxes.two.token"
    assert "inbox one" in problem.sentence
    assert "CANARY" not in str(caught.value)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(path: Path) -> None:
    text = inbox("retries = 'x'\nzzz = 1\n").replace("[frontdesk]", "[frontdesk]\nbus = 1")
    path.write_text(text.replace('name = "Acme"', "name = 5"))
    with pytest.raises(ConfigError) as caught:
        load(path, env=ENV)
    assert [problem.key for problem in caught.value.problems] == [
        "frontdesk.bus",
        "products.acme.name",
    ]
    path.write_text(inbox("retries = 'x'\nzzz = 1\n"))
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert [problem.key for problem in caught.value.problems] == [
        "inboxes.one.retries",
        "inboxes.one.zzz",
    ]


PLUGINS = [
    case("plugins.sqll", "there is no module", 'mean "plugins.sql"', id="misspelt"),
    case("acme_missing", "there is no module", "Install the package", id="not-installed"),
    case("needs_sdk", "needs the module no_such_sdk", "pip install no_such_sdk", id="no-sdk"),
    case("broken", "SyntaxError", "Mend the plugin", id="syntax"),
    case("raises", "RuntimeError in raises.py:2", "Mend the plugin", id="raises"),
    case("leaves", "SystemExit in leaves.py:2", "Mend the plugin", id="exits"),
]


@pytest.mark.parametrize(("module", "sentence", "hint"), PLUGINS)
def test_plugins_that_cannot_be_imported(
    path: Path, monkeypatch: pytest.MonkeyPatch, module: str, sentence: str, hint: str
) -> None:
    folder = path.parent
    (folder / "needs_sdk.py").write_text("import no_such_sdk.deep\n")
    (folder / "broken.py").write_text("def (\n")
    (folder / "raises.py").write_text("import os\nraise RuntimeError(os.environ['ACME_TOKEN'])\n")
    (folder / "leaves.py").write_text("import sys\nsys.exit('CANARY')\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(os.environ, "ACME_TOKEN", "CANARY-token")
    path.write_text(FRONT.replace('["plugins.sql"]', f'[\n"{module}",\n]'))
    config = load(path)
    with pytest.raises(ConfigError) as caught:
        import_plugins(config)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (4, "frontdesk.plugins[0]")
    assert sentence in problem.sentence
    assert hint in problem.hint
    assert "CANARY" not in str(caught.value)


def test_an_extra_that_is_not_installed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution like ours whose extra asks for something this Python does not have."""
    about = path.parent / "frontdesk-0.1.dist-info"
    about.mkdir()
    requirement = "Requires-Dist: no-such-sdk<5,>=4; extra == 'sql'"
    about.joinpath("METADATA").write_text(f"Name: frontdesk\nVersion: 0.1\n{requirement}\n")
    monkeypatch.syspath_prepend(path.parent)
    path.write_text(FRONT)
    with pytest.raises(ConfigError) as caught:
        import_plugins(load(path))
    (problem,) = caught.value.problems
    assert problem.hint == "Run .venv/bin/pip install 'frontdesk[sql]'"
    assert "no-such-sdk" in problem.sentence
