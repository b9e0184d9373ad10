"""Cursors of lists: where a page ended, as opaque text that notices when it was changed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from zlib import crc32

import msgspec

from core.errors import Malformed

_LONGEST = 400


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The last item of a page: which stretch of the list, its time in microseconds, its id."""

    stretch: int
    at: int
    id: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Mark).decode


def write_cursor(mark: Mark) -> str:
    """Return the text of a mark."""
    body = _encode(mark)
    return urlsafe_b64encode(crc32(body).to_bytes(4, "big") + body).decode().rstrip("=")


def read_cursor(cursor: str) -> Mark:
    """Return the mark of a text; Malformed for anything that `write_cursor` did not write."""
    refusal = Malformed("The cursor is not one of ours.", field="cursor")
    if len(cursor) > _LONGEST or not cursor.isascii():
        raise refusal
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark = _decode(raw[4:])
    except (ValueError, msgspec.MsgspecError) as error:
        raise refusal from error
    # Writing it again refuses stray characters and changed bits alike.
    if write_cursor(mark) != cursor or not -(2**63) <= mark.at < 2**63:
        raise refusal
    return mark
