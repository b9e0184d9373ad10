"""What a message is made of besides its text, and what it may quote."""

from __future__ import annotations

import msgspec


class FilePart(msgspec.Struct, frozen=True, kw_only=True, tag="file", tag_field="kind"):
    """A file the provider holds. `ref` is the provider's id, fetched later; size in bytes."""

    media: str = "file"
    ref: str = ""
    name: str = ""
    type: str = ""
    size: int | None = None
    caption: str = ""
    voice: bool = False


class LocationPart(msgspec.Struct, frozen=True, kw_only=True, tag="location", tag_field="kind"):
    """A place; degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class ContactCard(msgspec.Struct, frozen=True, kw_only=True):
    """One card of a contacts part."""

    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()


class ContactsPart(msgspec.Struct, frozen=True, kw_only=True, tag="contacts", tag_field="kind"):
    """Contact cards that came in one message."""

    cards: tuple[ContactCard, ...]


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order; `price` is the provider's text with its currency."""

    product: str
    quantity: int = 1
    price: str = ""


class OrderPart(msgspec.Struct, frozen=True, kw_only=True, tag="order", tag_field="kind"):
    """An order placed from a catalogue."""

    lines: tuple[OrderLine, ...]
    note: str = ""


class StoryPart(msgspec.Struct, frozen=True, kw_only=True, tag="story", tag_field="kind"):
    """A story the customer answered or mentioned us in: a link, never a copy."""

    url: str = ""
    relation: str = "reply"


class ReferralPart(msgspec.Struct, frozen=True, kw_only=True, tag="referral", tag_field="kind"):
    """The advertisement or link the customer came from."""

    source: str = ""
    url: str = ""
    headline: str = ""
    ref: str = ""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """One button: what it shows and what it answers."""

    title: str
    value: str = ""


class ButtonsPart(msgspec.Struct, frozen=True, kw_only=True, tag="buttons", tag_field="kind"):
    """Buttons offered, or the one that was `chosen`."""

    buttons: tuple[Button, ...] = ()
    chosen: str = ""


class StickerPart(msgspec.Struct, frozen=True, kw_only=True, tag="sticker", tag_field="kind"):
    """A sticker; `ref` as for files."""

    ref: str = ""
    type: str = ""
    animated: bool = False


class UnsupportedPart(
    msgspec.Struct, frozen=True, kw_only=True, tag="unsupported", tag_field="kind"
):
    """Something the customer sent that cannot be shown; `what` is the provider's word."""

    what: str = ""
    reason: str = ""


Part = (
    FilePart
    | LocationPart
    | ContactsPart
    | OrderPart
    | StoryPart
    | ReferralPart
    | ButtonsPart
    | StickerPart
    | UnsupportedPart
)
