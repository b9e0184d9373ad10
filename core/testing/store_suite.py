"""What any store must do, by the port alone: keep rows, refuse repeats, answer views truly.

A store's tests subclass StoreSuite and give it two fixtures: `rooms`, an open and empty database,
and `empty`, which deletes every row but the counter's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import StoreBusy, StoreRefused
from core.models.row import Key, Row
from core.models.rows import Conversation, Message
from core.ports.rooms import Rooms
from core.ports.store import Store
from core.testing.by_hand import load, put, put_new, views, write
from core.testing.desks import BORN, ROWS, VIEWS, brute_force, conversation, plain, possible
from core.testing.odd_rows import odd, row_kinds
from core.units import Event
from core.views import QUEUE_BOUND, Members, Queue, View, ViewValue, waiting
from core.world import World

replace = msgspec.structs.replace
Empty = Callable[[], None]

# One database serves all examples of a test; each example brings keys of its own or replaces.
many = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
few = settings(many, max_examples=8)


class StoreSuite:
    """The port core.ports.store.Store, from outside."""

    @pytest.fixture
    def store(self, rooms: Rooms) -> Iterable[Store]:
        """Return lane 1's store."""
        store = rooms.store(lane=1)
        yield store
        store.close()

    @pytest.mark.parametrize("kind", row_kinds(), ids=lambda kind: kind.__name__)
    def test_every_kind_of_row_comes_back_and_is_replaced(
        self, store: Store, kind: type[Row], empty: Empty
    ) -> None:
        """Whatever its texts, numbers and times are."""

        @few
        @given(first=odd(kind), second=odd(kind))
        def example(first: Row, second: Row) -> None:
            empty()
            key = kind.key_of(first)
            other = replace(second, **{name: getattr(first, name) for name in kind.pk})
            write(store, [(None, first)])
            assert load(store, [key]) == [first]
            if not kind.insert_only:
                write(store, [(first, other)])
                assert load(store, [key]) == [other]

        example()

    def test_long_texts_and_bytes(self, store: Store) -> None:
        """64 KB of text that takes four bytes a character."""
        text = "\U0001f600'\"\u202e" * 16_384
        message = Message(
            id="m",
            conversation="c",
            address="a",
            inbox="shop",
            position=1,
            kind="incoming",
            author_kind="contact",
            text=text,
            created_at=BORN,
        )
        write(store, [(None, message)])
        assert load(store, [(Message, "m")]) == [message]

    def test_a_missing_key_has_no_row(self, store: Store) -> None:
        """Asked among others, it is simply not among the answers."""
        write(store, [(None, conversation(1))])
        found = load(store, [(Conversation, "c001"), (Conversation, "c002"), (Message, "m")])
        assert found == [conversation(1)]

    @pytest.mark.parametrize("kind", row_kinds(), ids=lambda kind: kind.__name__)
    def test_a_key_is_inserted_once(self, store: Store, kind: type[Row], empty: Empty) -> None:
        """The second INSERT is refused and nothing of its batch stays."""

        @settings(few, max_examples=3)
        @given(first=odd(kind), second=odd(kind))
        def example(first: Row, second: Row) -> None:
            empty()
            again = replace(second, **{name: getattr(first, name) for name in kind.pk})
            write(store, [(None, first)])
            with pytest.raises(StoreRefused):
                write(store, [(None, conversation(999)), (None, again)])
            assert load(store, [kind.key_of(first), (Conversation, "c999")]) == [first]

        example()

    def test_a_known_row_that_is_gone_is_no_loss(self, store: Store) -> None:
        """Replacing what is not there must not look like success."""
        gone = conversation(1)
        with pytest.raises(StoreBusy):
            write(store, [(gone, replace(gone, topic="t1"))])
        assert load(store, [(Conversation, gone.id)]) == []

    @settings(few, max_examples=5)
    @given(row=st.one_of(*(odd(kind) for kind in row_kinds() if kind.insert_only)))
    def test_insert_only_rows_are_never_replaced(self, store: Store, row: Row) -> None:
        """Not even by a writer that knows of the first."""
        put_new(store, row)
        with pytest.raises(StoreRefused):
            write(store, [(row, row)])

    def test_one_open_conversation_of_a_contact_in_an_inbox(self, store: Store) -> None:
        """A second is refused; closed ones and other inboxes do not count."""
        first = conversation(1, contact="p", state="active")
        write(store, [(None, first)])
        write(store, [(None, conversation(2, contact="p", inbox="desk"))])
        write(store, [(None, conversation(3, contact="p", state="archived"))])
        for state in ("bot", "waiting", "active"):
            with pytest.raises(StoreRefused):
                write(store, [(None, conversation(4, contact="p", state=state))])

    def test_one_batch_may_close_one_and_open_another(self, store: Store) -> None:
        """Whatever the order they were decided in."""
        one, two = conversation(1, contact="p"), conversation(2, contact="p", state="ended")
        write(store, [(None, one), (None, two)])
        closed, opened = replace(one, state="archived"), replace(two, state="waiting")
        write(store, [(two, opened), (one, closed)])
        three = conversation(3, contact="p")
        write(store, [(None, three), (opened, replace(opened, state="archived"))])
        assert load(store, [(Conversation, "c003")]) == [three]

    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param(conversation(1, topic="a lone surrogate \ud800"), id="surrogate"),
            pytest.param(conversation(1, unread=2**70), id="integer"),
            pytest.param(conversation(1, topic=object()), id="no text at all"),
        ],
    )
    def test_a_value_that_cannot_be_stored_is_refused(
        self, store: Store, broken: Conversation
    ) -> None:
        """One unit's fault: it must never look as if the store were busy."""
        with pytest.raises(StoreRefused):
            write(store, [(None, broken)])

    def test_a_key_that_cannot_be_asked_is_refused(self, store: Store) -> None:
        """As above, and the store goes on."""
        with pytest.raises(StoreRefused):
            load(store, [(Conversation, "\ud800")])
        assert load(store, [(Conversation, "c001")]) == []

    def test_events_are_numbered_without_gaps(self, store: Store) -> None:
        """The counter moves with them, and its version with every batch."""
        before = store.begin(lane=1)
        store.rollback()
        write(store, [], [Event(type="a", audience="agents")] * 3)
        write(store, [(None, conversation(1))], [Event(type="b", audience="agents")])
        after = store.begin(lane=1)
        store.rollback()
        assert (after.seq - before.seq, after.version - before.version) == (4, 2)
        assert after.stamp > before.stamp

    def test_rolled_back_leaves_nothing(self, store: Store) -> None:
        """Neither rows nor numbers."""
        begun = store.begin(lane=1)
        store.write([(None, conversation(1))], [Event(type="a", audience="x")], begun, 5)
        store.rollback()
        again = store.begin(lane=1)
        store.rollback()
        assert (again.seq, again.version) == (begun.seq, begun.version)
        assert load(store, [(Conversation, "c001")]) == []

    # -- views -----------------------------------------------------------------------------------

    def test_views_are_what_the_rows_say(self, store: Store, empty: Empty) -> None:
        """Against every row looked at one by one."""

        @many
        @given(rows=ROWS)
        def example(rows: list[Row]) -> None:
            empty()
            after = possible(rows, {})
            put(store, after.values())
            found = views(store, VIEWS)
            for view in VIEWS:
                assert plain(found[view]) == plain(brute_force(view, after.values())), view

        example()

    def test_a_view_is_mended_by_what_the_batch_changed(self, store: Store, empty: Empty) -> None:
        """Read before the batch, in its middle, or at its end: it is the same view."""

        @many
        @given(rows=ROWS, more=ROWS, cut=st.integers(0, 30))
        def example(rows: list[Row], more: list[Row], cut: int) -> None:
            empty()
            known = possible(rows, {})
            put(store, known.values())
            truth = dict(known)
            early, late = VIEWS[::2], VIEWS[1::2]
            world = World()
            begun = store.begin(lane=1)
            world.begin(begun.now, begun.stamp, fresh=True)
            _take(world, store, [*early, *(type(row).key_of(row) for row in more)])
            for number, row in enumerate(more):
                if number == cut:
                    _take(world, store, late[::2])
                step = possible([row], truth)
                truth.update(step)
                world.put(step.values())
                world.keep()
            _take(world, store, late)
            store.write(world.written(), [], begun, world.stamp)
            store.commit()
            found = views(store, VIEWS)
            for view in VIEWS:
                value = world.queue(view) if view.name == "waiting" else _kept(world, view)
                assert plain(value) == plain(brute_force(view, truth.values())), view
                assert plain(found[view]) == plain(value), view

        example()

    def test_a_long_queue_is_a_true_prefix(self, store: Store) -> None:
        """The oldest fifty come, and what the batch takes out or adds keeps them the oldest."""
        rows = [
            conversation(n, queued_at=BORN + timedelta(minutes=(n * 37) % 101)) for n in range(70)
        ]
        write(store, [(None, row) for row in rows])
        view = waiting("shop", None)
        world = World()
        begun = store.begin(lane=1)
        world.begin(begun.now, begun.stamp, fresh=True)
        _take(world, store, [(Conversation, row.id) for row in rows])
        truth = {row.id: row for row in rows}
        oldest = sorted(rows, key=lambda row: (row.queued_at or BORN, row.id))
        changed = [replace(row, state="active", agent="ann") for row in oldest[:10]]
        changed.append(replace(oldest[60], queued_at=BORN - timedelta(minutes=1)))
        changed.append(conversation(71, queued_at=BORN + timedelta(days=1)))
        for row in changed:
            truth[row.id] = row
            world.put([row])
            world.keep()
        _take(world, store, [view])
        store.rollback()
        queue = world.queue(view)
        whole = brute_force(view, truth.values())
        assert isinstance(whole, Queue)
        assert not queue.complete
        assert queue.items == whole.items[: len(queue.items)]
        assert len(queue.items) == QUEUE_BOUND - 10 + 1


def _take(world: World, store: Store, keys: Iterable[Key | View]) -> None:
    wanted = [key for key in keys if not world.is_known(key)]
    found = store.load(wanted)
    world.take(wanted, found.rows, found.views)


def _kept(world: World, view: View) -> ViewValue:
    if view.name == "load":
        return world.load(view)
    return Members(world.members(view))
