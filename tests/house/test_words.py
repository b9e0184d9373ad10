"""One word for one thing: classes of core and handoff use no synonym of a glossary word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

SYNONYMS = {
    "Account": "Product or Inbox",
    "Ack": "Receipt",
    "Availability": "Status",
    "Connector": "Channel",
    "Escalation": "Handoff",
    "External": "source_id",
    "Group": "Team",
    "Identity": "Address",
    "Instance": "Inbox",
    "Label": "Tag",
    "Offset": "seq, position or cursor",
    "Operator": "Agent",
    "Platform": "Channel",
    "Reason": "Topic",
    "Session": "Conversation",
    "Surface": "Desk",
    "Tenant": "Product",
    "User": "Agent or Contact",
    "Visitor": "Contact",
}
EMPTY = {"Base", "Helper", "Impl", "Manager", "Util", "Utils"}
ALLOWED = {
    "SessionView": "a login of an agent, as in GET /api/v1/sessions",
}
"""Classes that mean another thing than the glossary's, each with the reason."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*")


def words_of(name: str) -> set[str]:
    return set(_WORD.findall(name))


def classes_of(text: str) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]


def test_words_are_found_in_names() -> None:
    assert words_of("_SlackUserView") == {"Slack", "User", "View"}
    assert words_of("HTTPSession2") == {"HTTP", "Session2"}
    assert classes_of("class A:\n  class B: pass\nx = 'class C: pass'") == ["A", "B"]


def test_classes_use_the_glossary(files: list[Path], root: Path) -> None:
    ours = [file for file in files if file.suffix == ".py" and file.parts[0] in {"core", "handoff"}]
    names = {name: file for file in ours for name in classes_of((root / file).read_text())}
    assert names, "no class was found: the rule looks at nothing"
    wrong = [
        f"{file}: {name} (say {SYNONYMS[word]})"
        for name, file in names.items()
        for word in words_of(name) & set(SYNONYMS)
        if name not in ALLOWED
    ]
    assert wrong == []
    assert sorted(set(ALLOWED) - set(names)) == [], "these classes are gone: take them off the list"


def test_no_class_has_an_empty_name(files: list[Path], root: Path) -> None:
    ours = [file for file in files if file.suffix == ".py" and file.parts[0] != "tests"]
    wrong = [
        f"{file}: {name}"
        for file in ours
        for name in classes_of((root / file).read_text())
        if words_of(name) & EMPTY
    ]
    assert wrong == []
