"""The line of every key: written documents, and generated ones whose values say their line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.lines import KeyPath, locate, show

DOCUMENT = """\
# a comment with = and [brackets]
top = 2
[a]                        # "quoted" in a comment
b.c = 4
"d.e" = 5
'f"g' = 6
h = [
  8, # ] not the end
  [9,
   10],
]
i = { j = 12, k.l = 12, m = [12, { n = 12 }] }
text = \"\"\"
[not.a.table] = 1 \\
\\\"\"\" # still text
\"\"\"
after = 17
raw = '''
x = 1''''
last = 20
[[a.tables]]
x = 22
[a.tables.sub]
x = 24
[[a.tables.subs]]
x = 26
[[a.tables]]
x = 28
sub.x = 29
[[a.tables.subs]]
x = 31
[[a.tables.subs]]
x = 33
[ b . "c" ]
date = 1979-05-27 07:32:00 # two words
empty = ""
float = 1e3
seen = 38
[b]
seen = 40
bare-key_1 = 41
1234 = 42
"""


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every path of a parsed document, tables and arrays included."""
    if path:
        yield path, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))


def assert_each_number_is_its_line(text: str) -> None:
    lines = locate(text)
    seen = dict(leaves(tomllib.loads(text)))
    assert set(seen) == lines.paths()
    for path, value in seen.items():
        if type(value) is int:
            assert (path, lines.of(path)) == (path, value)


def test_a_document_with_everything() -> None:
    text = DOCUMENT.replace("x = 1''''", "x = 1'''")
    numbers = text.split("\n")
    assert numbers[39].startswith("seen = 40")
    assert_each_number_is_its_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n# nothing\n",
        "a = 1",
        'a = """"""\nb = 2',
        'a = """x"""""\nb = 2',
        "a = ''''''\nb = 2",
        "a = '''x'''''\nb = 2",
        'a = "\\"#"\nb = 2',
        "a = '\\'\nb = 2",
        "a = ['#', \"]\", '''\n]''']\nb = 3",
        "a = [ # [\n2, # ,\n\n4,\n# x\n]\nb = 7",
        "a = {}\nb = 2",
        "a = []\nb = 2",
        "a=[[],[[]],{}]\nb=2",
        "[a]\n[b]\nx = 3",
        "\"\\u00e9\" = 1\n'' = 2",
        "a . b = 1\na.c = 2",
        "[[a]]\n[[a]]\n[a.b]\n[[a.b.c]]\nx = 5",
    ],
)
def test_odd_corners(text: str) -> None:
    assert_each_number_is_its_line(text)


def test_an_unknown_key_answers_for_the_table_around_it() -> None:
    lines = locate("[a]\nb = 2\n[[c]]\n[[c]]\nd = 5\n")
    assert lines.of(("a", "missing")) == 1
    assert lines.of(("c", 1, "missing", 3)) == 4
    assert lines.of(("nowhere",)) == 1
    assert lines.of(()) == 1


def test_what_is_not_toml_is_refused_rather_than_misread() -> None:
    with pytest.raises(ValueError, match="line 2"):
        locate("a = 1\n= 2")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("inboxes", "acme-wa", "was", 0), "inboxes.acme-wa.was[0]"),
        (("a b", 'c"d', ""), '"a b"."c\\"d".""'),
        ((), ""),
    ],
)
def test_paths_are_shown_as_one_writes_them(path: KeyPath, shown: str) -> None:
    assert show(path) == shown


KEYS = st.sampled_from(["a", "b-1", "'c d'", '"e.f"', '"g\\"]"', "'#'", "_", "0"])
BREAKS = st.sampled_from(["", "\n", " # ]\n", "\n\n  ", "\n# '\n"])
SHAPES = st.recursive(
    st.sampled_from(["number", "text", "lines"]),
    lambda inner: st.one_of(
        st.tuples(st.just("array"), st.lists(st.tuples(BREAKS, inner), max_size=3)),
        st.tuples(st.just("table"), st.dictionaries(KEYS, inner, max_size=3).map(dict.items)),
    ),
    max_leaves=6,
)
TABLES = st.lists(
    st.tuples(
        st.lists(KEYS, min_size=1, max_size=2),
        st.booleans(),
        st.dictionaries(KEYS, SHAPES, max_size=3),
    ),
    max_size=5,
)


class Writer:
    """Writes generated shapes; a number's value is the line it stands on."""

    def __init__(self) -> None:
        self.text = ""

    def value(self, shape: Any) -> None:
        if shape == "number":
            self.text += str(self.text.count("\n") + 1)
        elif shape == "text":
            self.text += "'x = [\"#'"
        elif shape == "lines":
            self.text += '"""\n[x]\n\\"""\n\'"""'
        elif shape[0] == "array":
            self.text += "["
            for gap, item in shape[1]:
                self.text += gap
                self.value(item)
                self.text += f"{gap},"
            self.text += "]"
        else:
            self.table(list(shape[1]))

    def table(self, items: list[tuple[str, Any]]) -> None:
        self.text += "{"
        for index, (key, item) in enumerate(items):
            self.text += f"{', ' if index else ''}{key} = "
            self.value(item)
        self.text += "}"


@given(TABLES)
def test_generated_documents(tables: list[tuple[list[str], bool, dict[str, Any]]]) -> None:
    writer = Writer()
    for header, is_array, pairs in tables:
        before = writer.text
        dotted = ".".join(header)
        writer.text += f"[[{dotted}]]\n" if is_array else f"[{dotted}]\n"
        for key, shape in pairs.items():
            writer.text += f"{key} = "
            writer.value(shape)
            writer.text += "\n"
        try:
            tomllib.loads(writer.text)
        except tomllib.TOMLDecodeError:  # a table declared twice: leave it out
            writer.text = before
    assert_each_number_is_its_line(writer.text)
