"""What a row is: a frozen struct that replaces its key."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar

import msgspec
from typing_extensions import override

Key = tuple[Any, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of `table`; `pk` names its key. Putting a row replaces the one with the same key.

    `insert_only` rows are never changed, so writing one twice is an error the store reports.
    Rows hold no cycles, so the collector need not walk the thousands the world remembers.
    `second_lane` rows are written beside the message path, without the feed's counter row.
    """

    table: ClassVar[str] = ""
    pk: ClassVar[tuple[str, ...]] = ("id",)
    insert_only: ClassVar[bool] = False
    second_lane: ClassVar[bool] = False
    key_of: ClassVar[Callable[[Any], Key]]

    @override
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Build the key reader once per class: it runs for every row of every batch."""
        super().__init_subclass__(**kwargs)
        read = attrgetter(*cls.pk)
        if len(cls.pk) == 1:
            cls.key_of = staticmethod(lambda row: (cls, read(row)))
        else:
            cls.key_of = staticmethod(lambda row: (cls, *read(row)))

    def follows(self) -> tuple[Key, ...]:
        """Name the keys that whoever loads this row will want next."""
        return ()
