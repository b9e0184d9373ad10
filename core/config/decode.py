"""Reads a TOML table into a typed struct, one key at a time, so that every mistake is told.

msgspec alone stops at the first mistake and may quote a value; this reader names all of them
and quotes none. It adds two types: Secret, and Path (relative to the file's folder).
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from core.config.lines import KeyPath
from core.config.problems import Findings, did_you_mean, nearest
from core.config.secrets import Secret, SecretReader

Model = TypeVar("Model", bound=msgspec.Struct)

_MISSING: Final = object()
_EXPECTED = re.compile(r"Expected `(?P<type>[^`]+)`(?: of| matching)?(?P<more>.*?)(?:, got `.*)?$")
_PLACE = re.compile(r" - at `\$(?P<place>[^`]*)`$")
_STEP = re.compile(r"\[(?P<index>\d+)\]|\.(?P<key>[^.\[]+)")
_WORDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "text",
}
_EXAMPLES: Final = {
    "a list": 'Write it in brackets, as in ["one", "two"]',
    "true or false": "Write true or false, without quotes",
    "a number": "Write digits, without quotes",
    "a whole number": "Write digits, without quotes",
    "a table": "Write it as a table of keys and values",
    "text": 'Write it in quotes, as in "text"',
}


class TableReader:
    """Reads tables of one file; what is wrong goes to `findings`."""

    def __init__(self, findings: Findings, *, folder: Path, env: Mapping[str, str]) -> None:
        self._findings = findings
        self._folder = folder
        self._secrets = SecretReader(findings, folder=folder, env=env)

    @property
    def plain_secrets(self) -> list[KeyPath]:
        """Where a secret stands in the file itself."""
        return self._secrets.plain

    def read(self, raw: object, model: type[Model], path: KeyPath) -> Model | None:
        """The table at `path` as a `model`, or None after noting what is wrong with it."""
        return self._struct(raw, model, path)

    def _struct(self, raw: object, model: type[Model], path: KeyPath) -> Model | None:
        if not isinstance(raw, dict):
            self._findings.add(path, "must be a table", _EXAMPLES["a table"])
            return None
        fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
        before = self._findings.count()
        meant = self._unknown(raw, fields, path)
        values: dict[str, Any] = {}
        for key, field in fields.items():
            if key in raw:
                values[field.name] = self._value(raw[key], field.type, (*path, key))
            elif field.required and key not in meant:
                self._findings.add((*path, key), "is missing", _how_to_write(key, field.type))
        if self._findings.count() > before:
            return None
        return self._build(model, values, path)

    def _unknown(
        self, raw: Mapping[str, object], known: Mapping[str, object], path: KeyPath
    ) -> set[str | None]:
        """Notes unknown keys and returns what they were meant to be: those are not missing too."""
        unknown = [key for key in raw if key not in known]
        for key in unknown:
            hint = did_you_mean(key, known, f"Known keys here: {', '.join(known) or 'none'}")
            self._findings.add((*path, key), "unknown key", hint)
        return {nearest(key, known) for key in unknown}

    def _build(self, model: type[Model], values: dict[str, Any], path: KeyPath) -> Model | None:
        try:
            return model(**values)
        except ValueError as error:  # the model's own __post_init__; its words are for people
            sentence = _hide(str(error), values)
            key, _, rest = sentence.partition(" ")
            if key in values:  # its words begin with the key they are about
                path, sentence = (*path, key), rest
            self._findings.add(path, sentence, "Mend this value")
            return None

    def _value(self, raw: object, kind: Any, path: KeyPath) -> object:
        kind = _without_none(kind)
        origin, args = get_origin(kind), get_args(kind)
        if kind is Secret:
            return self._secrets.read(raw, path)
        if kind is Path:
            text = self._plain(raw, str, path)
            return self._folder / text if isinstance(text, str) else None
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(raw, kind, path)
        if origin is Literal:
            return self._choice(raw, args, path)
        if origin in {list, tuple} and isinstance(raw, list) and args[1:] in {(), (...,)}:
            return origin([self._value(item, args[0], (*path, i)) for i, item in enumerate(raw)])
        if origin in {dict, Mapping} and isinstance(raw, dict):
            return {key: self._value(item, args[1], (*path, key)) for key, item in raw.items()}
        return self._plain(raw, kind, path)

    def _choice(self, raw: object, choices: tuple[object, ...], path: KeyPath) -> object:
        if raw in choices and type(raw) in {type(choice) for choice in choices}:
            return raw
        shown = ", ".join(f'"{choice}"' for choice in choices)
        hint = did_you_mean(str(raw), map(str, choices), "Write one of these")
        self._findings.add(path, f"must be one of {shown}", hint)
        return _MISSING

    def _plain(self, raw: object, kind: Any, path: KeyPath) -> object:
        try:
            return msgspec.convert(raw, type=kind)
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            inner = _steps(place["place"]) if place else ()
            sentence, hint = _in_words(_PLACE.sub("", str(error)))
            self._findings.add((*path, *inner), sentence, hint)
            return _MISSING


def _without_none(kind: Any) -> Any:
    """TOML has no null, so an optional value that is written is never None."""
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind
    args = [arg for arg in get_args(kind) if arg is not type(None)]
    return args[0] if len(args) == 1 else kind


def _steps(place: str) -> KeyPath:
    return tuple(
        int(step["index"]) if step["index"] else step["key"] for step in _STEP.finditer(place)
    )


def _in_words(message: str) -> tuple[str, str]:
    """A msgspec message as a sentence and a hint; other forms may quote and are dropped."""
    found = _EXPECTED.match(message)
    if found is None:
        return "has a value that is not allowed", "See the README of what this table belongs to"
    words = [_WORDS.get(name.strip(), name.strip()) for name in found["type"].split("|")]
    hint = _EXAMPLES.get(words[0], "See the README of what this table belongs to")
    return f"must be {' or '.join(words)}{found['more']}", hint


def _how_to_write(key: str, kind: Any) -> str:
    if _without_none(kind) is Secret:
        return f'Add {key} = {{ env = "NAME" }} or {key} = {{ file = "path" }}'
    return f"Add {key} = ... to this table"


def _hide(text: str, values: Mapping[str, object]) -> str:
    """Keeps a model's message from quoting a secret of its own table."""
    for value in values.values():
        for hidden in value if isinstance(value, Secret) else ():
            text = text.replace(hidden, "(hidden)")
    return text.rstrip(".")
