"""Bodies as a whole: unreadable ones, large ones, and ones that somebody damaged."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontdesk import Incoming, Notice, Unparsed
from plugins.whatsapp import parts, wire
from plugins.whatsapp.wire import MAX_ITEMS, parse_webhook

FIXTURES: Final = Path(__file__).parent / "fixtures"
BODIES: Final = [json.loads(path.read_bytes()) for path in sorted(FIXTURES.glob("*.json"))]
ODD: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(
        ["DE.ENT.1", "image", "system", "1" * 5000, "\u0663", "\u00b2", "{}", "+", "."]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "body", "type", "code", "text"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)


def load(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_bytes())


def first_value(body: Any) -> Any:
    return body["entry"][0]["changes"][0]["value"]


def spots(node: Any) -> list[tuple[Any, Any]]:
    """Every place of a body: its holder and the key or index there."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    found = [(node, key) for key in keys]
    for holder, key in list(found):
        if isinstance(holder[key], dict | list):
            found += spots(holder[key])
    return found


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_body_never_meets_a_fault_of_ours(data: st.DataObject) -> None:
    body = json.loads(json.dumps(data.draw(st.sampled_from(BODIES))))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(spots(body["entry"]) or [(body, "entry")]))
        holder[key] = data.draw(ODD)
        if not isinstance(body["entry"], list):
            break
    try:
        items = parse_webhook(json.dumps(body).encode())
    except Unparsed:
        return
    faults = [item for item in items if isinstance(item, Notice) and "Error" in item.detail]
    assert [item for item in faults if item.kind == "unreadable"] == []


def test_a_form_without_answers_shows_its_body() -> None:
    reply = {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": "{}"}}
    text, shown = parts.read_content("interactive", {"interactive": reply}, [])
    assert (text, shown) == ("Sent", ())


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not valid JSON."),
        (b"hello", "The body is not valid JSON."),
        (b"[]", "The body has no list of entries."),
        (b'"text"', "The body has no list of entries."),
        (b"{}", "The body has no list of entries."),
        (b'{"entry": {}}', "The body has no list of entries."),
        (b'{"entry": [NaN]}', "The body is not valid JSON."),
        (b'{"entry": [9223372036854775808]}', "The JSON holds an integer that does not fit"),
        (b'{"entry": ' + b"[" * 70 + b"]" * 70 + b"}", "The JSON nests too deeply."),
    ],
)
def test_a_body_that_cannot_be_read_is_unparsed(body: bytes, sentence: str) -> None:
    with pytest.raises(Unparsed, match=sentence):
        parse_webhook(body)


def batch_of(count: int) -> bytes:
    body = load("text")
    value = first_value(body)
    value["messages"] = [{**value["messages"][0], "id": f"wamid.{n}"} for n in range(count)]
    return json.dumps(body).encode()


def ids(body: bytes) -> list[str]:
    return [item.source_id for item in parse_webhook(body) if isinstance(item, Incoming)]


def test_the_largest_batch_of_the_provider_is_read() -> None:
    assert ids(batch_of(MAX_ITEMS)) == [f"wamid.{n}" for n in range(MAX_ITEMS)]


def test_a_larger_batch_is_unparsed() -> None:
    with pytest.raises(Unparsed, match="more than 1000 items"):
        parse_webhook(batch_of(MAX_ITEMS + 1))


def test_a_fault_of_ours_in_one_message_spares_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_on_images(kind: str, message: parts.Json, troubles: list[object]) -> parts.Content:
        if kind == "image":
            raise ZeroDivisionError
        return parts.read_content(kind, message, troubles)

    monkeypatch.setattr(wire, "read_content", fail_on_images)
    body = json.loads(batch_of(3))
    first_value(body)["messages"][1]["type"] = "image"
    before, fault, after = parse_webhook(json.dumps(body).encode())
    assert isinstance(before, Incoming)
    assert isinstance(fault, Notice)
    assert (fault.kind, fault.detail) == ("unreadable", "one of messages: ZeroDivisionError")
    assert isinstance(after, Incoming)


def test_an_unnamed_message_keeps_its_id_when_it_comes_again() -> None:
    body = load("text_without_id")
    once = ids(json.dumps(body).encode())
    assert ids(json.dumps(body, indent=4, sort_keys=True).encode()) == once
    first_value(body)["messages"][0]["text"]["body"] = "Hello?"
    assert ids(json.dumps(body).encode()) != once


def _many_senders(count: int) -> bytes:
    body = json.loads(batch_of(count))
    value = first_value(body)
    value["contacts"] = [
        {"wa_id": f"49170{n:07}", "profile": {"name": str(n)}} for n in range(count)
    ]
    for n, message in enumerate(value["messages"]):
        message["from"] = f"49170{count - 1 - n:07}"
    return json.dumps(body).encode()


def _effort(raw: bytes) -> float:
    """The least CPU time of several readings: what else the machine does only adds to it."""
    times = []
    for _ in range(7):
        began = time.process_time()
        parse_webhook(raw)
        times.append(time.process_time() - began)
    return min(times)


def test_a_thousand_senders_are_paired_one_by_one() -> None:
    """Ten times the senders are about ten times the work; each against each would be a hundred."""
    raw = _many_senders(MAX_ITEMS)
    items = parse_webhook(raw)
    names = [item.sender.name for item in items if isinstance(item, Incoming)]
    assert names == [str(MAX_ITEMS - 1 - n) for n in range(MAX_ITEMS)]
    assert _effort(raw) < 40 * _effort(_many_senders(MAX_ITEMS // 10))
