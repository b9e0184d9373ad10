"""Reads conversations and messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from core.models.rows import Assignment
from core.ports.reading import ConversationFilter, MessagePage, Page, Scope
from core.ports.views import ConversationView, MessageView, WhyView
from plugins.sql.cursors import Mark, read_cursor, write_cursor
from plugins.sql.lists import count_statement, statement, stretches
from plugins.sql.reader import Found, Link, Reader
from plugins.sql.schema import CODECS
from plugins.sql.shapes import (
    CONVERSATION_COLUMNS,
    MESSAGE_COLUMNS,
    decode_conversation,
    decode_message,
    why_view,
)

LONGEST_PAGE = 200
_json = msgspec.json.Encoder().encode
_assignment = CODECS[Assignment]
_FROM = "FROM conversation AS c JOIN contact AS p ON p.id = c.contact"
_GET = f"SELECT {CONVERSATION_COLUMNS} {_FROM} WHERE c.id = ?"
_AMONG = {
    True: f"SELECT {CONVERSATION_COLUMNS} {_FROM} WHERE c.id IN (SELECT value FROM json_each(?))",
    False: f"SELECT {CONVERSATION_COLUMNS} {_FROM} WHERE c.id = ANY(?::text[])",
}
_MESSAGE = f"SELECT {MESSAGE_COLUMNS} FROM message AS m WHERE m.id = ?"
_AFTER = (
    f"SELECT {MESSAGE_COLUMNS} FROM message AS m WHERE m.conversation = ? AND m.id > ? "
    "ORDER BY m.id LIMIT ?"
)
_BEFORE = (
    f"SELECT {MESSAGE_COLUMNS} FROM message AS m WHERE m.conversation = ? AND m.id < ? "
    "ORDER BY m.id DESC LIMIT ?"
)
_NEWEST = (
    f"SELECT {MESSAGE_COLUMNS} FROM message AS m WHERE m.conversation = ? "
    "ORDER BY m.id DESC LIMIT ?"
)
_WHY = (
    "SELECT "
    + ", ".join(f'"{name}"' for name in _assignment.names)
    + " FROM assignment WHERE conversation = ? ORDER BY epoch"
)


class SqlConversations:
    """Implements core.ports.reading.Conversations."""

    def __init__(self, reader: Reader) -> None:
        """Read through the pool."""
        self._reader = reader

    async def page(self, wanted: ConversationFilter, scope: Scope) -> Page:
        """List one page of at most 200."""
        mark = None if wanted.cursor is None else read_cursor(wanted.cursor)
        limit = _bounded(wanted.limit)

        def question(link: Link) -> Page:
            marks = _marks(link, wanted, scope, mark, limit + 1)
            shown = marks[:limit]
            found = _by_id(link, [one.id for one in shown])
            # Gone between the two questions: another process erased it.
            items = tuple(found[one.id] for one in shown if one.id in found)
            more = len(marks) > limit
            return Page(items=items, cursor=write_cursor(shown[-1]) if more else None)

        return await self._reader.read(question)

    async def get(self, conversation: str, scope: Scope) -> ConversationView | None:
        """Return one, None when it is not there or out of scope."""
        found = await self._reader.read(lambda link: link.run(_GET, (conversation,)))
        if not found:
            return None
        view = decode_conversation(found[0])
        return view if scope is None or view.inbox in scope else None

    async def messages(
        self, conversation: str, *, after: str | None, before: str | None, limit: int
    ) -> MessagePage:
        """Return messages by rising id: after an id, before an id, or the newest."""
        limit = _bounded(limit)

        def question(link: Link) -> Found:
            if after is not None:
                return link.run(_AFTER, (conversation, after, limit + 1))
            if before is not None:
                return link.run(_BEFORE, (conversation, before, limit + 1))
            return link.run(_NEWEST, (conversation, limit + 1))

        found = await self._reader.read(question)
        items = [decode_message(row) for row in found[:limit]]
        if after is None:
            items.reverse()
        return MessagePage(items=tuple(items), more=len(found) > limit)

    async def message(self, message: str) -> MessageView | None:
        """Return one message."""
        found = await self._reader.read(lambda link: link.run(_MESSAGE, (message,)))
        return decode_message(found[0]) if found else None

    async def why(self, conversation: str) -> Sequence[WhyView]:
        """Return its routing decisions, oldest first."""
        found = await self._reader.read(lambda link: link.run(_WHY, (conversation,)))
        return [why_view(cast("Assignment", _assignment.decode(row))) for row in found]

    async def count_waiting(
        self, scope: Scope, *, product: str | None, channel: str | None, inbox: str | None
    ) -> int:
        """Count customers without an agent."""
        wanted = count_statement(scope, product=product, channel=channel, inbox=inbox)
        ((count,),) = await self._reader.read(lambda link: link.select(wanted))
        return int(count)


def _bounded(limit: int) -> int:
    return max(1, min(limit, LONGEST_PAGE))


def _marks(
    link: Link, wanted: ConversationFilter, scope: Scope, mark: Mark | None, limit: int
) -> list[Mark]:
    """Walk the stretches until the page is full."""
    marks: list[Mark] = []
    for stretch in stretches(wanted, mark):
        after = mark if mark is not None and mark.stretch == stretch else None
        asked = statement(
            wanted,
            scope,
            stretch,
            after=after,
            limit=limit - len(marks),
            sqlite=link.is_sqlite,
        )
        marks += [Mark(stretch, at or 0, id_) for id_, at in link.select(asked)]
        if len(marks) == limit:
            break
    return marks


def _by_id(link: Link, ids: Sequence[str]) -> dict[str, ConversationView]:
    if not ids:
        return {}
    keys = _json(ids).decode() if link.is_sqlite else list(ids)
    views = (decode_conversation(row) for row in link.run(_AMONG[link.is_sqlite], (keys,)))
    return {view.id: view for view in views}
