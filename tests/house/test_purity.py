"""What must be pure stays pure: parsing and deciding import no I/O and read no clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PURE = [
    "core/models/*.py",
    "handoff/polic*.py",
    "handoff/routing*.py",
    "plugins/*/wire*.py",
]
IMPURE = {
    "aiohttp",
    "asyncio",
    "glob",
    "httpx",
    "httpx2",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
    "secrets",
    "select",
    "shutil",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "ssl",
    "starlette",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
}
CLOCKS = {"now", "today", "utcnow"}


def faults_of(text: str) -> list[str]:
    """Impure imports, clocks and shared dice in use, functions that wait, each with its line."""
    return [
        f"{node.lineno}: {fault}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt | ast.expr)
        for fault in faults_at(node)
    ]


def faults_at(node: ast.stmt | ast.expr) -> list[str]:
    match node:
        case ast.Import(names=aliases):
            return [f"imports {alias.name}" for alias in aliases if is_impure(alias.name)]
        case ast.ImportFrom(module=str(name)) if is_impure(name):
            return [f"imports {name}"]
        case ast.AsyncFunctionDef(name=name):
            return [f"{name} is async"]
        case ast.Call(func=ast.Attribute() | ast.Name() as called):
            return faults_of_call(ast.unparse(called))
        case _:
            return []


def faults_of_call(called: str) -> list[str]:
    if called in {"open", "print"}:
        return [f"{called}()"]
    if called.rpartition(".")[2] in CLOCKS:
        return ["reads the clock"]
    if called.startswith("random.") and called != "random.Random":
        return ["throws the dice of everybody"]  # a generator with a seed is handed in instead
    return []


def is_impure(module: str) -> bool:
    return not {module, module.partition(".")[0]}.isdisjoint(IMPURE)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import asyncio", "1: imports asyncio"),
        ("import os.path", "1: imports os.path"),
        ("from time import monotonic", "1: imports time"),
        ("from urllib.request import urlopen", "1: imports urllib.request"),
        ("def f():\n  import socket", "2: imports socket"),
        ("import random\nrandom.choice('ab')", "2: throws the dice of everybody"),
        ("datetime.now(UTC)", "1: reads the clock"),
        ("async def f(): ...", "1: f is async"),
        ("open('x')", "1: open()"),
    ],
)
def test_faults_are_found(text: str, fault: str) -> None:
    assert faults_of(text) == [fault]


def test_pure_text_passes() -> None:
    assert (
        faults_of("import random\nfrom urllib.parse import quote\nx = random.Random(world.now)\n")
        == []
    )


def test_pure_files_are_pure(root: Path) -> None:
    files = [file for pattern in PURE for file in sorted(root.glob(pattern))]
    assert files, "no file was found: the rule looks at nothing"
    wrong = {str(file.relative_to(root)): faults_of(file.read_text()) for file in files}
    assert {name: faults for name, faults in wrong.items() if faults} == {}
