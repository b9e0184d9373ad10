"""Nothing in the tree ties it to one machine or to one package index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

# Written in halves, so that this file may be looked at too.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "deb.debian" + ".org",
    "proxy.golang" + ".org",
]
_HOST = re.compile("|".join(map(re.escape, HOSTS)))
_PATH = re.compile(r"(?<![\w./~$}-])/(?:work|root|home|Users)/[\w.]")
_LARGEST = 1_000_000


def faults_of(text: str) -> list[str]:
    return [found.group() for found in (*_HOST.finditer(text), *_PATH.finditer(text))]


@pytest.mark.parametrize(
    "text",
    [
        "https://files.python" + "hosted.org/x",
        "index-url = https://py" + "pi.org/simple",
        '"resolved": "https://registry.npm' + 'js.org/x"',
        "cd /" + "work/main",
        'path = "/' + 'root/.venv"',
        "(/" + "home/somebody/x)",
    ],
)
def test_faults_are_found(text: str) -> None:
    assert faults_of(text)


@pytest.mark.parametrize("text", ["https://example.com/work/x", "a/root/b", "$HOME/x", "GET /work"])
def test_ordinary_text_passes(text: str) -> None:
    assert faults_of(text) == []


def test_no_file_names_a_package_index_or_a_machine(files: list[Path], root: Path) -> None:
    wrong = {}
    for file in files:
        content = (root / file).read_bytes()
        if b"\0" in content:
            continue
        faults = faults_of(content.decode(errors="replace"))
        if faults:
            wrong[str(file)] = faults
    assert wrong == {}


def test_no_file_is_built_or_huge(files: list[Path], root: Path) -> None:
    sizes = {str(file): (root / file).stat().st_size for file in files}
    assert {name: size for name, size in sizes.items() if size > _LARGEST} == {}


def test_the_lock_is_exact_and_hashed(root: Path) -> None:
    """Without a hash an index could hand out another file; without a pin, another version."""
    lock = (root / "requirements.lock").read_text()
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z])", "\n" + lock) if entry.strip()]
    wrong = [
        entry.split("\n")[0]
        for entry in entries
        if not entry.lstrip().startswith("#")
        and not re.match(
            r"\s*[\w.-]+(\[[\w,-]+\])?==[\w.+!-]+ \\\n\s+--hash=sha256:[0-9a-f]{64}", entry
        )
    ]
    assert entries
    assert wrong == []
