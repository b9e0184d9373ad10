"""Every payload of ./fixtures and exactly what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from frontdesk import (
    Button,
    ButtonsPart,
    ContactCard,
    ContactsPart,
    FilePart,
    Inbound,
    Incoming,
    LocationPart,
    Notice,
    OrderLine,
    OrderPart,
    Part,
    Receipt,
    ReferralPart,
    Sender,
    StickerPart,
    UnsupportedPart,
)
from plugins.whatsapp.wire import parse_webhook

FIXTURES: Final = Path(__file__).parent / "fixtures"
NUMBER: Final = "700100200300"
ANN: Final = Sender(keys=("491700000001",), name="Ann Example", phone="+491700000001")
SENT_AT: Final = datetime.fromtimestamp(1790000000, tz=UTC)


def said(text: str = "", *more: Part, **other: Any) -> list[Inbound]:
    """What Ann wrote in one message."""
    return [one(text, *more, **other)]


def one(text: str = "", *more: Part, **other: Any) -> Incoming:
    told = {"source_id": "wamid.one", "sender": ANN, "sent_at": SENT_AT, "route": NUMBER, **other}
    return Incoming(text=text, parts=more, **told)


def noticed(kind: str, detail: str = "wamid.one", route: str = NUMBER) -> list[Inbound]:
    return [Notice(kind=kind, detail=detail, route=route)]


def became(state: Any, **other: Any) -> list[Inbound]:
    at = datetime.fromtimestamp(1790000100, tz=UTC)
    return [Receipt(source_id="wamid.ours", state=state, at=at, route=NUMBER, **other)]


def person(*keys: str, name: str = "Ann Example", phone: str = "", username: str = "") -> Sender:
    return Sender(keys=keys, name=name, phone=phone, username=username)


def placeholder(what: str, reason: str = "") -> UnsupportedPart:
    return UnsupportedPart(what=what, reason=reason)


LAMP: Final = "My broken lamp"
BEN: Final = person("491700000002", name="Ben", phone="+491700000002")
MESSAGES: Final[dict[str, list[Inbound]]] = {
    "text": said("Hello"),
    "text_that_quotes": said("Yes, that one", quote="wamid.asked"),
    "text_forwarded": said("Hello"),
    "text_with_nul_and_lone_surrogate": said(
        "a\ufffdb\ufffdc \U0001f600",
        sender=person("491700000001", name="A\ufffdnn", phone="+491700000001"),
    ),
    "text_empty": said("", placeholder("text")),
    "text_time_unreadable": said("Hello", sent_at=None),
    "text_without_metadata": said("Hello", route=""),
    "text_without_id": said("Hello", source_id="unnamed:1bfa871deef62c7e487b34fe72201e80"),
    "text_numbers_as_numbers": said("12345"),
    "image_with_caption": said(LAMP, FilePart(media="image", ref="5550001", type="image/jpeg")),
    "image_whose_download_failed": said(LAMP, placeholder("image", "Failed to download the media")),
    "image_without_id": said("", placeholder("image")),
    "document_with_accents": said(
        "",
        FilePart(media="file", ref="5550002", name="Currículo 2026.pdf", type="application/pdf"),
    ),
    "voice_note": said("", FilePart(media="audio", ref="5550003", type="audio/ogg", voice=True)),
    "video": said("", FilePart(media="video", ref="5550004", type="video/mp4")),
    "sticker_animated": said("", StickerPart(ref="5550005", type="image/webp", animated=True)),
    "location_without_type": said(
        "",
        LocationPart(latitude=41.0082, longitude=28.9784, name="Office", address="Main Street 1"),
    ),
    "location_in_words": said("", placeholder("location")),
    "location_beyond_the_globe": said("", placeholder("location")),
    "contacts_two_cards": said(
        "",
        ContactsPart(
            cards=(
                ContactCard(name="Bob Builder", phones=("+49 170 2",), emails=("bob@example.com",)),
                ContactCard(name="Cleo Pat"),
            )
        ),
    ),
    "order": said(
        "",
        OrderPart(
            lines=(
                OrderLine(product="LAMP-1", quantity=2, price="19.5 EUR"),
                OrderLine(product="BULB", quantity=1, price=""),
            ),
            note="Please gift-wrap",
        ),
    ),
    "button_of_template": said(
        "Confirm",
        ButtonsPart(buttons=(Button(title="Confirm", value="confirm-77"),), chosen="confirm-77"),
    ),
    "button_reply": said(
        "Yes, please",
        ButtonsPart(buttons=(Button(title="Yes, please", value="yes"),), chosen="yes"),
        quote="wamid.asked",
    ),
    "list_reply": said(
        "Returns", ButtonsPart(buttons=(Button(title="Returns", value="row-3"),), chosen="row-3")
    ),
    "form_filled": said("city: İzmir\nguests: 2\nwishes: quiet, 1, null\nsmoker: false"),
    "form_with_unreadable_answers": said("{oops"),
    "call_permission_given": said("", placeholder("call_permission_reply", "accept")),
    "interactive_without_content": said(
        "", placeholder("interactive", "Unsupported webhook payload")
    ),
    "unsupported_poll": said(
        "", placeholder("poll_creation", "Message type is currently not supported.")
    ),
    "unknown_kind": said("Look at this", placeholder("hologram")),
    "advertisement": said(
        "Is it still there?",
        ReferralPart(
            source="ad", url="https://fb.example/ad/1", headline="Lamps -20 %", ref="clid-9"
        ),
    ),
    "question_about_a_product": said(
        "How tall is it?", ReferralPart(source="product", ref="44/LAMP-1"), quote="wamid.asked"
    ),
}
SENDERS: Final[dict[str, list[Inbound]]] = {
    "sender_with_all_three_ids": said(
        "Hello",
        sender=person(
            "DE.ENT.118157",
            "DE.1349120865",
            "491700000001",
            phone="+491700000001",
            username="ann.ex",
        ),
    ),
    "sender_without_number": said(
        "Hello", sender=person("DE.ENT.118157", "DE.1349120865", username="ann.ex")
    ),
    "sender_id_in_the_number_field": said("Hello", sender=person("DE.1349120865")),
    "sender_unlike_the_only_contact": said("Hello"),
    "sender_without_contacts": said(
        "Hello", sender=person("491700000001", name="", phone="+491700000001")
    ),
    "two_senders_contacts_in_other_order": [
        one("from Ben", source_id="wamid.b", sender=BEN),
        one("from Ann", source_id="wamid.a"),
    ],
    "two_senders_one_contact": [
        one("from Ben", source_id="wamid.b", sender=Sender(keys=BEN.keys, phone=BEN.phone)),
        one("from Ann", source_id="wamid.a"),
    ],
}
NOTICES: Final[dict[str, list[Inbound]]] = {
    "notice_reaction": noticed("reaction"),
    "notice_edit": noticed("edit"),
    "notice_revoke": noticed("revoke"),
    "notice_system": noticed("system"),
    "notice_request_welcome": noticed("request_welcome"),
    "notice_ephemeral": noticed("ephemeral"),
    "notice_group_message": noticed("group"),
    "notice_echoes": noticed("echo", "wamid.phone1") + noticed("echo", "wamid.phone2"),
    "notice_history": noticed("history", ""),
    "notice_unknown_field": noticed("unknown_field", "weather_update"),
    "notice_account_error": noticed(
        "account_error", "The number sends faster than WhatsApp allows."
    ),
    "notice_empty_value": noticed("empty", ""),
}
STATUSES: Final[dict[str, list[Inbound]]] = {
    "status_sent_with_our_tag": became("sent", tag="attempt-77"),
    "status_delivered": became("delivered"),
    "status_read": became("read"),
    "status_played": became("read"),
    "status_failed_window_closed": became(
        "failed",
        reason="More than 24 hours have passed since the customer wrote.",
        hint="Send a template.",
    ),
    "status_failed_unknown_code": became(
        "failed", reason="WhatsApp refused it with code 199999: The moon is full"
    ),
    "status_failed_without_errors": became("failed", reason="WhatsApp gave no reason."),
    "status_unknown": noticed("status", "deleted"),
    "status_of_a_group": noticed("group_status", "wamid.ours"),
    "status_for_an_id_only": became("delivered"),
}
BATCHES: Final[dict[str, list[Inbound]]] = {
    "two_accounts_three_numbers": [
        one("to the first", source_id="wamid.1"),
        one("to the second", source_id="wamid.2", route="700100200999"),
        one("to another account", source_id="wamid.3", route="700100200777"),
    ],
    "statuses_before_messages": said("Hello") + became("delivered") + became("read"),
    "bad_items_between_good_ones": [
        one("first", source_id="wamid.1"),
        *noticed("unreadable", "one of messages is not an object"),
        *noticed("unreadable", "a message without a sender"),
        one("last", source_id="wamid.2"),
        *noticed("unreadable", "messages is not a list"),
        *noticed("unreadable", "one of statuses is not an object"),
        *noticed("unreadable", "a status without an id"),
        *became("sent"),
    ],
    "bad_entries_between_good_ones": [
        *noticed("unreadable", "a change without a value", route="") * 4,
        one("Hello"),
    ],
}
EXPECTED: Final = MESSAGES | SENDERS | NOTICES | STATUSES | BATCHES


@pytest.mark.parametrize("name", EXPECTED)
def test_payload(name: str) -> None:
    assert parse_webhook((FIXTURES / f"{name}.json").read_bytes()) == EXPECTED[name]


def test_every_fixture_has_an_expectation() -> None:
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(EXPECTED)
