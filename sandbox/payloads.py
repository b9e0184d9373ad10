"""WhatsApp webhook bodies as Meta sends them: pure functions from what happened to signed bytes.

Source of the shapes: Meta's WhatsApp Cloud API webhook reference (`messages` field) and the
sample payloads of its documentation, 2025-2026.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from random import Random
from typing import Literal

import msgspec

Json = dict[str, object]
Layout = Literal["value", "change", "entry"]
StatusName = Literal["sent", "delivered", "read", "failed"]


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A business's WhatsApp number as webhooks name it."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str = "15550001111"


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A person with WhatsApp: `wa_id` is digits without `+`, `user_id` the business-scoped id."""

    wa_id: str
    name: str
    user_id: str | None = None
    username: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One message or one status on its way to the webhook of `number`."""

    number: Number
    kind: Literal["messages", "statuses"]
    payload: Json
    customer: Customer | None = None

    @property
    def wamid(self) -> str:
        """Meta's id of the message, also of the one a status speaks of."""
        return str(self.payload["id"])


def new_wamid(wa_id: str, rng: Random, *, inbound: bool) -> str:
    """Make a message id with the layout real ones have: base64 around the number and hex digits."""
    digits = wa_id.encode()
    unique = rng.randbytes(16 if inbound else 9).hex().upper().encode()
    direction = b"\x12" if inbound else b"\x11"
    raw = b"\x1c\x18" + bytes([len(digits)]) + digits
    raw += b"\x15\x02\x00" + direction + b"\x18" + bytes([len(unique)]) + unique + b"\x00"
    return "wamid." + base64.b64encode(raw).decode()


def message_item(
    number: Number, customer: Customer, content: Mapping[str, object], *, wamid: str, at: datetime
) -> Item:
    """Wrap the content made by `text`, `image`, ... as a message that `customer` sent at `at`."""
    payload: Json = {"from": customer.wa_id}
    if customer.user_id is not None:
        payload["from_user_id"] = customer.user_id
    payload |= {"id": wamid, "timestamp": str(int(at.timestamp())), **content}
    return Item(number=number, kind="messages", payload=payload, customer=customer)


def text(body: str, *, quotes: str | None = None) -> Json:
    """Text; `quotes` is the wamid of the message it answers."""
    content: Json = {"type": "text", "text": {"body": body}}
    if quotes is not None:
        content["context"] = {"id": quotes}
    return content


def image(media_id: str, *, caption: str | None = None) -> Json:
    """A picture, named by the media id that `GET /{media_id}` would resolve."""
    sha256 = base64.b64encode(hashlib.sha256(media_id.encode()).digest()).decode()
    body: Json = {"mime_type": "image/jpeg", "sha256": sha256, "id": media_id}
    if caption is not None:
        body["caption"] = caption
    return {"type": "image", "image": body}


def location(latitude: float, longitude: float, *, name: str | None = None) -> Json:
    """A place on the map; `name` only when the customer chose a known place."""
    body: Json = {"latitude": latitude, "longitude": longitude}
    if name is not None:
        body["name"] = name
    return {"type": "location", "location": body}


def reaction(to_wamid: str, emoji: str) -> Json:
    """A reaction to a message; an empty emoji takes it back."""
    return {"type": "reaction", "reaction": {"message_id": to_wamid, "emoji": emoji}}


def contact_cards(cards: Sequence[tuple[str, str]]) -> Json:
    """Contact cards (name, phone): several cards are one message with one id."""
    return {
        "type": "contacts",
        "contacts": [
            {
                "name": {"first_name": name.split()[0], "formatted_name": name},
                "phones": [{"phone": phone, "type": "CELL"}],
            }
            for name, phone in cards
        ],
    }


def unsupported(kind: str = "poll") -> Json:
    """A message the Cloud API cannot carry; Meta names the kind and gives error 131051."""
    return {
        "type": "unsupported",
        "unsupported": {"type": kind},
        "errors": [
            {
                "code": 131051,
                "title": "Message type unknown",
                "message": "Message type unknown",
                "error_data": {"details": "Message type is currently not supported."},
            }
        ],
    }


def in_group(content: Mapping[str, object], group_id: str) -> Json:
    """Put any content into a group conversation instead of the customer's own."""
    return {**content, "group_id": group_id}


def status_item(
    number: Number,
    *,
    wamid: str,
    status: StatusName,
    recipient_id: str,
    at: datetime,
    tag: str | None = None,
    errors: Sequence[Json] = (),
) -> Item:
    """Tell what became of a message of ours; `tag` is its biz_opaque_callback_data.

    `recipient_id` is a wa_id, or a business-scoped id (`US.1349...`) for a message sent to one.
    """
    recipient_key = "recipient_user_id" if recipient_id[:1].isalpha() else "recipient_id"
    payload: Json = {
        "id": wamid,
        "status": status,
        "timestamp": str(int(at.timestamp())),
        recipient_key: recipient_id,
    }
    if tag is not None:
        payload["biz_opaque_callback_data"] = tag
    if status == "delivered":
        # since v24 no `conversation`, and the price in only one of delivered and read
        payload["pricing"] = {
            "billable": False,
            "pricing_model": "PMP",
            "category": "service",
            "type": "free_customer_service",
        }
    if errors:
        payload["errors"] = list(errors)
    return Item(number=number, kind="statuses", payload=payload)


def encode_body(items: Sequence[Item], *, layout: Layout = "value") -> bytes:
    """Make one webhook body of any number of items, in their order.

    `value` gathers neighbours of one number in one value, `change` gives each item a change of
    its own inside one entry per business account, `entry` gives each item an entry of its own.
    Non-ASCII text is escaped with lower-case hex digits as Meta does before signing.
    """
    body = {"object": "whatsapp_business_account", "entry": _entries(items, layout)}
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode()


def sign(app_secret: str, raw: bytes) -> str:
    """Compute the X-Hub-Signature-256 header of these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), raw, hashlib.sha256).hexdigest()


def _entries(items: Sequence[Item], layout: Layout) -> list[Json]:
    if layout == "entry":
        return [_entry(item.number.waba_id, [[item]]) for item in items]
    entries = []
    for waba_id, of_account in groupby(items, key=lambda item: item.number.waba_id):
        if layout == "change":
            changes = [[item] for item in of_account]
        else:
            changes = [list(same) for _, same in groupby(of_account, key=lambda item: item.number)]
        entries.append(_entry(waba_id, changes))
    return entries


def _entry(waba_id: str, changes: Sequence[Sequence[Item]]) -> Json:
    return {
        "id": waba_id,
        "changes": [{"value": _value(items), "field": "messages"} for items in changes],
    }


def _value(items: Sequence[Item]) -> Json:
    number = items[0].number
    value: Json = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
    }
    customers = {item.customer.wa_id: item.customer for item in items if item.customer}
    if customers:
        # Meta promises no common order of contacts and messages: readers must pair them by id
        value["contacts"] = [_contact(one) for one in reversed(customers.values())]
    for kind in ("messages", "statuses"):
        payloads = [item.payload for item in items if item.kind == kind]
        if payloads:
            value[kind] = payloads
    return value


def _contact(customer: Customer) -> Json:
    profile: Json = {"name": customer.name}
    if customer.username is not None:
        profile["username"] = customer.username
    contact: Json = {"profile": profile, "wa_id": customer.wa_id}
    if customer.user_id is not None:
        contact["user_id"] = customer.user_id
    return contact
