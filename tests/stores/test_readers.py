"""Feed, messages, jobs and people as the readers show them, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from core.clock import SystemClock
from core.errors import Unavailable
from core.inbound import Accept
from core.models.inbound import Incoming, Sender
from core.models.parts import FilePart, LocationPart, StickerPart
from core.models.people import (
    Agent,
    AgentEmail,
    Call,
    Inbox,
    Job,
    Login,
    Password,
    Presence,
    Product,
    StatusChange,
    Team,
    Topic,
)
from core.models.row import Row
from core.models.rows import (
    Assignment,
    Contact,
    Conversation,
    Delivery,
    Message,
    ParkedItem,
    Webhook,
)
from core.ports.reading import ConversationFilter
from core.ports.rooms import Rooms
from core.testing.by_hand import put, write
from core.testing.desks import BORN, conversation
from core.testing.odd_rows import odd
from core.testing.writer_suite import declare, message, writing
from core.units import Event

replace = msgspec.structs.replace


async def keep(rooms: Rooms, *rows: Row, events: Iterable[Event] = ()) -> None:
    """Write rows, and then events."""
    store = rooms.store(lane=1)
    await asyncio.to_thread(put, store, rows)
    if events:
        await asyncio.to_thread(write, store, [], list(events))
    store.close()


def said(number: int, **fields: object) -> Message:
    plain = Message(
        id=f"m{number:03}",
        conversation="c001",
        address="a001",
        inbox="shop",
        position=number,
        kind="incoming",
        author_kind="contact",
        created_at=BORN,
    )
    return replace(plain, **fields)


def agent(name: str, **fields: object) -> Agent:
    plain = Agent(
        id=name, name=name.title(), email=f"{name}@example.com", status_since=BORN, created_at=BORN
    )
    return replace(plain, **fields)


def job(number: int, **fields: object) -> Job:
    plain = Job(
        id=f"j{number:03}",
        kind="send",
        lane="a001",
        lease="send:shop",
        subject=f"m{number:03}",
        due_at=BORN,
        created_at=BORN,
    )
    return replace(plain, **fields)


# -- the feed ------------------------------------------------------------------------------------


async def test_the_feed_reads_and_renders_what_was_written(rooms: Rooms) -> None:
    await declare(rooms)
    start = (await rooms.feed.bounds())[1]
    units = [message(f"m{n}", sender=f"s{n % 3}", text=f"text {n}") for n in range(7)]
    async with writing(rooms.store(lane=1)) as writer:
        await writer.ask_all(units)
    oldest, newest = await rooms.feed.bounds()
    assert oldest == 1
    events = await rooms.feed.read(start, 1000)
    assert [event.seq for event in events] == list(range(start + 1, newest + 1))
    assert [e.seq for e in await rooms.feed.read(start + 1, 2)] == [start + 2, start + 3]
    rendered = await rooms.feed.render(events)
    texts = [
        rendered.messages[event.message].text
        for event in events
        if event.type == "message.created" and event.message
    ]
    assert texts == [f"text {n}" for n in range(7)]
    people = {view.contact.name: view.unread for view in rendered.conversations.values()}
    assert people == {"s0": 3, "s1": 2, "s2": 2}
    for view in rendered.conversations.values():
        assert view == await rooms.conversations.get(view.id, None)
    for shown in rendered.messages.values():
        assert shown == await rooms.conversations.message(shown.id)


async def test_the_feed_renders_agents_and_inboxes_by_subject(rooms: Rooms) -> None:
    ann, shop = agent("ann"), Inbox(name="shop", product="acme", channel="web", changed_at=BORN)
    await keep(
        rooms,
        ann,
        shop,
        events=[
            Event(type="agent.status", audience="agents", subject="ann"),
            Event(type="inbox.health", audience="agents", subject="shop", inbox="shop"),
            Event(type="conversation.updated", audience="agents", conversation="gone"),
        ],
    )
    rendered = await rooms.feed.render(await rooms.feed.read(0, 10))
    assert rendered.agents == {"ann": ann}
    assert rendered.inboxes == {"shop": shop}
    assert rendered.conversations == {}
    empty = await rooms.feed.render([])
    assert (empty.messages, empty.agents) == ({}, {})


# -- messages ------------------------------------------------------------------------------------


async def test_messages_page_both_ways(rooms: Rooms) -> None:
    await keep(rooms, *(said(n) for n in range(10)), said(50, conversation="c002"))
    read = rooms.conversations.messages

    async def ids(after: str | None, before: str | None, limit: int) -> tuple[list[str], bool]:
        page = await read("c001", after=after, before=before, limit=limit)
        return [view.id for view in page.items], page.more

    assert await ids(None, None, 3) == (["m007", "m008", "m009"], True)
    assert await ids(None, "m007", 3) == (["m004", "m005", "m006"], True)
    assert await ids(None, "m002", 3) == (["m000", "m001"], False)
    assert await ids("m007", None, 3) == (["m008", "m009"], False)
    assert await ids("m001", None, 3) == (["m002", "m003", "m004"], True)
    assert await ids("m009", None, 3) == ([], False)
    assert await ids("", None, 200) == ([f"m{n:03}" for n in range(10)], False)


async def test_a_message_shows_its_files_and_its_delivery(rooms: Rooms) -> None:
    parts = (
        LocationPart(latitude=1, longitude=2),
        FilePart(media="image", ref="r", name="a.png", type="image/png", size=9),
        StickerPart(ref="s", type="image/webp"),
    )
    await keep(
        rooms,
        said(1, parts=parts),
        said(
            2,
            kind="outgoing",
            author_kind="agent",
            author="ann",
            author_name="Ann",
            attempt=2,
            delivery_state="failed",
            delivery_reason="gone",
            delivery_hint="call",
        ),
    )
    first, second = [await rooms.conversations.message(id_) for id_ in ("m001", "m002")]
    assert first is not None
    assert second is not None
    assert [(a.id, a.kind, a.name, a.size, a.state) for a in first.attachments] == [
        ("m001.1", "image", "a.png", 9, "pending"),
        ("m001.2", "sticker", "", None, "pending"),
    ]
    assert first.delivery is None
    assert second.delivery is not None
    delivery = second.delivery
    shown = (delivery.state, delivery.reason, delivery.hint, delivery.attempt)
    assert shown == ("failed", "gone", "call", 2)
    assert (second.author.kind, second.author.id, second.author.name) == ("agent", "ann", "Ann")
    assert await rooms.conversations.message("m003") is None


async def test_why_tells_its_sentence_apart_from_its_inputs(rooms: Rooms) -> None:
    rows = [
        Assignment(
            conversation="c001",
            epoch=epoch,
            agent="ann",
            previous=None,
            at=BORN,
            by="rule",
            how="load",
            why={"load": 2, "sentence": f"Sentence {epoch}."},
        )
        for epoch in (2, 1, 10)
    ]
    await keep(rooms, *rows)
    found = await rooms.conversations.why("c001")
    assert [(w.epoch, w.sentence) for w in found] == [
        (1, "Sentence 1."),
        (2, "Sentence 2."),
        (10, "Sentence 10."),
    ]
    assert found[0].inputs == {"load": 2}
    assert await rooms.conversations.why("c002") == []


async def test_a_closed_conversation_says_how(rooms: Rooms) -> None:
    row = conversation(
        1, state="archived", closed_as="resolved", closed_at=BORN, closed_by="ann", topic="t1"
    )
    await keep(rooms, row, Contact(id="p001", name="Ann", created_at=BORN))
    view = await rooms.conversations.get("c001", None)
    assert view is not None
    assert view.closed is not None
    assert (view.closed.as_, view.closed.by, view.closed.at) == ("resolved", "ann", BORN)
    (listed,) = (await rooms.conversations.page(ConversationFilter(view="archive"), None)).items
    assert listed == view


async def test_whatever_a_row_holds_its_view_shows(rooms: Rooms, empty: Callable[[], None]) -> None:
    store = rooms.store(lane=1)
    loop = asyncio.get_running_loop()

    def ask(question: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(question, loop).result(30)

    @settings(
        max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(row=odd(Conversation), person=odd(Contact), told=odd(Message))
    def example(row: Conversation, person: Contact, told: Message) -> None:
        empty()
        row = replace(row, contact=person.id)
        write(store, [(None, row), (None, person), (None, told)])
        view = ask(rooms.conversations.get(row.id, None))
        shown = {name: getattr(view, name) for name in view.__struct_fields__}
        contact, closed = shown.pop("contact"), shown.pop("closed")
        assert shown == {name: getattr(row, name) for name in shown}
        for name in contact.__struct_fields__:
            assert getattr(contact, name) == getattr(person, name)
        assert (closed is None) == (row.closed_as is None)
        found = ask(rooms.conversations.message(told.id))
        for name in ("id", "conversation", "position", "kind", "text", "parts", "created_at"):
            assert getattr(found, name) == getattr(told, name)

    await asyncio.to_thread(example)
    store.close()


# -- jobs ----------------------------------------------------------------------------------------


async def test_open_jobs_are_those_that_still_want_something(
    rooms: Rooms, clock: SystemClock
) -> None:
    soon = clock.now() + timedelta(seconds=30)
    await keep(
        rooms,
        job(1),
        job(2, state="done"),
        job(3, state="unknown", due_at=soon),
        job(4, state="unknown", due_at=BORN),
        job(5, state="dead"),
        job(6, lease="send:desk"),
        job(7, due_at=clock.now() + timedelta(days=1)),
        Call(job="j007", number=3, epoch=1, called_at=BORN),
    )

    async def found(**more: object) -> list[tuple[str, int]]:
        return [(c.job.id, c.called) for c in await rooms.jobs.open("send:shop", **more)]  # type: ignore[arg-type]

    assert await found() == [("j001", 0), ("j003", 0), ("j007", 3)]
    assert await found(after="j001", limit=1) == [("j003", 0)]
    clock.advance(timedelta(seconds=60))
    assert await found() == [("j001", 0), ("j007", 3)], "an unknown send blocks for ever"
    assert await rooms.jobs.get("j005") == job(5, state="dead")
    assert await rooms.jobs.get("j999") is None
    assert [view.id for view in await rooms.jobs.dead()] == ["j005"]


async def test_a_send_knows_the_providers_id_of_what_it_quotes(rooms: Rooms) -> None:
    """A customer's message has it itself; one of ours has it in its newest delivery."""
    await declare(rooms)
    async with writing(rooms.store(lane=1)) as writer:
        incoming = Incoming(source_id="wamid.1", sender=Sender(keys=("ann",)), text="hello")
        await writer.ask(Accept(inbox="shop", incoming=incoming))
    (one,) = (await rooms.conversations.page(ConversationFilter(), None)).items
    (theirs,) = (await rooms.conversations.messages(one.id, after="", before=None, limit=9)).items
    event = next(e for e in await rooms.feed.read(0, 99) if e.message == theirs.id)
    mine = said(1, id="mine", conversation=one.id, address=event.address, kind="outgoing")
    await keep(
        rooms,
        mine,
        replace(mine, id="to-them", quote=theirs.id),
        replace(mine, id="to-me", quote="mine"),
        replace(mine, id="to-nobody", quote="gone"),
        Delivery(inbox="shop", source_id="wamid.8", message="mine", attempt=1),
        Delivery(inbox="shop", source_id="wamid.9", message="mine", attempt=2),
        Delivery(inbox="desk", source_id="wamid.0", message="mine", attempt=3),
    )
    quoted = {}
    for name in ("mine", "to-them", "to-me", "to-nobody"):
        found = await rooms.jobs.to_send(name)
        assert found is not None
        sent, address, source_id = found
        assert (sent.id, address.id, address.keys) == (name, event.address, ("ann",))
        quoted[name] = source_id
    assert quoted == {
        "mine": None,
        "to-them": "wamid.1",
        "to-me": "wamid.9",
        "to-nobody": None,
    }
    assert await rooms.jobs.to_send("gone") is None


async def test_presence_is_the_latest_of_all_processes(rooms: Rooms) -> None:
    later = BORN + timedelta(minutes=1)
    await keep(
        rooms,
        Presence(agent="ann", process="one", until=BORN),
        Presence(agent="ann", process="two", until=later),
        Presence(agent="bob", process="one", until=BORN),
    )
    assert await rooms.jobs.present(["ann", "eve"]) == {"ann": later}
    assert await rooms.jobs.present([]) == {}


async def test_raw_bodies_are_listed_by_state_and_opened_with_their_parked_items(
    rooms: Rooms,
) -> None:
    def body(name: str, minute: int, **fields: object) -> Webhook:
        plain = Webhook(
            id=name,
            inbox="shop",
            body="ü{}".encode(),
            received_at=BORN + timedelta(minutes=minute),
            state="failed",
        )
        return replace(plain, **fields)

    await keep(
        rooms,
        body("w1", 1),
        body("w2", 2),
        body("w3", 3, state="unparsed"),
        body("w4", 4, state="done"),
        *(
            ParkedItem(webhook="w1", item=item, problem="p", at=BORN, done=item == 3)
            for item in (11, 3, 2)
        ),
    )
    assert [(w.id, w.size) for w in await rooms.jobs.webhooks("failed")] == [("w2", 4), ("w1", 4)]
    assert [w.id for w in await rooms.jobs.webhooks("failed", 1)] == ["w2"]
    found = await rooms.jobs.webhook("w1")
    assert found is not None
    assert (found[0], list(found[1])) == (body("w1", 1), [2, 11])
    assert await rooms.jobs.webhook("w9") is None


# -- people --------------------------------------------------------------------------------------


async def test_people_by_name(rooms: Rooms) -> None:
    rows = [agent("bob"), agent("ann"), Team(id="t2", name="B"), Team(id="t1", name="A")]
    rows += [Topic(id="o1", name="Z"), Topic(id="o2", name="Y", products=("acme",), active=False)]
    rows += [Product(name="acme", title="Acme")]
    await keep(rooms, *rows)
    assert [a.id for a in await rooms.people.agents()] == ["ann", "bob"]
    assert await rooms.people.agent("bob") == agent("bob")
    assert await rooms.people.agent("eve") is None
    assert [t.name for t in await rooms.people.teams()] == ["A", "B"]
    assert [t.name for t in await rooms.people.topics()] == ["Y", "Z"]
    assert [p.title for p in await rooms.people.products()] == ["Acme"]
    assert await rooms.people.inboxes() == []


async def test_an_agent_is_found_by_e_mail_in_any_case(rooms: Rooms) -> None:
    secret = Password(agent="ann", digest="$argon2id$", changed_at=BORN)
    await keep(
        rooms,
        agent("ann"),
        agent("bob"),
        AgentEmail(email="ann@example.com", agent="ann"),
        AgentEmail(email="bob@example.com", agent="bob"),
        secret,
    )
    assert await rooms.people.agent_by_email("ANN@Example.com") == (agent("ann"), secret)
    assert await rooms.people.agent_by_email("bob@example.com") == (agent("bob"), None)
    assert await rooms.people.agent_by_email("ann") is None


async def test_loads_count_active_conversations(rooms: Rooms) -> None:
    await keep(
        rooms,
        conversation(1, state="active", agent="ann"),
        conversation(2, state="active", agent="ann"),
        conversation(3, state="active", agent="ann", product="globex"),
        conversation(4, state="ended", agent="ann"),
        conversation(5, state="active", agent="bob"),
    )
    loads = await rooms.people.loads(["ann", "eve"])
    assert loads == {"ann": {"acme": 2, "globex": 1}, "eve": {}}


async def test_logins_that_still_hold(rooms: Rooms, clock: SystemClock) -> None:
    def login(name: str, **fields: object) -> Login:
        plain = Login(
            digest=name,
            id=name,
            agent="ann",
            kind="session",
            created_at=BORN,
            seen_at=BORN,
            until=clock.now() + timedelta(minutes=1),
        )
        return replace(plain, **fields)

    rows = [
        login("good"),
        login("newer", created_at=BORN + timedelta(1)),
        login("revoked", revoked=True),
        login("over", until=BORN),
        login("other", agent="bob"),
    ]
    await keep(rooms, *rows)
    assert [one.digest for one in await rooms.people.logins("ann")] == ["newer", "good"]
    assert await rooms.people.login("revoked") == rows[2]
    assert await rooms.people.login("none") is None
    clock.advance(timedelta(minutes=2))
    assert await rooms.people.logins("ann") == []


async def test_changes_of_status_newest_first(rooms: Rooms) -> None:
    rows = [
        StatusChange(
            id=f"s{n}",
            agent="ann" if n != 2 else "bob",
            was="offline",
            now="online",
            by="ann",
            at=BORN + timedelta(minutes=n % 3),
        )
        for n in range(5)
    ]
    await keep(rooms, *rows)
    found = await rooms.people.status_changes("ann", 3)
    assert [change.at for change in found] == [BORN + timedelta(minutes=m) for m in (1, 1, 0)]


# -- the pool ------------------------------------------------------------------------------------


async def test_many_questions_at_once(rooms: Rooms) -> None:
    """More than there are threads and connections."""
    await keep(rooms, agent("ann"))
    found = await asyncio.gather(*(rooms.people.agent("ann") for _ in range(100)))
    assert set(map(repr, found)) == {repr(agent("ann"))}


async def test_a_reader_finds_a_new_connection(postgres_rooms: Rooms, postgres_url: str) -> None:
    rooms = postgres_rooms
    await asyncio.gather(*(rooms.people.agents() for _ in range(20)))
    with psycopg.connect(postgres_url, autocommit=True) as other:
        (cut,) = other.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone() or (0,)
    assert cut
    assert await asyncio.gather(*(rooms.people.agents() for _ in range(20))) == [[]] * 20


async def test_a_store_that_is_gone_is_a_503(postgres_rooms: Rooms, postgres_url: str) -> None:
    rooms = postgres_rooms
    name = postgres_url.rpartition("/")[2]
    await rooms.people.agents()
    server = postgres_url.rpartition("/")[0] + "/postgres"
    with psycopg.connect(server, autocommit=True) as other:
        other.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
    with pytest.raises(Unavailable):
        await rooms.people.agents()
