"""Secrets of plugins.toml: where they come from, and a holder that never prints them."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from typing_extensions import override

from core.config.lines import KeyPath
from core.config.problems import Findings, did_you_mean

_MAX_BYTES: Final = 64 * 1024
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPOKEN_VARIABLE = re.compile(r"[A-Z]+(_[A-Z0-9]+)+")
_SECRET_KEY: Final[KeyPath] = ("frontdesk", "secret_key")
_INIT: Final = "Run .venv/bin/frontdesk init once, it makes the file"
_RELATIVE: Final = "A relative path starts at the folder of this file"
_FORMS: Final = 'Write { env = "NAME" }, { file = "path" }, text in quotes, or a list of these'


class Secret:
    """One secret, or several of which any may be valid: the first signs, all verify.

    A plain class on purpose: JSON encoders refuse it, and its text is always `Secret(hidden)`.
    """

    __slots__ = ("_values",)

    def __init__(self, *values: str) -> None:
        if not values:
            message = "A secret needs at least one value."
            raise ValueError(message)
        self._values = values

    @property
    def first(self) -> str:
        """The value to sign and to log in with."""
        return self._values[0]

    @property
    def values(self) -> tuple[str, ...]:
        """Every value that may be valid while a secret is being replaced."""
        return self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._values == other._values

    @override
    def __hash__(self) -> int:
        return hash(self._values)

    @override
    def __repr__(self) -> str:
        return "Secret(hidden)"


def ensure_secret_key(path: Path) -> bool:
    """Creates the key file (mode 0600, 48 random bytes) unless it exists; says whether it did.

    The key is complete on disk before the file has its name, so two starts at once agree on it.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


class SecretReader:
    """Turns `{ env }`, `{ file }`, text and lists of them into a Secret, noting what is wrong.

    No message holds what stands in the file: people do paste a token where a variable's name
    belongs. Only a name in the usual capitals, with an underscore, is said aloud.
    """

    def __init__(self, findings: Findings, *, folder: Path, env: Mapping[str, str]) -> None:
        self._findings = findings
        self._folder = folder
        self._env = env
        self.plain: list[KeyPath] = []

    def read(self, raw: object, path: KeyPath) -> Secret | None:
        """The secret at `path`, or None after noting why there is none."""
        if not isinstance(raw, list):
            value = self._one(raw, path)
            return None if value is None else Secret(value)
        if not raw:
            self._findings.add(path, "is an empty list", _FORMS)
            return None
        values = [self._one(item, (*path, index)) for index, item in enumerate(raw)]
        found = [value for value in values if value is not None]
        return Secret(*found) if len(found) == len(values) else None

    def _one(self, raw: object, path: KeyPath) -> str | None:
        if isinstance(raw, str):
            self.plain.append(path)
            return self._filled(raw.strip(), path, "is empty")
        if not isinstance(raw, dict):
            self._findings.add(path, "must be a secret", _FORMS)
            return None
        match list(raw.items()):
            case [("env", str(name))]:
                return self._variable(name, path)
            case [("file", str(name))]:
                return self._file(name, path)
            case _:
                self._wrong_table(raw, path)
                return None

    def _wrong_table(self, raw: Mapping[str, object], path: KeyPath) -> None:
        unknown = sorted(set(raw) - {"env", "file"})
        for key in unknown:
            hint = did_you_mean(key, ("env", "file"), _FORMS)
            self._findings.add((*path, key), "is not a source of secrets", hint)
        if not unknown:
            self._findings.add(path, "must name one source, as text", _FORMS)

    def _variable(self, name: str, path: KeyPath) -> str | None:
        if not _VARIABLE.fullmatch(name):
            hint = 'Put the name of a variable here, as in { env = "ACME_WA_TOKEN" }'
            self._findings.add((*path, "env"), "is not the name of an environment variable", hint)
            return None
        spoken = name if _SPOKEN_VARIABLE.fullmatch(name) else "named here"
        value = self._env.get(name)
        if value is None:
            hint = 'Set it before you start, or use { file = "path" }'
            self._findings.add(path, f"the environment variable {spoken} is not set", hint)
            return None
        return self._filled(value.strip(), path, f"the environment variable {spoken} is empty")

    def _file(self, name: str, path: KeyPath) -> str | None:
        file = self._folder / name
        try:
            with file.open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                content = stream.read(_MAX_BYTES + 1)
            text = content.decode().strip()
        except (OSError, ValueError) as error:
            sentence = f"the file named here {_why_unreadable(error)}"
            hint = _INIT if path == _SECRET_KEY else _RELATIVE
            self._findings.add(path, sentence, hint)
            return None
        if len(content) > _MAX_BYTES:
            hint = "Name a file that holds the secret and nothing else"
            self._findings.add(path, "the file named here is larger than 64 KiB", hint)
            return None
        if mode & stat.S_IROTH:
            self._findings.warn(path, "anybody on this machine can read the file; chmod 600 it")
        return self._filled(text, path, "the file named here is empty")

    def _filled(self, value: str, path: KeyPath, otherwise: str) -> str | None:
        if value:
            return value
        self._findings.add(path, otherwise, _FORMS)
        return None


def _why_unreadable(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist"
        case PermissionError():
            return "may not be read by this user"
        case UnicodeDecodeError():
            return "is not text"
        case _:
            return "cannot be read"
