"""docs/promises.md keeps its word: every promise names a test that exists, or says why not.

A row is `| P1 | the promise | tests/core/test_x.py::test_y | the figure |`; instead of tests it
may say `not yet: reason` or `not promised: reason`. A test's parameters are left out.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

LAST = {"P": 28, "S": 29, "T": 19}
WANTED = [f"{kind}{n}" for kind, last in LAST.items() for n in range(1, last + 1)]

_ROW = re.compile(r"^\|\s*(?P<id>[PST]\d+)\s*\|(?P<rest>.*)\|\s*$", re.MULTILINE)
_TEST = re.compile(r"(?P<file>(?:tests|bench)/[\w./-]+\.py)(?P<names>(?:::\w+)*)")
_NOT = re.compile(r"\bnot (?:yet|promised):\s*[^\s|]")


def rows_of(text: str) -> list[tuple[str, str]]:
    return [(row["id"], row["rest"]) for row in _ROW.finditer(text)]


def is_there(root: Path, file: str, names: list[str]) -> bool:
    """Whether the file has the function, or the class and method; a bare bench file will do."""
    path = root / file
    if not path.is_file() or not (names or file.startswith("bench/")):
        return False
    found: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in names:
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        match = next(
            (node for node in found if isinstance(node, kinds) and node.name == name), None
        )
        if match is None:
            return False
        found = match.body
    return True


def faults_of(text: str, root: Path) -> list[str]:
    """What is wrong with a page of promises, one sentence each."""
    rows = rows_of(text)
    ids = [name for name, _ in rows]
    faults = [f"{name} is missing" for name in WANTED if name not in ids]
    faults += [f"{name} is no promise" for name in ids if name not in WANTED]
    faults += [f"{name} is there twice" for name in set(ids) if ids.count(name) > 1]
    for name, rest in rows:
        tests = list(_TEST.finditer(rest))
        if not tests and not _NOT.search(rest):
            faults.append(f"{name} names no test and gives no reason")
        for test in tests:
            if not is_there(root, test["file"], test["names"].split("::")[1:]):
                faults.append(f"{name} names {test.group()}, which does not exist")
    return faults


def test_every_promise_has_a_test_or_a_reason(root: Path) -> None:
    assert faults_of((root / "docs/promises.md").read_text(), root) == []


def page(**changes: str) -> str:
    """A right page, but for the rows given."""
    rows = dict.fromkeys(WANTED, "a promise | not yet: nobody wrote it | ")
    rows |= changes
    return "\n".join(f"| {name} | {rest} |" for name, rest in rows.items() if rest)


OWN = "tests/house/test_promises.py"


@pytest.mark.parametrize(
    ("name", "rest", "fault"),
    [
        ("P1", "", "P1 is missing"),
        ("T20", "x | not yet: x", "T20 is no promise"),
        ("S3", "x | not yet: | ", "S3 names no test and gives no reason"),
        ("S4", "x | `tests/x.py::test_y` | ", "S4 names tests/x.py::test_y, which does not exist"),
        ("P2", f"x | {OWN} | ", f"P2 names {OWN}, which does not exist"),
        ("P3", f"x | {OWN}::test_z | ", f"P3 names {OWN}::test_z, which does not exist"),
        ("P4", f"x | {OWN}::page::is | ", f"P4 names {OWN}::page::is, which does not exist"),
        (
            "P5",
            f"x | {OWN}::page, tests/a.py::b | 1",
            "P5 names tests/a.py::b, which does not exist",
        ),
        ("P6", "x | bench/gone.py | ", "P6 names bench/gone.py, which does not exist"),
    ],
)
def test_faults_are_found(root: Path, name: str, rest: str, fault: str) -> None:
    assert faults_of(page(**{name: rest}), root) == [fault]


@pytest.mark.parametrize(
    "rest",
    [
        f"x | {OWN}::faults_of | 3 ms",
        f"x | `{OWN}::test_faults_are_found[P1]`, {OWN}::page | ",
        "x | not promised: the provider cannot | ",
        "x | not yet: the channel is missing | ",
    ],
)
def test_right_rows_pass(root: Path, rest: str) -> None:
    assert faults_of(page(P7=rest), root) == []


def test_a_promise_twice_is_found(root: Path) -> None:
    assert faults_of(page() + "\n| S29 | x | not yet: x |", root) == ["S29 is there twice"]
