"""Hiding secrets in what is logged or printed.

Hidden are the secrets of plugins.toml wherever they turn up, whatever is written like a token, a
cookie or an e-mail address, and the values of fields whose name says that they are secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

HIDDEN: Final = "[hidden]"
SHORTEST_SECRET: Final = 6
LONGEST_TEXT: Final = 32_000
_DEPTH: Final = 6
_PASSWORD_IN_ADDRESS: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_SHAPES: Final = (
    # ?access_token=..., password=..., "app_secret": "..."
    (
        re.compile(
            r"""(?ix) \b (access_token|app_secret|appsecret_proof|client_secret|verify_token
            |secret_key|signing_secret|bot_token|app_token|password|passwd|pgpassword|token|csrf)
            (["']?\s*[=:]\s*["']?) [^\s"'&,;})\]]+"""
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"/bot\d+:[\w-]+"), f"/bot{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(r"(?i)\b(authorization|(?:set-)?cookie|x-csrf-token)(['\"]?\s*[=:]\s*)[^\r\n]+"),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*"), HIDDEN),
    (_PASSWORD_IN_ADDRESS, f"://{HIDDEN}@"),
    (re.compile(r"\bEAA[A-Za-z0-9]{16,}|\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}"), HIDDEN),
    # Bounded and tied to a word's start: else a long line without @ would take minutes.
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}"), f"{HIDDEN}@"),
    (re.compile(r"\+\d{8,15}\b"), HIDDEN),
)
_SECRET_FIELD: Final = re.compile(
    r"(?i)(secret|token|password|passwd|authorization|cookie|csrf|api_?key|digest)"
)


class Redactor:
    """A structlog processor that hides secrets: by shape, by field, and those it was told of."""

    def __init__(self) -> None:
        """Know shapes only."""
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def hide(self, values: Iterable[str]) -> None:
        """Learn secrets; those shorter than six characters would hide half of every line."""
        self._values |= {value for value in values if len(value) >= SHORTEST_SECRET}
        longest_first = sorted(self._values, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Go through everything that would be printed."""
        return {name: self._field(str(name), value, 0) for name, value in event.items()}

    def text(self, text: str) -> str:
        """Hide what is secret in one text; of a huge one only beginning and end are left."""
        if len(text) > LONGEST_TEXT:
            half = LONGEST_TEXT // 2
            text = f"{text[:half]} [...] {text[-half:]}"
        text = self.known(text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def known(self, text: str) -> str:
        """Hide what was learnt, and nothing that only looks secret."""
        return text if self._known is None else self._known.sub(HIDDEN, text)

    def _field(self, name: str, value: Any, depth: int) -> Any:
        if _SECRET_FIELD.search(name) and value not in (None, "", True, False):
            return HIDDEN
        return self._value(value, depth)

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth < _DEPTH and isinstance(value, Mapping):
            return {
                self.text(str(key)): self._field(str(key), one, depth + 1)
                for key, one in value.items()
            }
        if depth < _DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [self._value(one, depth + 1) for one in value]
        return self.text(value if isinstance(value, str) else repr(value))


REDACTOR: Final = Redactor()
"""The process's own."""


def hide(values: Iterable[str]) -> None:
    """Hide these secrets in every line from now on."""
    REDACTOR.hide(values)


def without_secrets(text: str) -> str:
    """Hide known secrets and passwords in addresses: for our own sentences, which are printed."""
    return _PASSWORD_IN_ADDRESS.sub(f"://{HIDDEN}@", REDACTOR.known(text))
