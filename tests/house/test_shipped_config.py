"""The shipped plugins.toml works as it is, holds no secret, and so does each block in it.

Remarks begin with `# `; what is ready for use begins with `#` alone. A block is a run of such
lines. Each is uncommented by itself, together with the product it names.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from core.config import Config, ConfigError, load
from core.config.checks import InboxModel, check_inboxes

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "plugins.toml").read_text()
_READY = re.compile(r"^(\s*)#(?=[^\s#])")
_PLUGIN = re.compile(r'^"[\w.]+",')


def blocks_of(text: str) -> list[list[int]]:
    """The line numbers (from 0) of each run of lines that are ready for use."""
    blocks: list[list[int]] = []
    for number, line in enumerate(text.split("\n")):
        if not _READY.match(line):
            continue
        if blocks and blocks[-1][-1] == number - 1:
            blocks[-1].append(number)
        else:
            blocks.append([number])
    return blocks


def uncommented(text: str, numbers: list[int]) -> str:
    lines = text.split("\n")
    for number in numbers:
        lines[number] = _READY.sub(r"\1", lines[number])
    return "\n".join(lines)


def content_of(block: list[int]) -> str:
    lines = SHIPPED.split("\n")
    return "\n".join(_READY.sub("", lines[number]) for number in block)


def with_its_product(block: list[int]) -> list[int]:
    """The block and, where it names a product, the block that brings the product."""
    named = re.findall(r'^product = "([\w-]+)"', content_of(block), re.MULTILINE)
    wanted = [f"[products.{name}]" for name in named]
    brings = [other for other in BLOCKS if any(head in content_of(other) for head in wanted)]
    return [number for part in [*brings, block] for number in part]


BLOCKS = blocks_of(SHIPPED)


def read(folder: Path, text: str) -> Config:
    path = folder / "plugins.toml"
    path.write_text(text)
    path.chmod(0o600)
    variables = re.findall(r'env = "(\w+)"', text)
    return load(path, env=dict.fromkeys(variables, "x" * 40), create_key=True)


def plugin_of(channel: str) -> ModuleType | None:
    """The plugin module of a channel, or None while the channel does not exist."""
    try:
        found = importlib.util.find_spec(f"plugins.{channel}.plugin")
    except ModuleNotFoundError:
        return None
    return importlib.import_module(f"plugins.{channel}.plugin") if found else None


def model_of(channel: str, plugin: ModuleType) -> InboxModel:
    """What the Channel class in the plugin declares of its inboxes."""
    for value in vars(plugin).values():
        if isinstance(value, type) and getattr(value, "name", None) == channel:
            model = value.__dict__["config"]
            assert issubclass(model, msgspec.Struct)
            return model, value.__dict__.get("route")
    pytest.fail(f"plugins.{channel}.plugin has no class with the name {channel}")


def test_the_shipped_file_works_as_it_is(tmp_path: Path) -> None:
    config = read(tmp_path, SHIPPED)
    assert config.warnings == ()
    assert (config.inboxes, config.desks) == ({}, {})
    for name in config.frontdesk.plugins:
        assert importlib.util.find_spec(name), f"{name} is listed and does not exist"


def test_it_holds_no_secret_and_needs_no_variable() -> None:
    active = [line for line in SHIPPED.split("\n") if line and not line.lstrip().startswith("#")]
    assert active
    assert [line for line in active if "env =" in line] == []


def test_every_shipped_plugin_stands_in_the_file(root: Path) -> None:
    present = {".".join(file.relative_to(root).parts[:-1]) for file in root.glob("*/*/plugin.py")}
    present |= {file.relative_to(root).parts[0] for file in root.glob("*/plugin.py")}
    named = set(re.findall(r'^\s*#?"([\w.]+)",', SHIPPED, re.MULTILINE))
    assert sorted(present - named - {"sandbox"}) == []


def test_there_are_blocks() -> None:
    """Were the file written in another manner, the tests below would look at nothing."""
    assert len(BLOCKS) >= 4
    assert blocks_of("# remark\n#a = 1\n#b = 2\n\n  #c\n##\n#\n") == [[1, 2], [4]]
    assert uncommented("#a = 1\n  #b\n# c", [0, 1]) == "a = 1\n  b\n# c"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: content_of(block).split("\n")[0])
def test_every_block_is_valid(tmp_path: Path, block: list[int]) -> None:
    text = uncommented(SHIPPED, with_its_product(block))
    assert text != SHIPPED
    if _PLUGIN.match(content_of(block).strip()):
        names = [line.split('"')[1] for line in content_of(block).strip().split("\n")]
        assert set(names) <= set(read(tmp_path, text).frontdesk.plugins)
        return
    config = read(tmp_path, text)
    models: dict[str, InboxModel] = {}
    for inbox in config.inboxes.values():
        plugin = plugin_of(inbox.channel)
        if plugin is None:
            pytest.skip(f"the channel {inbox.channel} does not exist yet")
        models[inbox.channel] = model_of(inbox.channel, plugin)
    variables = dict.fromkeys(re.findall(r'env = "(\w+)"', text), "x" * 40)
    assert set(check_inboxes(config, models, env=variables).options) == set(config.inboxes)


def test_a_block_with_a_mistake_is_found(tmp_path: Path) -> None:
    block = next(block for block in BLOCKS if "[inboxes." in content_of(block))
    text = uncommented(SHIPPED, block)  # without its product
    with pytest.raises(ConfigError, match="names no product"):
        read(tmp_path, text)
