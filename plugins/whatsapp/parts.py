"""What one message of a customer says: its text and its parts. Pure.

Nothing is lost and nothing raises on purpose: a kind or shape we cannot show becomes a placeholder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from core.text import decode_json, dict_at, list_at, text_at
from frontdesk import (
    Button,
    ButtonsPart,
    ContactCard,
    ContactsPart,
    FilePart,
    LocationPart,
    OrderLine,
    OrderPart,
    Part,
    ReferralPart,
    StickerPart,
    UnsupportedPart,
)
from plugins.whatsapp.errors import provider_words

Content = tuple[str, tuple[Part, ...]]
"""The text, and the parts beside it."""
Json = dict[str, object]

_EMPTY: Final[Content] = ("", ())
_MEDIA: Final = {"audio": "audio", "document": "file", "image": "image", "video": "video"}


def kind_of(message: Mapping[str, object]) -> str:
    """The message's type; some samples have none, then the content that is there says it."""
    kind = text_at(message, "type")
    if kind:
        return kind
    return next((known for known in READERS if known in message), "unknown")


def read_content(kind: str, message: Json, troubles: list[object]) -> Content:
    """Text and parts of a message of this kind, never both empty.

    `troubles` are the errors that WhatsApp reported next to the message: they explain a message
    without content. The message's own errors make it a placeholder that keeps the words.
    """
    own = list_at(message, "errors")
    reader = READERS.get(kind)
    text, parts = reader(message) if reader else (_words_of(kind, message), ())
    if own or not (reader and (text or parts)):
        parts = (_placeholder(kind, message, own or troubles),)
    if "referral" in message or "context" in message:
        parts += _origin(message)
    return text, parts


def _placeholder(kind: str, message: Json, errors: list[object]) -> UnsupportedPart:
    first = errors[0] if errors else None
    reason = provider_words(first) if isinstance(first, dict) else ""
    if kind == "interactive":
        kind = text_at(dict_at(message, kind), "type") or kind
    what = text_at(dict_at(message, "unsupported"), "type") or kind
    return UnsupportedPart(what=what, reason=reason)


def _words_of(kind: str, message: Json) -> str:
    """The words of a kind that is new to us, wherever it keeps them."""
    body = dict_at(message, kind)
    return text_at(dict_at(message, "text"), "body") or text_at(body, "caption")


def _text(message: Json) -> Content:
    return text_at(dict_at(message, "text"), "body"), ()


def _media(kind: str) -> Callable[[Json], Content]:
    def read(message: Json) -> Content:
        media = dict_at(message, kind)
        caption, ref = text_at(media, "caption"), text_at(media, "id")
        if not ref or message.get("errors"):
            return caption, ()
        file = FilePart(
            media=_MEDIA[kind],
            ref=ref,
            name=text_at(media, "filename"),
            type=_media_type(media),
            voice=media.get("voice") is True,
        )
        return caption, (file,)

    return read


def _media_type(media: Json) -> str:
    """`audio/ogg; codecs=opus` is `audio/ogg` to everyone who picks a player or an ending."""
    return text_at(media, "mime_type").partition(";")[0].strip().lower()


def _sticker(message: Json) -> Content:
    sticker = dict_at(message, "sticker")
    ref = text_at(sticker, "id")
    if not ref:
        return _EMPTY
    animated = sticker.get("animated") is True
    return "", (StickerPart(ref=ref, type=_media_type(sticker), animated=animated),)


def _location(message: Json) -> Content:
    place = dict_at(message, "location")
    latitude, longitude = _degrees(place, "latitude"), _degrees(place, "longitude")
    if latitude is None or longitude is None:
        return _EMPTY
    part = LocationPart(
        latitude=latitude,
        longitude=longitude,
        name=text_at(place, "name"),
        address=text_at(place, "address"),
    )
    return "", (part,)


def _degrees(place: Json, key: str) -> float | None:
    value = place.get(key)
    try:
        number = float(value) if isinstance(value, int | float | str) else 400.0
    except ValueError:
        return None
    return number if -180.0 <= number <= 180.0 else None


def _contacts(message: Json) -> Content:
    cards = tuple(_card(card) for card in list_at(message, "contacts") if isinstance(card, dict))
    return ("", (ContactsPart(cards=cards),)) if cards else _EMPTY


def _card(card: Json) -> ContactCard:
    name = dict_at(card, "name")
    pieces = (text_at(name, "first_name"), text_at(name, "last_name"))
    return ContactCard(
        name=text_at(name, "formatted_name") or " ".join(filter(None, pieces)),
        phones=_each(card, "phones", "phone"),
        emails=_each(card, "emails", "email"),
    )


def _each(holder: Json, key: str, inner: str) -> tuple[str, ...]:
    texts = (text_at(item, inner) for item in list_at(holder, key) if isinstance(item, dict))
    return tuple(text for text in texts if text)


def _order(message: Json) -> Content:
    order = dict_at(message, "order")
    items = [item for item in list_at(order, "product_items") if isinstance(item, dict)]
    if not items:
        return text_at(order, "text"), ()
    part = OrderPart(lines=tuple(_line(item) for item in items), note=text_at(order, "text"))
    return "", (part,)


def _line(item: Json) -> OrderLine:
    quantity = text_at(item, "quantity")
    price = item.get("item_price")
    known = isinstance(price, int | float | str) and not isinstance(price, bool)
    return OrderLine(
        product=text_at(item, "product_retailer_id"),
        quantity=int(quantity) if quantity.isascii() and quantity[:9].isdigit() else 1,
        price=f"{price} {text_at(item, 'currency')}".rstrip() if known else "",
    )


def _template_button(message: Json) -> Content:
    button = dict_at(message, "button")
    return _chosen(text_at(button, "text"), text_at(button, "payload"))


def _interactive(message: Json) -> Content:
    interactive = dict_at(message, "interactive")
    kind = text_at(interactive, "type")
    reply = dict_at(interactive, kind)
    if kind in {"button_reply", "list_reply"}:
        return _chosen(text_at(reply, "title"), text_at(reply, "id"))
    if kind == "nfm_reply":
        return _form(reply), ()
    if kind == "call_permission_reply":
        return "", (UnsupportedPart(what=kind, reason=text_at(reply, "response")),)
    return _EMPTY


def _chosen(title: str, value: str) -> Content:
    if not (title or value):
        return _EMPTY
    part = ButtonsPart(buttons=(Button(title=title, value=value),), chosen=value or title)
    return title or value, (part,)


def _form(reply: Json) -> str:
    """A filled form as lines of `name: answer`; its answers may be any JSON, or none."""
    raw = text_at(reply, "response_json")
    try:
        answers = decode_json(raw.encode())
    except ValueError:
        return raw or text_at(reply, "body")
    if not isinstance(answers, dict):
        return raw
    shown = [
        f"{name}: {_answer(answer)}" for name, answer in answers.items() if name != "flow_token"
    ]
    return "\n".join(shown) or text_at(reply, "body") or raw


def _answer(answer: object) -> str:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return ", ".join(_answer(one) for one in answer)
    return msgspec.json.encode(answer).decode()


def _origin(message: Json) -> tuple[Part, ...]:
    """The advertisement, or the product of our catalogue, that the message came from."""
    parts: list[Part] = []
    if referral := dict_at(message, "referral"):
        part = ReferralPart(
            source=text_at(referral, "source_type"),
            url=text_at(referral, "source_url"),
            headline=text_at(referral, "headline"),
            ref=text_at(referral, "ctwa_clid") or text_at(referral, "source_id"),
        )
        parts.append(part)
    if product := dict_at(dict_at(message, "context"), "referred_product"):
        ids = (text_at(product, "catalog_id"), text_at(product, "product_retailer_id"))
        parts.append(ReferralPart(source="product", ref="/".join(filter(None, ids))))
    return tuple(parts)


READERS: Final[Mapping[str, Callable[[Json], Content]]] = {
    "text": _text,
    **{kind: _media(kind) for kind in _MEDIA},
    "sticker": _sticker,
    "location": _location,
    "contacts": _contacts,
    "order": _order,
    "button": _template_button,
    "interactive": _interactive,
}
