"""Reads bodies and queries into the structs that operations declare. Text is cleaned here, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from core.errors import Malformed, NotFound, TooLarge
from core.text import clean, decode_json
from handoff.api.errors import WrongType

S = TypeVar("S")
BODY_BOUND: Final = 1024 * 1024
BODY_SECONDS: Final = 15.0
FIELDS_BOUND: Final = 50
ID_BOUND: Final = 200
KEY_BOUND: Final = 200
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>\w+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<field>.*)`$", re.DOTALL)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an operation that takes none."""


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return the whole body; TooLarge beyond 1 MiB, Malformed when it takes over 15 s."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongType("A compressed body is not taken.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Malformed("Content-Length is not a number.")
    if len(length) > len(str(BODY_BOUND)) or int(length) > BODY_BOUND:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _gather(receive)
    except TimeoutError:
        raise Malformed("The body did not arrive in time.") from None


async def _gather(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_BOUND:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def body_of(kind: type[S], body: bytes, content_type: str | None) -> S:
    """Return the body as `kind`. Raises WrongType unless it says that it is JSON, Malformed."""
    if content_type is not None or body:
        media = (content_type or "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise WrongType("The body must be JSON: Content-Type: application/json.")
    if not body and kind is Nothing:
        return kind()
    try:
        value = decode_json(body)
    except ValueError as error:
        raise Malformed(str(error)) from None
    return _converted(value, kind, strict=True)


def query_of(kind: type[S], query: bytes) -> S:
    """Return the query as `kind`; a parameter without a value counts as absent."""
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), encoding="utf-8", errors="replace", max_num_fields=FIELDS_BOUND
        )
    except ValueError:
        raise Malformed("The query has too many parameters.") from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise Malformed("This parameter is there twice.", field=_spoken(name))
        values[name] = clean(value)
    return _converted(values, kind, strict=False)


def id_of(raw: str) -> str:
    """Return the id in an address; one that nothing can have is not found."""
    text = clean(raw)
    if text != raw or not 0 < len(text) <= ID_BOUND:
        raise NotFound
    return text


def key_of(raw: str | None) -> str | None:
    """Return the Idempotency-Key, None when there is none."""
    if raw is None:
        return None
    key = clean(raw.strip())
    if not 0 < len(key) <= KEY_BOUND:
        raise Malformed(f"The key has 1 to {KEY_BOUND} characters.", field="Idempotency-Key")
    return key


def _converted(value: Any, kind: type[S], *, strict: bool) -> S:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _malformed(str(error)) from None


def _malformed(problem: str) -> Malformed:
    """Say which field is wrong, without giving back what was sent."""
    found = _PLACE.match(problem)
    what, path = (found["what"], found["path"]) if found else (problem, None)
    missing = _MISSING.match(what)
    if missing:
        return Malformed("This field is missing.", field=_joined(path, missing["field"]))
    unknown = _UNKNOWN.match(what)
    if unknown:
        return Malformed("There is no such field.", field=_joined(path, _spoken(unknown["field"])))
    if not what.startswith("Expected "):
        what = "This value is not one of those allowed"
    return Malformed(what.replace("`", "") + ".", field=path or None)


def _joined(path: str | None, field: str | None) -> str | None:
    return f"{path}.{field}" if path and field else field or path


def _spoken(name: str) -> str | None:
    """Return a name that came from outside only if it looks like one."""
    return name if re.fullmatch(r"[\w-]{1,40}", name, re.ASCII) else None


def _too_large() -> TooLarge:
    return TooLarge("A body has at most 1 MiB.")
