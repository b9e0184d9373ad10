"""Lists of conversations against every row looked at one by one, on both stores."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Malformed
from core.models.row import Row
from core.models.rows import Contact, Conversation, Resolution
from core.ports.reading import ConversationFilter, Scope
from core.ports.rooms import Rooms
from core.testing.by_hand import put
from core.testing.desks import BORN, conversation, possible
from plugins.sql.cursors import Mark, read_cursor, write_cursor
from plugins.sql.engine import make_engine
from plugins.sql.lists import statement, stretches

VIEWS = ("mine", "active", "waiting", "bot", "ended", "archive")
STATES = ("bot", "waiting", "active", "ended", "archived", "ticket")
TAGS = ("vip", "VIP", 'q"uote', "a,b", "%", "ü\\u0000")
some = st.sampled_from


def _at(minute: int) -> datetime:
    return BORN + timedelta(minutes=minute)


_times = st.integers(0, 5).map(_at)
_conversations = st.lists(
    st.builds(
        conversation,
        number=st.integers(0, 20),
        inbox=some(["shop", "desk"]),
        product=some(["acme", "globex"]),
        channel=some(["web", "phone"]),
        contact=some([f"p{n}" for n in range(8)]),
        state=some(STATES),
        agent=some([None, "ann", "bob"]),
        team=some([None, "blue"]),
        topic=some([None, "t1"]),
        tags=st.lists(some(TAGS), max_size=2).map(tuple),
        waiting_since=st.none() | _times,
        last_message_at=_times,
        created_at=_times,
        closed_at=_times,
        resolved_at=st.none() | _times,
        resolved_by=some([None, "ann", "bob"]),
    ),
    min_size=12,
    max_size=30,
)
_asked = {
    "product": st.just("acme"),
    "channel": st.just("web"),
    "inbox": st.just("shop"),
    "team": st.just("blue"),
    "agent": st.just("ann"),
    "topic": st.just("t1"),
    "tag": some(TAGS),
    "since": _times,
    "until": _times,
    "query": some(["100%", "_", "ann", "+90", "'", "\\"]),
}
_scopes: list[Scope] = [None, frozenset(), frozenset({"shop"}), frozenset({"desk", "shop"})]
_resolutions = st.lists(
    st.builds(
        Resolution,
        id=st.integers(0, 99).map(lambda n: f"r{n:03}"),
        conversation=st.integers(0, 20).map(lambda n: f"c{n:03}"),
        agent=st.just("ann"),
        teams=some([(), ("blue",), ("red", "blue"), ("BLUE",)]),
        topic=st.just("t1"),
        at=st.just(BORN),
    ),
    min_size=5,
    max_size=20,
    unique_by=lambda row: row.id,
)
CONTACTS = [
    Contact(id=f"p{n}", name=name, phone=phone, email=email, created_at=BORN)
    for n, (name, phone, email) in enumerate(
        [
            ("Ann", "+90 1", ""),
            ("ann_b", "", "b@example.com"),
            ("100%", "", ""),
            ("1000", "", ""),
            ("O'Neil", "", ""),
            ("", "", "ANN@example.com"),
            ("\\", "", ""),
            ("", "", ""),
        ]
    )
]
_CONTACT = {row.id: row for row in CONTACTS}
_OPEN_VIEW = {
    "active": {"bot", "waiting", "active", "ended"},
    "waiting": {"waiting"},
    "bot": {"bot"},
    "ended": {"ended"},
    "archive": {"archived"},
    "mine": {"active", "ended"},
}


def _is_shown(
    row: Conversation, wanted: ConversationFilter, scope: Scope, teams: tuple[str, ...]
) -> bool:
    in_archive = wanted.view == "archive"
    when = row.resolved_at if in_archive else row.created_at
    person = _CONTACT[row.contact]
    words = (person.name, person.phone, person.email)
    return all(
        (
            row.state in _OPEN_VIEW[wanted.view],
            scope is None or row.inbox in scope,
            wanted.view != "mine" or row.agent == wanted.me,
            wanted.product in {None, row.product},
            wanted.channel in {None, row.channel},
            wanted.inbox in {None, row.inbox},
            wanted.topic in {None, row.topic},
            wanted.agent in {None, row.resolved_by if in_archive else row.agent},
            wanted.team is None
            or (wanted.team in teams if in_archive else wanted.team == row.team),
            wanted.tag is None or wanted.tag in row.tags,
            wanted.since is None or (when is not None and when >= wanted.since),
            wanted.until is None or (when is not None and when < wanted.until),
            wanted.query is None or any(wanted.query.lower() in word.lower() for word in words),
        )
    )


def _in_order(rows: Iterable[Conversation], view: str) -> list[str]:
    if view == "archive":
        return [r.id for r in sorted(rows, key=lambda r: (r.closed_at or BORN, r.id), reverse=True)]
    rows = list(rows)
    late = sorted(
        (r for r in rows if r.waiting_since is None),
        key=lambda r: (r.last_message_at, r.id),
        reverse=True,
    )
    early = sorted(
        (r for r in rows if r.waiting_since is not None),
        key=lambda r: (r.waiting_since or BORN, r.id),
    )
    return [r.id for r in (*early, *late)]


async def _walk(rooms: Rooms, wanted: ConversationFilter, scope: Scope) -> list[str]:
    """Turn every page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        asked = msgspec.structs.replace(wanted, cursor=cursor)
        page = await rooms.conversations.page(asked, scope)
        assert len(page.items) <= wanted.limit
        found += [view.id for view in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


async def test_lists_show_what_they_should_and_nothing_else(
    rooms: Rooms, empty: Callable[[], None]
) -> None:
    """Every filter, alone and together; every page; in order; never out of scope."""
    store = rooms.store(lane=1)
    loop = asyncio.get_running_loop()

    def ask(wanted: ConversationFilter, scope: Scope) -> list[str]:
        return asyncio.run_coroutine_threadsafe(_walk(rooms, wanted, scope), loop).result(30)

    @settings(
        max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(
        rows=_conversations,
        resolutions=_resolutions,
        asked=st.fixed_dictionaries(_asked),
        pair=st.lists(some(sorted(_asked)), min_size=2, max_size=2),
        scope=some(_scopes),
        limit=some([2, 7, 200]),
    )
    def example(
        rows: list[Row],
        resolutions: list[Resolution],
        asked: dict[str, object],
        pair: list[str],
        scope: Scope,
        limit: int,
    ) -> None:
        empty()
        kept = [row for row in possible(rows, {}).values() if isinstance(row, Conversation)]
        put(store, [*CONTACTS, *kept, *resolutions])
        teams = {r.conversation: r.teams for r in sorted(resolutions, key=lambda r: r.id)}
        # Each filter alone, and one pair: of many at once nearly every list is empty.
        for names in ([], *([name] for name in asked), pair):
            for view in VIEWS:
                wanted = msgspec.structs.replace(
                    ConversationFilter(me="ann", limit=limit),
                    view=view,
                    **{name: asked[name] for name in names},
                )
                shown = [r for r in kept if _is_shown(r, wanted, scope, teams.get(r.id, ()))]
                assert ask(wanted, scope) == _in_order(shown, view), (wanted, scope)

    await asyncio.to_thread(example)
    store.close()


@pytest.mark.parametrize("scope", [frozenset({"shop"}), frozenset(), None])
async def test_one_conversation_and_the_count_keep_to_the_scope(rooms: Rooms, scope: Scope) -> None:
    rows = [conversation(1, contact="p1"), conversation(2, contact="p2", inbox="desk")]
    store = rooms.store(lane=1)
    await asyncio.to_thread(put, store, [*CONTACTS, *rows])
    store.close()
    readable = [row.id for row in rows if scope is None or row.inbox in scope]
    found = [await rooms.conversations.get(row.id, scope) for row in rows]
    assert [view.id for view in found if view is not None] == readable
    count = await rooms.conversations.count_waiting(scope, product=None, channel=None, inbox=None)
    assert count == len(readable)


@settings(max_examples=300)
@given(cursor=st.text(max_size=60) | st.binary(max_size=40).map(bytes.hex))
def test_no_text_but_ours_is_a_cursor(cursor: str) -> None:
    with pytest.raises(Malformed):
        read_cursor(cursor)


@given(
    mark=st.builds(Mark, st.integers(0, 2), st.integers(0, 2**62), st.text("abc123", max_size=40)),
    place=st.integers(0, 200),
    other=some("ABCxyz019-_"),
)
def test_a_changed_cursor_is_noticed(mark: Mark, place: int, other: str) -> None:
    cursor = write_cursor(mark)
    assert read_cursor(cursor) == mark
    place %= len(cursor)
    changed = cursor[:place] + other + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(Malformed):
            read_cursor(changed)


async def test_a_cursor_of_another_list_is_refused(rooms: Rooms) -> None:
    cursor = write_cursor(Mark(0, 5, "c001"))
    with pytest.raises(Malformed):
        await rooms.conversations.page(ConversationFilter(view="archive", cursor=cursor), None)


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
async def test_a_value_that_no_row_can_hold_is_no_500(rooms: Rooms, odd: str) -> None:
    """SQLite and PostgreSQL refuse different ones: both answers are ours."""
    for name in ("tag", "query", "product", "agent"):
        wanted = msgspec.structs.replace(ConversationFilter(), **{name: odd})
        with contextlib.suppress(Malformed):
            assert (await rooms.conversations.page(wanted, None)).items == ()
    with contextlib.suppress(Malformed):
        assert await rooms.conversations.get(odd, None) is None


async def test_a_tag_with_an_escaped_nul_does_not_break_the_list(rooms: Rooms) -> None:
    rows = [
        conversation(1, contact="p1", tags=("v\0p",)),
        conversation(2, contact="p2", tags=("vip",)),
        conversation(3, contact="p3", tags=("v\\u0000p",)),
    ]
    store = rooms.store(lane=1)
    await asyncio.to_thread(put, store, [*CONTACTS, *rows])
    store.close()
    for tag, wanted in (("vip", ["c002"]), ("v\\u0000p", ["c003"])):
        page = await rooms.conversations.page(ConversationFilter(tag=tag), None)
        assert [view.id for view in page.items] == wanted


@pytest.mark.parametrize("view", VIEWS)
def test_a_list_never_looks_at_every_conversation(sqlite_url: str, view: str) -> None:
    """The archive is walked in its order; the others look only at what is open."""
    wanted = msgspec.structs.replace(ConversationFilter(me="ann"), view=view)
    engine = make_engine(sqlite_url, pool=1)
    plans = []
    with engine.connect() as connection:
        for stretch in stretches(wanted, None):
            asked = statement(wanted, None, stretch, after=None, limit=50, sqlite=True)
            text = str(asked.compile(engine, compile_kwargs={"literal_binds": True}))
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            plans.append(" / ".join(str(step[3]) for step in steps))
    engine.dispose()
    for plan in plans:
        if view == "archive":
            assert "USING INDEX conversation_archive" in plan
            assert "TEMP B-TREE" not in plan
        else:
            assert plan.startswith("SEARCH conversation USING INDEX")
