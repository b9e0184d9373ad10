"""What each of the provider's codes leads to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from frontdesk import (
    Ambiguous,
    AuthDead,
    Rejected,
    SendError,
    Throttled,
    Unreachable,
    WindowClosed,
)
from plugins.whatsapp.errors import TABLE, in_words, refusal, retry_after, verdict

NOW: Final = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
WAIT: Final = timedelta(seconds=7)
# The sheet of the provider's codes, written down a second time: HTTP status, then the codes.
AGAIN: Final = {503: [2], 500: [131000, 131016, 131057], 400: [133004]}
SLOW_INBOX: Final = {400: [4, 80007, 80008, 130429]}
WINDOW: Final = {400: [131047]}
PAUSE: Final = {
    401: [0, 190],
    403: [10, 200, 299, 131005, 131031],
    500: [3, 131045],
    400: [368, 131037, 131042, 131048, 133010],
}
NEVER: Final = {
    400: [
        *[1, 33, 100, 131008, 131009, 131021, 131026, 131030, 131049, 131050, 131051, 131052],
        *[131053, 131062, 131063, 131064, 130472, 130497, 132000, 132001, 132005, 132007],
        *[132008, 132012, 132015, 132016, 132068, 132069, 135000],
    ]
}


def body(code: object, **more: object) -> bytes:
    error = {"message": "(#1) text", "type": "OAuthException", "code": code, "fbtrace_id": "A"}
    return json.dumps({"error": error | more}).encode()


def pairs(sheet: dict[int, list[int]]) -> list[tuple[int, int]]:
    return [(status, code) for status, codes in sheet.items() for code in codes]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        *[(*pair, Unreachable) for pair in pairs(AGAIN)],
        *[(*pair, Throttled) for pair in pairs(SLOW_INBOX)],
        *[(*pair, WindowClosed) for pair in pairs(WINDOW)],
        *[(*pair, AuthDead) for pair in pairs(PAUSE)],
        *[(*pair, Rejected) for pair in pairs(NEVER)],
    ],
)
def test_code(status: int, code: int, kind: type[SendError]) -> None:
    error = refusal(status, body(code))
    assert type(error) is kind
    assert error.code == str(code)
    assert error.reason.endswith(".")


def test_every_code_of_the_table_is_in_the_sheet() -> None:
    sheets = (AGAIN, SLOW_INBOX, WINDOW, PAUSE, NEVER)
    listed = {code for sheet in sheets for _, code in pairs(sheet)}
    assert set(TABLE) == (listed | {131056}) - {200, 299}


def test_the_whole_inbox_waits_when_it_is_too_fast() -> None:
    error = refusal(400, body(130429), after=WAIT)
    assert isinstance(error, Throttled)
    assert (error.whole_inbox, error.after) == (True, WAIT)


def test_one_contact_waits_when_it_gets_too_much() -> None:
    error = refusal(400, body(131056))
    assert isinstance(error, Throttled)
    assert (error.whole_inbox, error.after) == (False, None)


def test_a_passing_trouble_with_a_retry_after_keeps_it() -> None:
    error = refusal(503, body(2), after=WAIT)
    assert isinstance(error, Throttled)
    assert (error.whole_inbox, error.after) == (True, WAIT)


def test_the_status_never_overrules_a_known_code() -> None:
    assert all(type(refusal(status, body(3))) is AuthDead for status in (200, 400, 429, 500, 503))


@pytest.mark.parametrize(
    ("status", "more", "kind"),
    [
        (400, {}, Rejected),
        (400, {"is_transient": True}, Unreachable),
        (401, {}, AuthDead),
        (429, {}, Throttled),
        (500, {}, Unreachable),
    ],
)
def test_unknown_code(status: int, more: dict[str, object], kind: type[SendError]) -> None:
    error = refusal(status, body(199999, error_data={"details": "The moon is full"}, **more))
    assert type(error) is kind
    assert "The moon is full" in error.reason


def test_code_1_is_tried_again_only_when_the_provider_says_so() -> None:
    assert type(refusal(400, body(1, is_transient=True))) is Unreachable
    assert refusal(400, body(1)).hint == "Try it once more."


def test_a_transient_mark_does_not_reopen_a_window() -> None:
    assert type(refusal(400, body(131047, is_transient=True))) is WindowClosed


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"[]",
        b"{}",
        b'{"error": "text"}',
        b'{"error": {}}',
        b'{"error": {"code": "x"}}',
        b'{"error": {"code": -1}}',
        b'{"error": {"code": true}}',
        b'{"error": {"code": 99999999999999999999}}',
        b"[" * 100_000,
        b"\xff\x00",
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Ambiguous),
        (204, Ambiguous),
        (302, Rejected),
        (400, Rejected),
        (401, AuthDead),
        (403, AuthDead),
        (404, Rejected),
        (408, Ambiguous),
        (413, Rejected),
        (429, Throttled),
        (500, Ambiguous),
        (502, Ambiguous),
        (503, Ambiguous),
        (504, Ambiguous),
    ],
)
def test_an_answer_without_a_code(status: int, answer: bytes, kind: type[SendError]) -> None:
    assert type(refusal(status, answer)) is kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 60 ", 60),
        ("0", 0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30),
        ("1000000000", 86400),
        ("9" * 5000, 86400),
        ("Sun, 22 Nov 2099 12:00:30 GMT", 86400),
    ],
)
def test_retry_after(value: str, seconds: int) -> None:
    assert retry_after(value, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "٣", "Sun, 99 Nov 2026", "\x00"])
def test_retry_after_that_cannot_be_read(value: str) -> None:
    assert retry_after(value, now=NOW) is None


def test_words_for_a_failed_receipt() -> None:
    assert in_words({"code": "131026"})[1] == "Reach this customer another way."
    assert in_words({"code": 5, "title": "Odd"}) == (
        "WhatsApp refused it with code 5: Odd",
        "",
    )
    assert in_words({}) == ("WhatsApp refused it with code none.", "")


def test_the_provider_cannot_fill_the_screen() -> None:
    assert len(in_words({"code": 5, "message": "x" * 10_000})[0]) < 300


def test_permission_codes_are_a_range() -> None:
    assert verdict(199) is None
    assert verdict(200) == verdict(250) == verdict(299) == TABLE[10]
    assert verdict(300) is None
