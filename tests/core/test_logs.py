"""No secret in any log line, whatever library wrote it, and one line for each."""

from __future__ import annotations

import io
import json
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core import logs
from core.redactor import HIDDEN, Redactor, hide, without_secrets

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLW9mLWl0"
CANARIES = {
    "query": ("GET https://graph.example/v25.0/1?access_token=CANARY123&x=1", "CANARY123"),
    "form": ("client_secret=CANARY123&grant_type=x", "CANARY123"),
    "json": ('{"app_secret": "CANARY123", "x": 1}', "CANARY123"),
    "repr": ("{'password': 'CANARY123'}", "CANARY123"),
    "bot": ("POST https://api.telegram.org/bot123456:CANARY-abc_DEF/sendMessage", "CANARY-abc_DEF"),
    "bearer": ("Authorization: Bearer CANARY123456", "CANARY123456"),
    "bearer alone": ("headers=[(b'x', b'Bearer CANARY123456')]", "CANARY123456"),
    "basic": ("authorization=Basic Q0FOQVJZOkNBTkFSWQ==", "Q0FOQVJZ"),
    "cookie": ("Cookie: frontdesk=CANARY123; other=CANARY456", "CANARY"),
    "set-cookie": ("set-cookie: __Host-frontdesk=CANARY123; Path=/", "CANARY123"),
    "csrf": ("X-CSRF-Token: CANARY123", "CANARY123"),
    "jwt": (f"token {JWT} refused", JWT.split(".")[1]),
    "url": ("postgresql://frontdesk:CANARY123@db/frontdesk refused", "CANARY123"),
    "meta": ("invalid EAAJZCANARY0123456789abcdef", "CANARY0123456789"),
    "slack": ("invalid xoxb-CANARY-123456", "CANARY"),
    "mail": ("no such recipient ann.canary+x@acme.example here", "ann.canary"),
    "phone": ("to +4915112345678 failed", "4915112345678"),
    "known": ("refused: the-configured-secret!", "the-configured-secret!"),
}


@pytest.fixture
def lines() -> Iterator[Any]:
    """Set logging up as `serve` does; gives what reads the lines written so far."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    stream = io.StringIO()
    logs.set_up(level="debug", stream=stream)
    hide(["the-configured-secret!"])
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level, config = before
    root.setLevel(level)
    structlog.configure(**config)
    logging.captureWarnings(capture=False)


@pytest.mark.parametrize("name", CANARIES)
def test_no_canary_gets_through(lines: Any, name: str) -> None:
    text, secret = CANARIES[name]
    foreign = logging.getLogger("some.library")
    foreign.debug(text)
    foreign.info("%s", text)
    foreign.warning("with an argument %r", {"text": text})
    structlog.get_logger("ours").info("it happened", detail=text, nested={"a": [text, (text,)]})
    try:
        fail(text)
    except RuntimeError:
        foreign.exception("it failed")
        structlog.get_logger("ours").exception("it failed")
    written = json.dumps(lines())
    assert len(lines()) == 6
    assert secret not in written
    assert HIDDEN in written


def fail(text: str) -> None:
    """Raise an error whose cause holds a text."""
    try:
        known: dict[str, str] = {}
        known[text]
    except KeyError as error:
        raise RuntimeError("outer") from error


def test_fields_that_sound_secret_are_hidden(lines: Any) -> None:
    structlog.get_logger().info(
        "x", access_token="abc", csrf="abc", cookies={"a": "abc"}, has_password=True, digest=None
    )
    (line,) = lines()
    assert "abc" not in json.dumps(line)
    assert line["has_password"] is True
    assert line["digest"] is None


@pytest.mark.parametrize("break_", ["\n", "\r", "\u2028", "\u2029", "\x1b[31m", "\x00", "\x85"])
def test_input_stays_on_one_line(lines: Any, break_: str) -> None:
    logging.getLogger("x").info("a name: %s", f"Ann{break_}{{}}")
    (line,) = lines()
    assert line["event"] == f"a name: Ann{break_}{{}}"


def test_on_a_terminal_control_characters_are_written_out() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.set_up(stream=stream, readable=True)
        logging.getLogger("x").warning("a name: %s", "Ann\x1b[31m\u202e")
        logging.getLogger("x").warning("a token: %s", "access_token=CANARY123")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.captureWarnings(capture=False)
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\\u001b[31m\\u202e" in text
    assert "CANARY123" not in text


def test_a_line_says_what_is_needed(lines: Any) -> None:
    logging.getLogger("frontdesk.x").warning("it happened %d times", 3)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == (
        "it happened 3 times",
        "warning",
        "frontdesk.x",
    )
    assert line["timestamp"].endswith("Z")


def test_requests_of_clients_are_not_logged(lines: Any) -> None:
    for name in ("httpx", "httpx2", "httpcore.http11", "uvicorn.access"):
        logging.getLogger(name).info("GET https://provider.example/?x=1")
    assert lines() == []
    logging.getLogger("uvicorn.error").error("it failed")
    assert len(lines()) == 1


def test_warnings_are_logged(lines: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old: access_token=CANARY123", DeprecationWarning, stacklevel=1)
    (line,) = lines()
    assert "CANARY123" not in line["event"]


def test_our_own_sentences_keep_their_words() -> None:
    sentence = "plugins.toml:1: frontdesk.secret_key: the file named here does not exist."
    assert without_secrets(sentence) == sentence
    assert "CANARY" not in without_secrets("postgresql://me:CANARY@host/x refused")


def test_short_secrets_do_not_hide_everything() -> None:
    redactor = Redactor()
    redactor.hide(["a", ""])
    assert redactor.text("a banana") == "a banana"


@given(st.text(max_size=400))
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(Redactor().text(text), str)


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "password" * 40_000, "@" * 300_000, "eyJ" * 100_000, "a@" * 150_000,
             "a@b." * 70_000, "://" * 100_000, "basic " * 50_000, "cookie:" * 40_000, " " * 300_000]
)  # fmt: skip
def test_a_long_line_costs_little(text: str) -> None:
    began = time.process_time()
    Redactor().text(text)
    assert time.process_time() - began < 2.0


def test_a_multi_line_trace_keeps_its_lines() -> None:
    text = "Traceback\n  Cookie: a=b\nValueError: x"
    assert Redactor().text(text) == f"Traceback\n  Cookie: {HIDDEN}\nValueError: x"
