"""Who may call the webhook: the handshake, sixteen and more forgeries, and strangers' numbers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from core.config import Secret
from frontdesk import Channel, Forged, Incoming, Notice, WebhookAnswer, WebhookRequest
from plugins.whatsapp.config import WhatsAppInbox
from plugins.whatsapp.plugin import WhatsApp, register_channels

BODY: Final = (Path(__file__).parent / "fixtures" / "text.json").read_bytes()
TWO_NUMBERS: Final = (
    Path(__file__).parent / "fixtures" / "two_accounts_three_numbers.json"
).read_bytes()
HEADER: Final = "x-hub-signature-256"


def inbox(number: str, *secrets: str, **other: Any) -> WhatsAppInbox:
    return WhatsAppInbox(
        phone_number_id=number,
        access_token=Secret("token"),
        app_secret=Secret(*secrets),
        verify_token=Secret("hello-meta", "hello-again"),
        **other,
    )


@pytest.fixture
def channel() -> WhatsApp:
    whatsapp = WhatsApp()
    whatsapp.attach(
        {
            "shop": inbox("700100200300", "now", "before"),
            "spare": inbox("700100200999", "another"),
            "sister": inbox("700100200777", "now"),
        }
    )
    return whatsapp


def sign(secret: str, body: bytes = BODY) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def post(
    body: bytes = BODY, *, name: str = "shop", method: str = "POST", **headers: str
) -> WebhookRequest:
    return WebhookRequest(
        inbox=name,
        method=method,
        body=body,
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        query={},
        received_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def signed(signature: str, body: bytes = BODY, **other: Any) -> WebhookRequest:
    return post(body, **other, x_hub_signature_256=signature)


def get(**query: str) -> WebhookRequest:
    asked = {"mode": "subscribe", "verify_token": "hello-meta", "challenge": "1158201444", **query}
    return WebhookRequest(
        inbox="shop",
        method="GET",
        body=b"",
        headers={},
        query={f"hub.{key}": value for key, value in asked.items()},
        received_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


GOOD: Final = sign("now")
ARABIC: Final = GOOD.translate({ord(str(digit)): 0x660 + digit for digit in range(10)})
FORGERIES: Final = {
    "no header": post(),
    "empty header": signed(""),
    "wrong secret": signed(sign("guess")),
    "empty secret": signed(sign("")),
    "another inbox's secret": signed(sign("another")),
    "truncated": signed(GOOD[:-1]),
    "one digit more": signed(GOOD + "0"),
    "last digit changed": signed(GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1")),
    "only the SHA-1 header": post(
        x_hub_signature=f"sha1={hmac.new(b'now', BODY, hashlib.sha1).hexdigest()}"
    ),
    "SHA-1 in the right header": signed(f"sha1={hmac.new(b'now', BODY, hashlib.sha1).hexdigest()}"),
    "no prefix": signed(GOOD.removeprefix("sha256=")),
    "prefix in capitals": signed(GOOD.replace("sha256", "SHA256")),
    "duplicated header": signed(f"{GOOD}, {GOOD}"),
    "two headers, one good": signed(f"{sign('guess')}, {GOOD}"),
    "digits in capitals": signed("sha256=" + GOOD[7:].upper()),
    "digits of another script": signed(ARABIC),
    "line end": signed(GOOD + "\n"),
    "spaces around": signed(f" {GOOD} "),
    "not ASCII": signed("sha256=" + "é" * 64),
    "lone surrogates": signed("sha256=" + "\ud800" * 64),
    "base64": signed("sha256=" + base64.b64encode(hmac.digest(b"now", BODY, "sha256")).decode()),
    "a byte more in the body": signed(GOOD, BODY + b" "),
    "a byte less in the body": signed(GOOD, BODY[:-1]),
    "JSON written again": signed(GOOD, json.dumps(json.loads(BODY)).encode()),
    "another method": signed(GOOD, BODY + b" ", method="PUT"),
    "an inbox that does not exist": signed(GOOD, name="nowhere"),
}


def test_at_least_the_promised_forgeries() -> None:
    assert len(FORGERIES) >= 16


@pytest.mark.parametrize("how", FORGERIES)
def test_forgery_is_refused(channel: WhatsApp, how: str) -> None:
    with pytest.raises(Forged, match=r"^The signature is missing or wrong\.$"):
        channel.verify(FORGERIES[how])


@pytest.mark.parametrize("secret", ["now", "before"])
def test_every_secret_of_the_inbox_verifies(channel: WhatsApp, secret: str) -> None:
    assert channel.verify(signed(sign(secret))) is None


def test_the_signature_covers_the_raw_bytes(channel: WhatsApp) -> None:
    raw = b'{"entry": [], "note": "\\u00e9\xff\x00"}'
    assert channel.verify(signed(sign("now", raw), raw)) is None


@pytest.mark.parametrize("token", ["hello-meta", "hello-again"])
def test_handshake_echoes_the_challenge(channel: WhatsApp, token: str) -> None:
    assert channel.verify(get(verify_token=token)) == WebhookAnswer(
        status=200, body=b"1158201444", content_type="text/plain; charset=utf-8"
    )


@pytest.mark.parametrize(
    "query",
    [
        {"verify_token": ""},
        {"verify_token": "hello"},
        {"verify_token": "hello-meta "},
        {"verify_token": "é\ud800"},
        {"mode": ""},
        {"mode": "unsubscribe"},
        {"challenge": ""},
        {"challenge": "12\r\nSet-Cookie: a=b"},
        {"challenge": "12 34"},
        {"challenge": "é"},
        {"challenge": "1" * 257},
    ],
)
def test_handshake_is_refused(channel: WhatsApp, query: dict[str, str]) -> None:
    with pytest.raises(Forged):
        channel.verify(get(**query))


def test_handshake_without_any_query_is_refused(channel: WhatsApp) -> None:
    with pytest.raises(Forged):
        channel.verify(post(b"", method="GET"))


def test_items_of_a_number_with_another_secret_are_refused(channel: WhatsApp) -> None:
    request = signed(sign("now", TWO_NUMBERS), TWO_NUMBERS)
    assert channel.verify(request) is None
    shop, spare, sister = channel.parse(request)
    assert isinstance(shop, Incoming)
    assert spare == Notice(kind="foreign", detail="incoming", route="700100200999")
    assert isinstance(sister, Incoming)
    assert sister.route == "700100200777"


def test_an_old_secret_of_ours_opens_no_other_inbox(channel: WhatsApp) -> None:
    request = signed(sign("before", TWO_NUMBERS), TWO_NUMBERS)
    assert channel.verify(request) is None
    kinds = [type(item) for item in channel.parse(request)]
    assert kinds == [Incoming, Notice, Notice]


def test_a_replayed_body_keeps_what_the_same_secrets_signed(channel: WhatsApp) -> None:
    """Its signature is gone: an item stays where every secret of the receiving inbox fits."""
    channel.attach({"twin": inbox("700100200999", "now", "before", "later")})
    kept = channel.parse(msgspec.structs.replace(post(TWO_NUMBERS), replayed=True))
    assert [type(item) for item in kept] == [Incoming, Incoming, Notice]
    lost = channel.parse(post(TWO_NUMBERS))
    assert [type(item) for item in lost] == [Incoming, Notice, Notice]


def test_an_unknown_number_is_left_to_the_core(channel: WhatsApp) -> None:
    body = BODY.replace(b"700100200300", b"123")
    (item,) = channel.parse(signed(sign("now", body), body))
    assert isinstance(item, Incoming)
    assert item.route == "123"


def test_the_channel_is_registered_and_complete() -> None:
    (channel,) = register_channels()
    complete: Channel = channel
    assert complete.name == "whatsapp"
    assert complete.config is WhatsAppInbox
    assert complete.can.files is complete.can.templates is complete.can.react is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": "+49 30 1111"}, "phone_number_id"),
        ({"number": "../me"}, "phone_number_id"),
        ({"api_version": "v25.0"}, "api_version"),
        ({"api_base": "graph.facebook.com"}, "api_base"),
        ({"api_base": "https://user:pw@graph.facebook.com"}, "api_base"),
    ],
)
def test_wrong_options_are_told(change: dict[str, str], words: str) -> None:
    number = change.pop("number", "700100200300")
    with pytest.raises(ValueError, match=words):
        inbox(number, "now", **change)


def test_a_token_with_a_line_end_is_told_without_saying_it() -> None:
    with pytest.raises(ValueError, match="access_token") as told:
        WhatsAppInbox(
            phone_number_id="1",
            access_token=Secret("EAAB\nsecret"),
            app_secret=Secret("s"),
            verify_token=Secret("v"),
        )
    assert "EAAB" not in str(told.value)


def test_options_never_print_their_secrets() -> None:
    assert "now" not in repr(inbox("700100200300", "now"))
