"""Text and JSON from outside, made safe once at the edge.

Nothing here trusts its input: a body may be a bomb, a field may have any type. Every function is
pure; bodies are bounded by the caller (a channel's `body_limit`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

import msgspec

_INT64: Final = range(-(2**63), 2**63)
_INT64_DIGITS: Final = 19
_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"
# A number token ends before a comma, a bracket or a space, an id in quotes before the quote: bodies
# full of 20-digit ids stay on the fast path. A regular expression for this costs 9 µs, this 0.9.
_SHAPES: Final = bytes(
    ord("0") if chr(code) in "0123456789" else ord(",") if chr(code) in ",]} \t\r\n" else ord("x")
    for code in range(256)
)
_LONG: Final = b"0" * _INT64_DIGITS
_ESCAPED_NUL: Final = b"\\u0000"
_decode = msgspec.json.Decoder().decode


def clean(text: str) -> str:
    """Replaces NUL and lone surrogates by U+FFFD.

    SQLite stores a NUL and PostgreSQL refuses it; both refuse a lone surrogate. Left in, such a
    text is a message that only one of the two stores can hold.
    """
    if text.isascii():
        return text.replace("\x00", _REPLACEMENT)
    return _UNSAFE.sub(_REPLACEMENT, text)


def decode_json(body: bytes, *, depth: int = 64) -> object:
    """Reads JSON whose texts are clean, whose integers fit int64 and which nests at most `depth`.

    Invalid UTF-8, NUL and lone surrogates become U+FFFD; of a key given twice the last wins.
    Raises ValueError with one sentence for anything else: bad syntax, NaN, Infinity, 1e400,
    integers beyond int64 (as dict keys, 20,000 chosen ones cost 12 s), deeper nesting.
    """
    try:
        value = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _checked(_decode_odd(body, error), depth)
    if _needs_walk(body, depth):
        return _checked(value, depth)
    return value


def text_at(holder: Mapping[str, object], key: str) -> str:
    """The text at `key`; a whole number as its digits; empty for anything else."""
    value = holder.get(key)
    if type(value) is str:
        return value
    return str(value) if type(value) is int else ""


def dict_at(holder: Mapping[str, object], key: str) -> dict[str, object]:
    """The object at `key`, or an empty one."""
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def list_at(holder: Mapping[str, object], key: str) -> list[object]:
    """The list at `key`, or an empty one."""
    value = holder.get(key)
    return value if isinstance(value, list) else []


def _needs_walk(body: bytes, depth: int) -> bool:
    """Says whether the scans of the bytes, cheaper than a walk, found something to look at."""
    if body.count(b"{") + body.count(b"[") > depth or _ESCAPED_NUL in body:
        return True
    shape = body.translate(_SHAPES)
    return _LONG + b"," in shape or shape.endswith(_LONG)


def _decode_odd(body: bytes, error: Exception) -> object:
    """Reads what msgspec refuses but should be kept: lone surrogates and invalid UTF-8."""
    if isinstance(error, RecursionError):
        raise _too_deep() from error
    if not isinstance(error, UnicodeDecodeError) and b"\\u" not in body:
        raise _malformed() from error
    try:
        return json.loads(
            body.decode("utf-8", "replace"),
            parse_int=_int64,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except RecursionError as again:
        raise _too_deep() from again
    except json.JSONDecodeError as again:
        raise _malformed() from again


def _checked(value: object, depth: int) -> object:
    """The same value with clean texts; raises for integers beyond int64 and for depth."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and value not in _INT64:
        raise _too_long()
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise _too_deep()
    if isinstance(value, dict):
        return {clean(key): _checked(item, depth - 1) for key, item in value.items()}
    return [_checked(item, depth - 1) for item in value]


def _int64(digits: str) -> int:
    if len(digits.lstrip("-")) > _INT64_DIGITS:
        raise _too_long()
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        message = "The JSON holds a number that is out of range."
        raise ValueError(message)
    return number


def _refuse_constant(name: str) -> float:
    message = f"The JSON holds {name}, which is not JSON."
    raise ValueError(message)


def _malformed() -> ValueError:
    return ValueError("The body is not valid JSON.")


def _too_deep() -> ValueError:
    return ValueError("The JSON nests too deeply.")


def _too_long() -> ValueError:
    return ValueError("The JSON holds an integer that does not fit 64 bits.")
