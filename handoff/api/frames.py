"""The frames of the agents' socket: what a client may send, and our own fixed words. Pure."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, Final, cast

import msgspec

from core.text import decode_json
from handoff.api.errors import Fault

FRAME_BOUND: Final = 64 * 1024
FRAMES_PER_MINUTE: Final = 100
_MINUTE: Final = 60.0
_encode = msgspec.json.Encoder().encode


class Hello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first frame: an API token unless a cookie speaks, and where to go on."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=512)] | None = None
    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ping", tag_field="type"):
    """Are you there?"""


class Typing(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag="typing",
    tag_field="type",
):
    """I am typing in this conversation."""

    conversation: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Unreadable(Exception):
    """A frame that is not one of ours; `text` is the error frame to answer."""

    def __init__(self, text: str) -> None:
        """Carry the answer."""
        super().__init__(text)
        self.text = text


def _frame(kind: str, data: Any = None) -> str:
    return _encode({"type": kind} if data is None else {"type": kind, "data": data}).decode()


def error_frame(code: str, message: str) -> str:
    """Return an error frame. Its words are fixed: what a client sent never comes back in one."""
    return _frame("error", Fault(code=code, message=message))


PONG: Final = _frame("pong")
RESYNC: Final = _frame("resync")
MALFORMED: Final = error_frame("malformed", "This frame cannot be read.")
BINARY: Final = error_frame("malformed", "Frames are JSON text.")
TOO_LARGE: Final = error_frame("too_large", "A frame has at most 64 KiB.")
TOO_MANY: Final = error_frame("too_many", "Too many frames. Come back in a minute.")
SIGNED_OUT: Final = error_frame("signed_out", "You are not signed in. Sign in again.")
REFUSED: Final = error_frame("refused", "This cannot be done.")
FAILED: Final = error_frame("internal", "Something went wrong on this side. It is in the log.")
UNAVAILABLE: Final = error_frame("unavailable", "The store cannot take this now. Try again.")


def typing_frame(conversation: str, agent: str | None) -> str:
    """Return what colleagues see while somebody types; `agent` None is the customer."""
    return _encode(
        {"type": "typing", "conversation": conversation, "data": {"agent": agent}}
    ).decode()


def read_hello(message: dict[str, Any]) -> Hello:
    """Read the first frame; Unreadable."""
    return cast("Hello", _read(message, Hello))


def read_frame(message: dict[str, Any]) -> Ping | Typing:
    """Read a later frame; Unreadable."""
    return cast("Ping | Typing", _read(message, Ping | Typing))


def _read(message: dict[str, Any], kind: Any) -> Any:
    """Read the text of an ASGI message as `kind`."""
    text = message.get("text")
    if text is None:
        raise Unreadable(BINARY)
    body = text.encode("utf-8", "surrogatepass")
    if len(body) > FRAME_BOUND:
        raise Unreadable(TOO_LARGE)
    try:
        return msgspec.convert(decode_json(body), kind)
    except ValueError:  # msgspec's own error is one too
        raise Unreadable(MALFORMED) from None


class Pace:
    """How many frames came within the last minute."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        """Start with none."""
        self._times: deque[float] = deque(maxlen=FRAMES_PER_MINUTE)

    def allows(self, now: float) -> bool:
        """Count a frame at `now` (seconds) and say whether it is within the bound."""
        full = len(self._times) == FRAMES_PER_MINUTE
        too_fast = full and self._times[0] > now - _MINUTE
        self._times.append(now)
        return not too_fast
