"""A WhatsApp webhook body as our models. Pure.

One body holds many entries, changes, messages and statuses, and Meta does batch them: everything is
read, and an item that cannot be read becomes a Notice beside its neighbours.
Source: developers.facebook.com/docs/whatsapp/cloud-api/webhooks, sheet of late 2025.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from core.models.inbound import ReceiptState
from core.text import decode_json, dict_at, list_at, text_at
from frontdesk import Inbound, Incoming, Notice, Receipt, Unparsed
from plugins.whatsapp.errors import in_words
from plugins.whatsapp.parts import Json, kind_of, read_content
from plugins.whatsapp.senders import Senders

MAX_ITEMS: Final = 1000  # Meta's own limit of updates in one body

_STATES: Final[Mapping[str, ReceiptState]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}
_NOT_MESSAGES: Final = frozenset(
    {"edit", "ephemeral", "reaction", "request_welcome", "revoke", "system"}
)
_FIELDS: Final = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_settings_update",
        "account_update",
        "business_capability_update",
        "calls",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "history",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "smb_app_state_sync",
        "smb_message_echoes",
        "template_category_update",
        "user_id_update",
        "user_preferences",
    }
)


def parse_webhook(body: bytes) -> list[Inbound]:
    """Reads every item of a body: messages and notices in their order, then receipts.

    Raises Unparsed when the body as a whole cannot be read.
    """
    try:
        envelope = decode_json(body)
    except ValueError as error:
        raise Unparsed(str(error)) from error
    entries = envelope.get("entry") if isinstance(envelope, dict) else None
    if not isinstance(entries, list):
        message = "The body has no list of entries."
        raise Unparsed(message)
    items: list[Inbound] = []
    receipts: list[Inbound] = []
    for entry in entries:
        for change in _changes(entry):
            _read_change(change, items, receipts)
        if len(items) + len(receipts) > MAX_ITEMS:
            message = f"The body holds more than {MAX_ITEMS} items."
            raise Unparsed(message)
    return items + receipts


def _changes(entry: object) -> list[object]:
    changes = entry.get("changes") if isinstance(entry, dict) else None
    return changes if isinstance(changes, list) else [None]


def _read_change(change: object, items: list[Inbound], receipts: list[Inbound]) -> None:
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(change, dict) or not isinstance(value, dict):
        items.append(_unreadable("a change without a value"))
        return
    field = text_at(change, "field")
    route = text_at(dict_at(value, "metadata"), "phone_number_id")
    echoes = list_at(value, "message_echoes")
    if field not in {"", "messages"} or echoes:
        items.extend(_other_field(field, echoes, route))
        return
    before = len(items) + len(receipts)
    if "messages" in value:
        _read_messages(value, route, items)
    if "statuses" in value:
        _read_each(value, "statuses", route, receipts, _read_status)
    if len(items) + len(receipts) == before:
        items.append(_value_without_items(value, route))


def _other_field(field: str, echoes: list[object], route: str) -> list[Inbound]:
    if echoes:
        ids = (text_at(echo, "id") if isinstance(echo, dict) else "" for echo in echoes)
        return [Notice(kind="echo", detail=id_, route=route) for id_ in ids]
    if field in _FIELDS:
        return [Notice(kind=field, route=route)]
    return [Notice(kind="unknown_field", detail=field, route=route)]


def _value_without_items(value: Json, route: str) -> Notice:
    errors = list_at(value, "errors")
    if errors and isinstance(errors[0], dict):
        return Notice(kind="account_error", detail=in_words(errors[0])[0], route=route)
    return Notice(kind="empty", route=route)


def _read_messages(value: Json, route: str, items: list[Inbound]) -> None:
    senders = Senders(value)
    troubles = list_at(value, "errors")

    def read(message: Json, route: str) -> Inbound:
        return _read_message(message, route, senders, troubles)

    _read_each(value, "messages", route, items, read)


def _read_each(
    value: Json,
    key: str,
    route: str,
    into: list[Inbound],
    read: Callable[[Json, str], Inbound],
) -> None:
    found = value[key]
    if not isinstance(found, list):
        into.append(_unreadable(f"{key} is not a list", route))
        return
    for item in found:
        if not isinstance(item, dict):
            into.append(_unreadable(f"one of {key} is not an object", route))
            continue
        try:
            into.append(read(item, route))
        except Exception as error:  # noqa: BLE001 - a fault of ours in one item must not hide the others
            into.append(_unreadable(f"one of {key}: {type(error).__name__}", route))


def _read_message(message: Json, route: str, senders: Senders, troubles: list[object]) -> Inbound:
    kind = kind_of(message)
    source_id = text_at(message, "id")
    if "group_id" in message:
        return Notice(kind="group", detail=source_id, route=route)
    if kind in _NOT_MESSAGES:
        return Notice(kind=kind, detail=source_id, route=route)
    sender = senders.of(message)
    if not sender.keys:
        return _unreadable("a message without a sender", route)
    text, parts = read_content(kind, message, troubles)
    return Incoming(
        source_id=source_id or _made_up_id(message),
        sender=sender,
        text=text,
        parts=parts,
        quote=text_at(dict_at(message, "context"), "id"),
        sent_at=_moment(message),
        route=route,
    )


def _made_up_id(message: Json) -> str:
    """The same for the same message delivered again; Meta always sends an id, resellers may not."""
    content = msgspec.json.encode(message, order="deterministic")
    return f"unnamed:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def _read_status(status: Json, route: str) -> Inbound:
    name = text_at(status, "status")
    state = _STATES.get(name)
    source_id = text_at(status, "id")
    if text_at(status, "recipient_type") == "group":
        return Notice(kind="group_status", detail=source_id, route=route)
    if state is None:
        return Notice(kind="status", detail=name, route=route)
    if not source_id:
        return _unreadable("a status without an id", route)
    reason, hint = _why_failed(status) if state == "failed" else ("", "")
    return Receipt(
        source_id=source_id,
        state=state,
        tag=text_at(status, "biz_opaque_callback_data"),
        at=_moment(status),
        reason=reason,
        hint=hint,
        route=route,
    )


def _why_failed(status: Json) -> tuple[str, str]:
    errors = list_at(status, "errors")
    if errors and isinstance(errors[0], dict):
        return in_words(errors[0])
    return "WhatsApp gave no reason.", ""


def _moment(item: Json) -> datetime | None:
    """The time of an item: seconds since 1970, usually as text."""
    seconds = text_at(item, "timestamp")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 11):
        return None
    return datetime.fromtimestamp(int(seconds), tz=UTC)


def _unreadable(detail: str, route: str = "") -> Notice:
    return Notice(kind="unreadable", detail=detail, route=route)
