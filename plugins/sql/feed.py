"""Reads the feed. It is the tailer's path, so its statements are fixed texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from core.models.people import Agent, Inbox
from core.ports.reading import Rendered, StoredEvent
from plugins.sql.reader import Found, Link, Reader
from plugins.sql.schema import CODECS
from plugins.sql.shapes import (
    CONTACT_COLUMNS,
    CONVERSATION_COLUMNS,
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    decode_contact,
    decode_conversation,
    decode_event,
    decode_message,
)

V = TypeVar("V")
_json = msgspec.json.Encoder().encode
_agent = CODECS[Agent]
_inbox = CODECS[Inbox]

_BOUNDS = "SELECT oldest, seq FROM counter WHERE id = 1"
_READ = f"SELECT {EVENT_COLUMNS} FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
_CONVERSATIONS = (
    f"SELECT {CONVERSATION_COLUMNS} FROM {{keys}} CROSS JOIN conversation AS c "
    "CROSS JOIN contact AS p WHERE c.id = k.id AND p.id = c.contact"
)
_MESSAGES = f"SELECT {MESSAGE_COLUMNS} FROM {{keys}} CROSS JOIN message AS m WHERE m.id = k.id"
_CONTACTS = f"SELECT {CONTACT_COLUMNS} FROM {{keys}} CROSS JOIN contact AS p WHERE p.id = k.id"
_AGENTS = (
    "SELECT " + ", ".join(f'a."{name}"' for name in _agent.names) + " FROM {keys} "
    "CROSS JOIN agent AS a WHERE a.id = k.id"
)
_INBOXES = (
    "SELECT " + ", ".join(f'i."{name}"' for name in _inbox.names) + " FROM {keys} "
    "CROSS JOIN inbox AS i WHERE i.name = k.id"
)
_KEYS = {
    True: "(SELECT value AS id FROM json_each(?)) AS k",
    False: "unnest(?::text[]) AS k(id)",
}


class SqlFeed:
    """Implements core.ports.reading.Feed."""

    def __init__(self, reader: Reader) -> None:
        """Read through the pool."""
        self._reader = reader
        keys = _KEYS[reader.is_sqlite]
        self._conversations = _CONVERSATIONS.format(keys=keys)
        self._messages = _MESSAGES.format(keys=keys)
        self._contacts = _CONTACTS.format(keys=keys)
        self._agents = _AGENTS.format(keys=keys)
        self._inboxes = _INBOXES.format(keys=keys)

    async def bounds(self) -> tuple[int, int]:
        """Return (oldest, newest) seq."""
        ((oldest, newest),) = await self._reader.read(lambda link: link.run(_BOUNDS))
        return oldest, newest

    async def read(self, after: int, limit: int) -> Sequence[StoredEvent]:
        """Return events with seq > after, rising."""
        return await self._reader.read(lambda link: _events(link, after, limit))

    async def tail(self, after: int, limit: int) -> tuple[Sequence[StoredEvent], Rendered]:
        """Read and render in one question: a hop to a reader's thread costs as much as the SQL."""

        def question(link: Link) -> tuple[Sequence[StoredEvent], Rendered]:
            events = _events(link, after, limit)
            return events, self._render(link, events)

        return await self._reader.read(question)

    async def render(self, events: Sequence[StoredEvent]) -> Rendered:
        """Load what the events name."""
        return await self._reader.read(lambda link: self._render(link, events))

    def _render(self, link: Link, events: Sequence[StoredEvent]) -> Rendered:
        """One statement for each kind that occurs."""
        conversations = {e.conversation for e in events if e.conversation is not None}
        messages = {e.message for e in events if e.message is not None}
        contacts = {e.subject for e in events if e.subject and e.type.startswith("contact.")}
        agents = {e.subject for e in events if e.subject and e.type.startswith("agent.")}
        inboxes = {e.subject for e in events if e.subject and e.type.startswith("inbox.")}
        return Rendered(
            conversations=_by_id(link, self._conversations, conversations, decode_conversation),
            messages=_by_id(link, self._messages, messages, decode_message),
            contacts=_by_id(link, self._contacts, contacts, decode_contact),
            agents=_by_id(link, self._agents, agents, _decode_agent),
            inboxes={
                row.name: row for row in map(_decode_inbox, _found(link, self._inboxes, inboxes))
            },
        )


def _events(link: Link, after: int, limit: int) -> list[StoredEvent]:
    return [decode_event(row) for row in link.run(_READ, (after, limit))]


def _found(link: Link, sql: str, ids: Iterable[str]) -> Found:
    wanted = sorted(ids)
    if not wanted:
        return ()
    return link.run(sql, (_json(wanted).decode() if link.is_sqlite else wanted,))


def _by_id(
    link: Link, sql: str, ids: Iterable[str], decode: Callable[[Sequence[Any]], V]
) -> dict[str, V]:
    return {cast("Any", view).id: view for view in map(decode, _found(link, sql, ids))}


def _decode_agent(found: Sequence[Any]) -> Agent:
    return cast("Agent", _agent.decode(found))


def _decode_inbox(found: Sequence[Any]) -> Inbox:
    return cast("Inbox", _inbox.decode(found))
