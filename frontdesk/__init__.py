"""What plugin authors import, and nothing else. `CONTRACT` rises when something here changes."""

from core.config import Secret
from core.errors import (
    Ambiguous,
    AuthDead,
    Rejected,
    SendError,
    Throttled,
    Unreachable,
    WindowClosed,
)
from core.hookspecs import hookimpl
from core.models.inbound import (
    Can,
    Inbound,
    Incoming,
    Notice,
    Outgoing,
    Receipt,
    Sender,
    SendReceipt,
    WebhookAnswer,
    WebhookRequest,
)
from core.models.parts import (
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
    StoryPart,
    UnsupportedPart,
)
from core.ports.channel import Channel, Forged, Unparsed
from core.text import decode_json, dict_at, list_at, text_at

CONTRACT = 1

__all__ = [
    "CONTRACT",
    "Ambiguous",
    "AuthDead",
    "Button",
    "ButtonsPart",
    "Can",
    "Channel",
    "ContactCard",
    "ContactsPart",
    "FilePart",
    "Forged",
    "Inbound",
    "Incoming",
    "LocationPart",
    "Notice",
    "OrderLine",
    "OrderPart",
    "Outgoing",
    "Part",
    "Receipt",
    "ReferralPart",
    "Rejected",
    "Secret",
    "SendError",
    "SendReceipt",
    "Sender",
    "StickerPart",
    "StoryPart",
    "Throttled",
    "Unparsed",
    "Unreachable",
    "UnsupportedPart",
    "WebhookAnswer",
    "WebhookRequest",
    "WindowClosed",
    "decode_json",
    "dict_at",
    "hookimpl",
    "list_at",
    "text_at",
]
