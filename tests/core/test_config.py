"""What a right plugins.toml becomes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.config import Config, ConfigError, Secret, ensure_secret_key, load
from core.config.checks import check_desks, check_inboxes, import_plugins

KEY = "0123456789abcdef0123456789abcdef"
WHOLE = """
[frontdesk]
public_url = "https://desk.example.com/"
database   = "sqlite:///data/desk.db"
bus        = "auto"
files      = "files"
files_url  = "https://files.example.com"
secret_key = [{ file = "key" }, { env = "OLD_KEY" }]
plugins = ["plugins.sql", "handoff"]

[products.acme]
name = "Acme"
timezone = "Europe/Istanbul"

[products.beta]
name = "Beta"

[inboxes.acme-wa]
channel = "phone"
product = "acme"
was = ["wa"]
number = "1055"
token = [{ env = "NEW" }, "plain"]
logo = "logo.svg"
"labels".first = "a"
rooms = [
  { name = "one" },
  { name = "two", deep = { token = { env = "NEW" } } },
]

[desks.slack]
token = { file = "slack" }
"""


class Deep(msgspec.Struct, frozen=True, kw_only=True):
    token: Secret


class Room(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    deep: Deep | None = None


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    number: str
    token: Secret
    verify: Secret | None = None
    logo: Path | None = None
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    rooms: tuple[Room, ...] = ()
    weight: float = 1.5
    api_base: str = msgspec.field(name="api-base", default="https://example.com")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"key": KEY + "\n", "slack": "xoxb\r\n", "plugins.toml": WHOLE}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    return tmp_path


ENV = {"OLD_KEY": KEY[::-1], "NEW": " new "}


def read(folder: Path) -> Config:
    return load(folder / "plugins.toml", env=ENV)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "plugins.toml"
    path.write_text("\n".join(["[frontdesk]", 'plugins = ["plugins.sql"]', *lines]) + "\n")
    return path


def phone(config: Config) -> Phone:
    options = check_inboxes(config, {"phone": (Phone, "number")}, env=ENV).options["acme-wa"]
    assert isinstance(options, Phone)
    return options


def test_the_section_frontdesk(folder: Path) -> None:
    section = read(folder).frontdesk
    assert section.public_url == "https://desk.example.com"
    assert section.database.first == f"sqlite:///{folder}/data/desk.db"
    assert section.files == folder / "files"
    assert section.files_url == "https://files.example.com"
    assert section.plugins == ("plugins.sql", "handoff")
    assert section.secret_key.values == (KEY, KEY[::-1])
    assert (section.bus, section.durability) == ("auto", "full")


def test_paths_start_at_the_folder_of_the_file_wherever_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert read(folder).frontdesk.files == folder / "files"
    monkeypatch.chdir(folder)
    config = load(Path("plugins.toml"), env=ENV)
    assert config.frontdesk.files == folder / "files"
    assert phone(config).logo == folder / "logo.svg"


def test_products_and_inboxes(folder: Path) -> None:
    config = read(folder)
    acme, beta = config.products["acme"], config.products["beta"]
    assert (acme.name, acme.title, acme.timezone) == ("acme", "Acme", "Europe/Istanbul")
    assert beta.timezone == "UTC"
    inbox = config.inboxes["acme-wa"]
    assert (inbox.channel, inbox.product, inbox.was) == ("phone", "acme", ("wa",))
    assert set(inbox.options) == {"number", "token", "logo", "labels", "rooms"}
    assert config.warnings == ()


def test_options_become_the_channels_struct(folder: Path) -> None:
    assert phone(read(folder)) == Phone(
        number="1055",
        token=Secret("new", "plain"),
        logo=folder / "logo.svg",
        labels={"first": "a"},
        rooms=(Room(name="one"), Room(name="two", deep=Deep(token=Secret("new")))),
    )


def test_desks_become_the_desks_struct(folder: Path) -> None:
    checked = check_desks(read(folder), {"slack": Deep}, env=ENV)
    assert checked.options == {"slack": Deep(token=Secret("xoxb"))}


def test_a_field_may_have_another_name_in_the_file(folder: Path) -> None:
    path = folder / "plugins.toml"
    path.write_text(WHOLE.replace('number = "1055"', 'number = "1"\napi-base = "x"\nweight = 2'))
    options = phone(load(path, env=ENV))
    assert (options.api_base, options.weight) == ("x", 2.0)


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ('"one"', ("one",)),
        ('{ env = "NEW" }', ("new",)),
        ('{ file = "slack" }', ("xoxb",)),
        ('["one", { env = "NEW" }, { file = "slack" }]', ("one", "new", "xoxb")),
    ],
)
def test_forms_of_a_secret(folder: Path, written: str, values: tuple[str, ...]) -> None:
    path = folder / "plugins.toml"
    path.write_text(WHOLE.replace('[{ env = "NEW" }, "plain"]', written))
    assert phone(load(path, env=ENV)).token.values == values


def test_variables_come_from_the_process_unless_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SOME_KEY", KEY)
    path = write(folder, 'secret_key = { env = "SOME_KEY" }')
    assert load(path).frontdesk.secret_key.first == KEY


def test_defaults(folder: Path) -> None:
    section = load(write(folder), create_key=True).frontdesk
    assert section.public_url == "http://127.0.0.1:8000"
    assert section.database.first == f"sqlite:///{folder}/var/frontdesk.db"
    assert section.files == folder / "var/files"


def test_an_absolute_database_stays(folder: Path) -> None:
    path = write(folder, 'database = "sqlite:////srv/desk.db?x=1"')
    assert load(path, create_key=True).frontdesk.database.first == "sqlite:////srv/desk.db?x=1"
    path = write(folder, 'database = { env = "NEW" }')
    env = {"NEW": "postgresql://u:p@h/d"}
    assert load(path, env=env, create_key=True).frontdesk.database.first == "postgresql://u:p@h/d"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(folder: Path) -> None:
    path = folder / "plugins.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    config = load(path, env=ENV)
    assert config.lines.of(("inboxes", "acme-wa", "number")) == 22
    assert phone(config).number == "1055"


def test_secrets_show_nowhere(folder: Path) -> None:
    """repr is what ends in logs and tracebacks; JSON is what ends in answers."""
    config = read(folder)
    options = phone(config)
    shown = f"{config.frontdesk!r}{options!r}{options.token!s}{options.token.first=!s:.0}"
    for value in (KEY, "new", "plain", "desk.db"):
        assert value not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(options.token)


def test_a_secret_holds_at_least_one_value() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Secret()
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("a", "b")
    assert list(Secret("a", "b")) == ["a", "b"]


def test_one_number_in_two_channels_is_two_places(folder: Path) -> None:
    again = '[inboxes.b]\nchannel = "page"\nproduct = "acme"\nnumber = "1055"\ntoken = "t"\n'
    path = folder / "plugins.toml"
    path.write_text(WHOLE + again)
    models: dict[str, Any] = {"phone": (Phone, "number"), "page": (Phone, "number")}
    assert set(check_inboxes(load(path, env=ENV), models, env=ENV).options) == {"acme-wa", "b"}


@pytest.mark.parametrize("route", [None, "", "verify"])
def test_without_a_route_inboxes_may_be_alike(folder: Path, route: str | None) -> None:
    again = '[inboxes.b]\nchannel = "phone"\nproduct = "acme"\nnumber = "1055"\ntoken = "t"\n'
    path = folder / "plugins.toml"
    path.write_text(WHOLE + again)
    checked = check_inboxes(load(path, env=ENV), {"phone": (Phone, route)}, env=ENV)
    assert set(checked.options) == {"acme-wa", "b"}


class TestKeyFile:
    """The secret key that demo and init make."""

    def test_is_made_once_readable_by_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "var" / "secret_key"
        assert ensure_secret_key(path)
        first = path.read_text()
        assert len(first.strip()) >= 43
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not ensure_secret_key(path)
        assert path.read_text() == first
        assert list(path.parent.iterdir()) == [path]

    def test_is_another_one_each_time(self, tmp_path: Path) -> None:
        ensure_secret_key(tmp_path / "a")
        ensure_secret_key(tmp_path / "b")
        assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()

    def test_of_a_process_that_was_quicker_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "key"
        path.write_text(KEY)
        monkeypatch.setattr(Path, "exists", lambda _: False)
        assert not ensure_secret_key(path)
        assert path.read_text() == KEY
        assert list(tmp_path.iterdir()) == [path]

    def test_is_made_by_load_only_when_asked(self, folder: Path) -> None:
        path = write(folder, 'secret_key = { file = "own/key" }')
        with pytest.raises(ConfigError):
            load(path)
        assert load(path, create_key=True).warnings == ()
        assert load(path).frontdesk.secret_key.first == (folder / "own/key").read_text().strip()


class TestWarnings:
    """What works but deserves a printed line."""

    def test_of_a_secret_file_that_anybody_can_read(self, folder: Path) -> None:
        (folder / "key").chmod(0o644)
        (warning,) = read(folder).warnings
        assert "plugins.toml:8: frontdesk.secret_key[0]: " in warning
        assert "chmod 600" in warning

    def test_of_an_inboxs_secret_file(self, folder: Path) -> None:
        (folder / "slack").chmod(0o604)
        checked = check_desks(read(folder), {"slack": Deep}, env=ENV)
        assert [warning.count("desks.slack.token") for warning in checked.warnings] == [1]

    def test_of_a_plain_secret_in_a_file_that_anybody_can_read(self, folder: Path) -> None:
        config = read(folder)
        models: dict[str, Any] = {"phone": (Phone, "number")}
        assert check_inboxes(config, models, env=ENV).warnings == ()
        (folder / "plugins.toml").chmod(0o644)
        (warning,) = check_inboxes(config, models, env=ENV).warnings
        assert "inboxes.acme-wa.token[1]" in warning
        assert "plain" not in warning.rpartition(":")[2]

    def test_none_for_a_database_address_without_a_password(self, folder: Path) -> None:
        (folder / "plugins.toml").chmod(0o644)
        assert read(folder).warnings == ()

    def test_of_a_database_password_that_anybody_can_read(self, folder: Path) -> None:
        path = write(folder, 'database = "postgresql://u:p@h/d"')
        path.chmod(0o644)
        (warning,) = load(path, create_key=True).warnings
        assert "frontdesk.database" in warning

    def test_of_http_on_a_host_that_others_reach(self, folder: Path) -> None:
        path = write(folder, 'public_url = "http://desk.example.com"')
        (warning,) = load(path, create_key=True).warnings
        assert "plugins.toml:3: frontdesk.public_url: " in warning
        assert "unencrypted" in warning

    def test_of_relaxed_durability(self, folder: Path) -> None:
        path = write(folder, 'durability = "relaxed"')
        (warning,) = load(path, create_key=True).warnings
        assert "power failure" in warning


class TestPlugins:
    """Importing what [frontdesk] names."""

    def test_come_in_order_as_their_plugin_module(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "one_file.py").write_text("NAME = 'one'\n")
        package = folder / "whole_folder"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text("NAME = 'two'\n")
        monkeypatch.syspath_prepend(folder)
        path = write(folder)
        path.write_text(path.read_text().replace('"plugins.sql"', '"whole_folder", "one_file"'))
        modules = import_plugins(load(path, create_key=True))
        assert list(modules) == ["whole_folder", "one_file"]
        assert [module.NAME for module in modules.values()] == ["two", "one"]
