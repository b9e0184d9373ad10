"""A view is found by its index, however many conversations are open.

Without statistics SQLite took the index on `state` for three of them and read every open
conversation: 105 ms for one contact's at 50,000 waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from core.views import EMPTY, View
from plugins.sql.engine import make_engine
from plugins.sql.views import load_views

INDEX = {
    View("waiting", ("wa", "")): "conversation_queue",
    View("talking", ("contact",)): "conversation_talking",
    View("owned", ("agent",)): "conversation_load",
    View("load", ("agent",)): "conversation_load",
    View("status", ("online",)): "agent_status",
    View("addresses", ("contact",)): "address_of_contact",
}


@pytest.mark.parametrize(("view", "index"), INDEX.items(), ids=lambda v: getattr(v, "name", v))
def test_sqlite_takes_the_index_of_a_view(sqlite_url: str, view: View, index: str) -> None:
    plans: list[str] = []
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:

        def run(sql: str, params: Any) -> Sequence[Sequence[Any]]:
            found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", tuple(params)).all()
            plans.extend(str(row[3]) for row in found)
            return []

        load_views("sqlite", run, [view])
    engine.dispose()
    assert any(f"USING INDEX {index} " in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN") and "json_each" not in plan for plan in plans), plans


def test_every_view_is_looked_at() -> None:
    assert {view.name for view in INDEX} == set(EMPTY)
