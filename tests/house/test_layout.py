"""Where files live, and how long they may be."""

from __future__ import annotations

import ast
from pathlib import Path

TOP = {
    ".ci",
    "bench",
    "core",
    "docs",
    "frontdesk",
    "handoff",
    "plugins",
    "sandbox",
    "scripts",
    "tests",
}
TEST_ROOMS = {"browser", "channels", "core", "handoff", "house", "journeys", "sandbox", "stores"}

NO_CHANNEL = {"sql": "the store"}
"""Folders of plugins/ that are no channel, and what they are; protocol rooms begin with _."""

CHANNEL_FILES = {"README.md", "config.py", "plugin.py", "wire.py"}
LONGEST = 300
LONG: dict[str, str] = {}
"""Files that may be longer, each with the reason."""


def test_top_level_folders(files: list[Path]) -> None:
    assert {file.parts[0] for file in files if len(file.parts) > 1} - TOP == set()


def test_rooms_of_tests(files: list[Path]) -> None:
    """A folder tests/plugins would shadow the package, as would an __init__.py."""
    inside = [file for file in files if file.parts[0] == "tests" and len(file.parts) > 2]
    assert {file.parts[1] for file in inside} - TEST_ROOMS == set()
    assert [str(file) for file in inside if file.name == "__init__.py"] == []


def test_every_channel_has_the_same_files(files: list[Path]) -> None:
    inside = [file for file in files if file.parts[0] == "plugins" and len(file.parts) > 2]
    channels = {file.parts[1] for file in inside if not file.parts[1].startswith("_")}
    channels -= set(NO_CHANNEL)
    assert channels, "no channel was found: the rule looks at nothing"
    present = {str(file) for file in inside}
    wanted = {f"plugins/{channel}/{name}" for channel in channels for name in CHANNEL_FILES}
    assert sorted(wanted - present) == []


def test_every_channel_has_tests_beside_the_others(files: list[Path]) -> None:
    present = {file.parts[2] for file in files if file.parts[:2] == ("tests", "channels")}
    channels = {
        file.parts[1]
        for file in files
        if file.parts[0] == "plugins" and file.name == "wire.py" and file.parts[1][0] != "_"
    }
    assert sorted(channels - present) == []


def test_files_stay_short(files: list[Path], root: Path) -> None:
    ours = [file for file in files if file.suffix in {".py", ".js", ".sh"}]
    outside_tests = [file for file in ours if file.parts[0] != "tests"]
    lengths = {str(file): len((root / file).read_text().splitlines()) for file in outside_tests}
    too_long = {name: length for name, length in lengths.items() if length >= LONGEST}
    assert {name: length for name, length in too_long.items() if name not in LONG} == {}
    assert sorted(set(LONG) - set(too_long)) == [], "these are short again: take them off the list"


def test_every_package_says_what_it_is(files: list[Path], root: Path) -> None:
    """Each module outside tests begins with a docstring; empty __init__.py files may stay empty."""
    silent = []
    for file in files:
        if file.suffix != ".py" or file.parts[0] == "tests":
            continue
        text = (root / file).read_text()
        if text.strip() and ast.get_docstring(ast.parse(text)) is None:
            silent.append(str(file))
    assert silent == []
