"""Who wrote the messages of one value. Pure.

A person has up to three ids: the parent's business-scoped id, the business-scoped id, and the phone
number as WhatsApp writes it. Since March 2026 the number may be missing, and an id may stand where
a number is expected.
"""

from __future__ import annotations

import re
from typing import Final

from core.text import dict_at, list_at, text_at
from frontdesk import Sender

Json = dict[str, object]

_SCOPED: Final = re.compile(r"[A-Z]{2}\.")
_CONTACT_IDS: Final = ("parent_user_id", "user_id", "wa_id")
_MESSAGE_IDS: Final = ("from_parent_user_id", "from_user_id", "from")


def is_scoped(key: str) -> bool:
    """Whether the key is a business-scoped id, not a phone number."""
    return key[2:3] == "." and _SCOPED.match(key) is not None


def is_parent(key: str) -> bool:
    """Whether the key is a parent's business-scoped id."""
    return key[2:7] == ".ENT." and is_scoped(key)


class Senders:
    """The contacts of one value, found by id: their order says nothing."""

    def __init__(self, value: Json) -> None:
        """Index the contacts; one contact beside one sender belong together whatever their ids."""
        contacts = [_Contact(one) for one in list_at(value, "contacts") if isinstance(one, dict)]
        self._by_id = {id_: contact for contact in contacts for id_ in contact.ids}
        alone = len(contacts) == 1 and _one_sender(list_at(value, "messages"))
        self._only = contacts[0] if alone else _Contact({})

    def of(self, message: Json) -> Sender:
        """The sender of one message; without keys when nothing names one."""
        own = _ids(message, _MESSAGE_IDS)
        contact = self._only
        for id_ in own:
            contact = self._by_id.get(id_, contact)
        keys = _best_first((*contact.ids, *own))
        number = keys[-1] if keys and not is_scoped(keys[-1]) else ""
        return Sender(
            keys=keys,
            name=contact.name,
            phone=f"+{number}" if number.isascii() and number.isdigit() else "",
            username=contact.username,
        )


class _Contact:
    """One of the contacts of a value."""

    __slots__ = ("ids", "name", "username")

    def __init__(self, contact: Json) -> None:
        profile = dict_at(contact, "profile")
        self.ids = _ids(contact, _CONTACT_IDS)
        self.name = text_at(profile, "name")
        self.username = text_at(profile, "username")


def _ids(holder: Json, names: tuple[str, ...]) -> list[str]:
    return [
        id_ for name in names if name in holder and (id_ := text_at(holder, name).removeprefix("+"))
    ]


def _one_sender(messages: list[object]) -> bool:
    if len(messages) == 1:
        return True
    senders = {tuple(_ids(one, _MESSAGE_IDS)) for one in messages if isinstance(one, dict)}
    return len(senders) == 1


def _best_first(ids: tuple[str, ...]) -> tuple[str, ...]:
    """The first id of each sort: parent's, person's, number."""
    parent = person = number = ""
    for id_ in ids:
        if not is_scoped(id_):
            number = number or id_
        elif is_parent(id_):
            parent = parent or id_
        else:
            person = person or id_
    return tuple(filter(None, (parent, person, number)))
