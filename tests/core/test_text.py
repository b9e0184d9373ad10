"""Text and JSON from outside: safe for both stores, never slow, never another error."""

from __future__ import annotations

import json
import time
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.text import clean, decode_json, dict_at, list_at, text_at

ANY_TEXT: Final = st.text(st.characters())
ODD_TEXT: Final = st.text(st.sampled_from("a\x00\ud83d\ude00\udfff é\U0001f600"))
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ODD_TEXT, inner),
)
# Seconds of CPU. Quiet machines need a hundredth; what this guards against takes ten and more.
BUDGET: Final = 1.0
unhurried: Final = settings(deadline=None)  # the machine may be busy with other tests


def storable(value: object) -> bool:
    """Whether both stores take every text and number of it."""
    match value:
        case str():
            return not any(sign == "\x00" or "\ud800" <= sign <= "\udfff" for sign in value)
        case bool() | None | float():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case dict():
            return all(storable(key) and storable(item) for key, item in value.items())
        case list():
            return all(map(storable, value))
        case _:
            return False


@unhurried
@given(ANY_TEXT | ODD_TEXT)
def test_clean_text_is_storable_and_as_long(text: str) -> None:
    assert storable(clean(text))
    assert len(clean(text)) == len(text)
    assert clean(clean(text)) == clean(text)


@unhurried
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_good_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udc00x"', "\ufffdx"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\u0041\ud83d\ude00"', "\ufffdA\U0001f600"),
        (rb'{"\u0000": "\\u0000"}', {"\ufffd": "\\u0000"}),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"12345678901234567890"', "12345678901234567890"),
        (b'"x 12345678901234567890, "', "x 12345678901234567890, "),
        (b"9223372036854775807", 2**63 - 1),
        (b"[-9223372036854775808]", [-(2**63)]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"1.5e3", 1500.0),
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        (b"[" + b"{}," * 99 + b"{}]", [{}] * 100),
    ],
)
def test_decoded(body: bytes, value: object) -> None:
    assert decode_json(body) == value


REFUSED: Final = {
    "nothing": (b"", "not valid JSON"),
    "words": (b"nope", "not valid JSON"),
    "half": (b'{"a": ', "not valid JSON"),
    "half with an escape": (rb'{"a": "\u00e9', "not valid JSON"),
    "control character": (b'"\x00"', "not valid JSON"),
    "utf-16": ('{"a": 1}'.encode("utf-16"), "not valid JSON"),
    "NaN": (b"[NaN]", "not valid JSON"),
    "NaN beside a surrogate": (rb'["\ud800", NaN]', "NaN, which is not JSON"),
    "Infinity beside a surrogate": (rb'["\ud800", -Infinity]', "-Infinity, which is not JSON"),
    "a float beyond range": (b"1e400", "not valid JSON"),
    "the same beside a surrogate": (rb'["\ud800", 1e400]', "out of range"),
    "2^63": (b'{"a": 9223372036854775808}', "does not fit 64 bits"),
    "2^63 at the top": (b"9223372036854775808", "does not fit 64 bits"),
    "2^63 before a line end": (b"[9223372036854775808\n]", "does not fit 64 bits"),
    "2^63 beside a surrogate": (rb'["\ud800", 9223372036854775808]', "does not fit 64 bits"),
    "-2^63-1": (b"[-9223372036854775809]", "does not fit 64 bits"),
    "2^64": (b"[18446744073709551616, 1]", "does not fit 64 bits"),
    "4301 digits": (b"[" + b"1" * 4301 + b"]", "valid JSON|64 bits"),
    "4301 digits beside a surrogate": (rb'["\ud800",' + b"1" * 4301 + b"]", "64 bits"),
    "a million digits": (b"1" * 1_000_000, "valid JSON|64 bits"),
    "65 levels": (b"[" * 65 + b"]" * 65, "nests too deeply"),
    "65 levels of objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "nests too deeply"),
    "a depth bomb": (b"[" * 1_000_000, "nests too deeply"),
    "a depth bomb of objects": (b'{"a":' * 600_000, "nests too deeply"),
    "a depth bomb beside a surrogate": (rb'["\ud800",' + b"[" * 1_000_000, "nests too deeply"),
    "a hash flood": (
        b"[" + b",".join(b"%d" % ((2**61 - 1) * n) for n in range(5, 20_000)) + b"]",
        "does not fit 64 bits",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_at_once_with_a_sentence(what: str) -> None:
    body, words = REFUSED[what]
    began = time.process_time()
    with pytest.raises(ValueError, match=words):
        decode_json(body)
    assert time.process_time() - began < BUDGET


def test_many_keys_are_read_at_once() -> None:
    body = b"{" + b",".join(b'"%d":%d' % (n, n) for n in range(100_000)) + b"}"
    began = time.process_time()
    assert len(decode_json(body)) == 100_000  # type: ignore[arg-type]
    assert time.process_time() - began < 4 * BUDGET  # 1.3 MB, a legal body of its size


@unhurried
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_nothing_else_is_raised_and_all_is_storable(body: bytes) -> None:
    try:
        value = decode_json(body)
    except ValueError as error:
        assert str(error).endswith(".")  # noqa: PT017 - most examples raise nothing
    else:
        assert storable(value)


@unhurried
@given(JSON, st.sampled_from([True, False]))
def test_sound_json_is_read_as_any_reader_does(value: object, escape: bool) -> None:
    assume(storable(value) and finite(value))
    body = json.dumps(value, ensure_ascii=escape).encode()
    assert decode_json(body, depth=1000) == value


def finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@unhurried
@given(JSON)
def test_fields_of_any_type_are_read_without_raising(value: object) -> None:
    holder: dict[str, object] = {"key": value}
    assert isinstance(text_at(holder, "key"), str)
    assert isinstance(dict_at(holder, "key"), dict)
    assert isinstance(list_at(holder, "key"), list)


def test_fields() -> None:
    holder: dict[str, object] = {"a": "x", "n": 7, "b": True, "d": {"e": 1}, "l": [1]}
    assert [text_at(holder, key) for key in "anbdz"] == ["x", "7", "", "", ""]
    assert (dict_at(holder, "d"), dict_at(holder, "a")) == ({"e": 1}, {})
    assert (list_at(holder, "l"), list_at(holder, "d")) == ([1], [])
