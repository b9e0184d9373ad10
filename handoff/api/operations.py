"""What an operation is: one line of a table, from which both the routes and the document come.

A handler takes `call` and, where it has them, `query` and `body`; the annotations are the schema,
the first line of the docstring is the summary.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import msgspec

from core.ports.rooms import Services
from core.ports.workplace import Actor, Logins, Workplace
from handoff.api.gate import Gate, SignedIn
from handoff.api.reading import Nothing

T = TypeVar("T")
Who = Literal["anyone", "agent", "supervisor", "admin"]


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A whole list."""

    items: tuple[T, ...]


class Call(msgspec.Struct, kw_only=True):
    """One request, read. `subject` is the id or name in the address, `key` the Idempotency-Key.

    `set_cookies` is what the handler adds to the answer; `signed` is None for operations that
    anyone may call.
    """

    gate: Gate
    signed: SignedIn | None
    address: str
    cookies: dict[str, str]
    subject: str = ""
    key: str | None = None
    set_cookies: list[str] = []

    @property
    def services(self) -> Services:
        """What the process has."""
        return self.gate.services

    @property
    def workplace(self) -> Workplace:
        """Everything an agent can do."""
        return self.gate.services.workplace

    @property
    def logins(self) -> Logins:
        """Who is signed in."""
        return self.gate.services.logins

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.who.actor

    @property
    def who(self) -> SignedIn:
        """By which login he asks."""
        if self.signed is None:
            raise TypeError("This operation has no actor.")
        return self.signed


class Operation(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One line of the table. `path` is below /api/v1 and has at most one {parameter}, second.

    `who` tells readers who may; the Workplace is what checks it. `errors` are those beyond the
    usual 400, 401, 403, 413, 415 and 503.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handle: Callable[..., Awaitable[object]]
    who: Who = "agent"
    errors: tuple[int, ...] = ()
    takes_key: bool = False

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.handle, include_extras=True)

    @cached_property
    def query(self) -> Any:
        """The struct of the query."""
        return self._hints.get("query", Nothing)

    @cached_property
    def body(self) -> Any:
        """The struct of the body."""
        return self._hints.get("body", Nothing)

    @cached_property
    def answer(self) -> Any:
        """The type of the answer, NoneType for 204."""
        return self._hints["return"]

    @cached_property
    def takes(self) -> frozenset[str]:
        """Which of query and body the handler wants to see."""
        return frozenset(self._hints) & {"query", "body"}

    @property
    def summary(self) -> str:
        """The sentence of the docstring."""
        return (inspect.getdoc(self.handle) or "").partition("\n")[0]


def listed(items: typing.Iterable[T]) -> Listed[T]:
    """Wrap a list."""
    return Listed(items=tuple(items))
