"""The agents' socket: who may open it, what comes through, how it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotFound, SignedOut, Unavailable
from core.feed import BUFFER_FRAMES
from core.presence import Alive, Seen, Unseen
from handoff.api import frames, sockets
from handoff.api.frames import FRAME_BOUND, FRAMES_PER_MINUTE
from tests.handoff.api.fakes import PUBLIC, Peer, World, agent_view
from tests.handoff.api.test_gate import ORIGINS

COOKIE = ("cookie", "frontdesk=session-ann")
OWN = ("origin", PUBLIC)
FROM_THE_START = {"token": "token-ann", "after": 0}
FROM_NOW = {"token": "token-ann", "after": None}


async def until(done: Any) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - a condition, not an event
            await asyncio.sleep(0.005)


# -- the handshake -------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", [True, False])
@pytest.mark.parametrize("origin", ORIGINS)
async def test_a_page_elsewhere_opens_nothing(origin: str, cookie: bool) -> None:
    headers = [("origin", origin), *([COOKIE] if cookie else [])]
    async with Peer(World().app, headers=headers) as peer:
        assert peer.opening == {"type": "websocket.close", "code": 1000, "reason": ""}


async def test_a_cookie_without_an_origin_opens_nothing() -> None:
    async with Peer(World().app, headers=[COOKIE]) as peer:
        assert not peer.accepted


async def test_another_address_opens_nothing() -> None:
    async with Peer(World().app, path="/api/v1/elsewhere", headers=[OWN, COOKIE]) as peer:
        assert not peer.accepted


async def test_our_page_with_its_cookie_is_let_in() -> None:
    world = World()
    async with world.running(), Peer(world.app, headers=[OWN, COOKIE]) as peer:
        peer.say({"after": None})
        await peer.pong()


async def test_a_token_needs_no_origin() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()


@pytest.mark.parametrize(
    ("headers", "hello"),
    [
        ([], {"after": None}),
        ([], {"token": "wrong", "after": None}),
        ([], {"token": "session-ann", "after": None}),
        ([OWN], {"after": None}),
        ([OWN, ("cookie", "frontdesk=wrong")], {"after": None}),
        ([OWN, ("cookie", "frontdesk=token-ann")], {"after": None}),
        ([OWN, COOKIE], {"token": "wrong"}),
    ],
)
async def test_whoever_is_not_signed_in_is_sent_away(headers: Any, hello: Any) -> None:
    world = World()
    async with Peer(world.app, headers=headers) as peer:
        peer.say(hello)
        assert (await peer.hear())["data"]["code"] == "signed_out"
        assert await peer.hear() == {"closed": 4001}
    assert len(world.sockets) == 0


@pytest.mark.parametrize(
    "hello",
    [
        "",
        "null",
        "[]",
        "{",
        b"\x00",
        {"after": "5"},
        {"after": -1},
        {"after": 1.5},
        {"after": 2**63},
        {"token": 5},
        {"token": ""},
        {"token": "x" * 600},
        {"type": "ping"},
        {"after": None, "agent": "bob"},
    ],
)
async def test_a_first_frame_of_another_shape_is_sent_away(hello: Any) -> None:
    async with Peer(World().app, headers=[OWN, COOKIE]) as peer:
        peer.say(hello)
        assert (await peer.hear())["type"] == "error"
        assert await peer.hear() == {"closed": 4001}


async def test_whoever_says_nothing_is_sent_away() -> None:
    async with Peer(World().app) as peer:
        assert (await peer.hear())["data"]["code"] == "signed_out"
        assert await peer.hear() == {"closed": 4001}


async def test_a_store_that_is_away_asks_to_come_back() -> None:
    world = World()
    world.logins.fails = Unavailable()
    async with Peer(world.app) as peer:
        peer.say(FROM_NOW)
        assert (await peer.hear())["data"]["code"] == "unavailable"
        assert await peer.hear() == {"closed": 1012}


# -- what comes through --------------------------------------------------------------------------


async def test_frames_are_those_of_the_contract() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.happen("conversation.waiting", conversation="c1", inbox="site")
        frame = await peer.hear()
    assert (frame["seq"], frame["type"], frame["conversation"]) == (1, "conversation.waiting", "c1")
    assert frame["at"] == "2026-03-01T12:00:00Z"
    assert frame["data"]["contact"]["name"] == "Ada"


async def test_a_cursor_goes_on_without_gap_or_repeat() -> None:
    world = World()
    for n in range(5):
        world.feed.add("conversation.updated", conversation=f"c{n}", inbox="site")
    async with world.running(), Peer(world.app) as peer:
        peer.say({"token": "token-ann", "after": 2})
        assert [(await peer.hear())["seq"] for _ in range(3)] == [3, 4, 5]
        world.happen("conversation.updated", conversation="c9", inbox="site")
        assert (await peer.hear())["seq"] == 6


@pytest.mark.parametrize("after", [3, 99])
async def test_a_cursor_that_was_never_or_is_no_more_resyncs_and_goes_on(after: int) -> None:
    world = World()
    world.feed.oldest = 10
    world.feed.add("conversation.updated", conversation="c1", inbox="site")
    async with world.running(), Peer(world.app) as peer:
        peer.say({"token": "token-ann", "after": after})
        assert await peer.hear() == {"type": "resync"}
        await peer.pong()
        world.happen("conversation.updated", conversation="c2", inbox="site")
        assert (await peer.hear())["seq"] == 11


EVENTS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("message.created", {"conversation": "c", "inbox": "site"}, {"agent", "lead", "admin"}),
    ("message.created", {"conversation": "c", "inbox": "other"}, {"admin"}),
    ("conversation.waiting", {"conversation": "c", "inbox": "other"}, {"admin"}),
    ("agent.status", {"subject": "ann"}, {"agent", "lead", "admin"}),
    ("agent.status", {"subject": "bob"}, {"lead", "admin"}),
    ("agent.status", {"subject": "eve"}, {"admin"}),
    ("inbox.health", {"inbox": "site", "subject": "site"}, {"admin"}),
    ("agent.access", {"subject": "bob", "audience": "internal"}, set()),
    ("message.created", {"conversation": "c", "inbox": "site", "audience": "contact"}, set()),
    ("made.up", {"inbox": "site", "audience": "internal"}, set()),
]


@pytest.mark.parametrize(
    ("role", "of"), [("agent", "agent"), ("supervisor", "lead"), ("admin", "admin")]
)
async def test_one_sees_what_role_and_inboxes_allow(role: str, of: str) -> None:
    world = World()
    world.logins.agents["ann"] = agent_view("ann", role=role)
    world.logins.agents["eve"] = agent_view("eve", products=("globex",), inboxes=("other",))
    for kind, names, _ in EVENTS:
        world.feed.add(kind, **names)
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_THE_START)
        wanted = [n for n, (_, _, who) in enumerate(EVENTS, start=1) if of in who]
        assert [(await peer.hear())["seq"] for _ in wanted] == wanted
        await peer.pong()


async def test_a_supervisor_sees_a_colleague_who_came_later() -> None:
    world = World()
    world.logins.agents["ann"] = agent_view("ann", role="supervisor")
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.logins.agents["new"] = agent_view("new")
        world.happen("agent.status", subject="new")
        assert (await peer.hear())["type"] == "agent.status"


async def test_a_change_of_access_resyncs_and_holds_from_then_on() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.logins.agents["ann"] = agent_view("ann", inboxes=("other",))
        world.happen("agent.access", audience="internal", subject="ann")
        assert await peer.hear() == {"type": "resync"}
        world.happen("message.created", conversation="c1", inbox="site")
        world.happen("message.created", conversation="c2", inbox="other")
        assert (await peer.hear())["conversation"] == "c2"


async def test_another_ones_change_of_access_is_silent() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.happen("agent.access", audience="internal", subject="bob")
        world.happen("message.created", conversation="c1", inbox="site")
        assert (await peer.hear())["conversation"] == "c1"


# -- typing --------------------------------------------------------------------------------------


async def test_typing_goes_to_the_workplace() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        peer.say({"type": "typing", "conversation": "c1"})
        await peer.pong()
    ((name, actor, given_),) = world.workplace.calls
    assert (name, actor.agent, given_) == ("typing", "ann", {0: "c1"})


async def test_typing_where_one_may_not_is_refused_with_fixed_words() -> None:
    world = World()
    world.workplace.raises["typing"] = NotFound()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        peer.say({"type": "typing", "conversation": "<script>"})
        frame = await peer.hear()
        assert frame == {
            "type": "error",
            "data": {"code": "refused", "message": "This cannot be done."},
        }
        await peer.pong()


async def test_typing_of_others_comes_through_where_one_reads() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        for hint in (
            {"typing": {"conversation": "c0", "inbox": "site", "agent": "ann"}},
            {"typing": {"conversation": "c1", "inbox": "other", "agent": "bob"}},
            {"typing": {"conversation": 5, "inbox": "site", "agent": "bob"}},
            {"typing": "c1"},
            {"seq": 5, "leases": []},
            {"typing": {"conversation": "c2", "inbox": "site", "agent": "bob"}},
        ):
            world.live.hint(hint)
        assert await peer.hear() == {
            "type": "typing",
            "conversation": "c2",
            "data": {"agent": "bob"},
        }
        await peer.pong()


# -- frames of another shape ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ("5", "malformed"),
        ("NaN", "malformed"),
        ("[" * 5000, "malformed"),
        ('{"event": "base"}', "malformed"),
        ({"type": "nonsense"}, "malformed"),
        ({"type": ["ping"]}, "malformed"),
        ({"type": "ping", "more": 1}, "malformed"),
        ({"type": "typing"}, "malformed"),
        ({"type": "typing", "conversation": {"$ne": ""}}, "malformed"),
        ({"type": "typing", "conversation": ""}, "malformed"),
        ({"type": "typing", "conversation": "x" * 201}, "malformed"),
        (b"\x00\xff", "malformed"),
        (b'{"type": "ping"}', "malformed"),
        ('"' + "x" * FRAME_BOUND + '"', "too_large"),
    ],
)
async def test_a_frame_of_another_shape_gets_fixed_words(frame: Any, code: str) -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        peer.say(frame)
        answer = await peer.hear()
        assert answer["type"] == "error"
        assert set(answer) == {"type", "data"}
        assert answer["data"]["code"] == code
        await peer.pong()
    assert world.workplace.calls == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
near_misses = st.fixed_dictionaries(
    {"type": st.sampled_from(["ping", "typing", "error", "subscribe"]) | json_values},
    optional={"conversation": json_values, "token": json_values, "after": json_values},
)


def is_answered(frame: Any) -> bool:
    """Say whether a frame is answered: all are but a typing that could be read."""
    if isinstance(frame, bytes):
        return True
    text = frame if isinstance(frame, str) else json.dumps(frame)
    try:
        return not isinstance(frames.read_frame({"text": text}), frames.Typing)
    except frames.Unreadable:
        return True


@settings(max_examples=40)
@given(
    st.lists(st.text(max_size=60) | st.binary(max_size=60) | json_values | near_misses, max_size=20)
)
def test_no_frame_brings_the_server_down(said: list[Any]) -> None:
    async def play() -> None:
        world = World()
        async with world.running(), Peer(world.app) as peer:
            peer.say(FROM_NOW)
            for frame in said:
                peer.say(frame)
            peer.say({"type": "ping"})
            for answer in [await peer.hear() for _ in range(1 + sum(map(is_answered, said)))]:
                assert answer["type"] in {"pong", "error"}
                assert answer.get("data", {"code": "malformed"})["code"] == "malformed"
            assert {name for name, _, _ in world.workplace.calls} <= {"typing"}

    asyncio.run(play())


async def test_more_than_a_hundred_frames_a_minute_end_it() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        for _ in range(FRAMES_PER_MINUTE + 1):
            peer.say({"type": "ping"})
        for _ in range(FRAMES_PER_MINUTE):
            assert await peer.hear() == {"type": "pong"}
        assert (await peer.hear())["data"]["code"] == "too_many"
        assert await peer.hear() == {"closed": 4029}


async def test_a_fault_of_ours_ends_one_socket_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.workplace.raises["typing"] = RuntimeError("password=hunter2")
    async with world.running(), Peer(world.app) as one, Peer(world.app) as two:
        for peer in (one, two):
            peer.say(FROM_NOW)
            await peer.pong()
        one.say({"type": "typing", "conversation": "c1"})
        assert await one.hear() == {"closed": 1011}
        await two.pong()
    assert "a socket failed" in caplog.text


# -- how it ends ---------------------------------------------------------------------------------


async def test_signing_out_closes_all_sockets_of_that_session() -> None:
    world = World()
    mine = [OWN, COOKIE]
    other = [OWN, ("cookie", "frontdesk=session-bob")]
    async with (
        world.running(),
        Peer(world.app, headers=mine) as one,
        Peer(world.app, headers=mine) as two,
        Peer(world.app, headers=other) as bob,
    ):
        for peer in (one, two, bob):
            peer.say({"after": None})
            await peer.pong()
        await world.logins.sign_out("session-ann")
        assert await one.hear() == {"closed": 4003}
        assert await two.hear() == {"closed": 4003}
        await bob.pong()
        assert len(world.sockets) == 1


async def test_being_disabled_closes_the_socket_at_the_event_already() -> None:
    world = World(tick=60)
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.logins.agents["ann"] = agent_view("ann", disabled=True)
        world.happen("agent.access", audience="internal", subject="ann")
        assert await peer.hear() == {"closed": 4003}


async def test_a_store_that_is_away_signs_nobody_out() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.logins.fails = Unavailable()
        await world.sockets.check()
        await peer.pong()
        world.logins.fails = SignedOut("You are not signed in.")
        assert await peer.hear() == {"closed": 4003}


async def test_a_fault_does_not_end_the_looking_after() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        world.logins.fails = ValueError("nobody foresaw this")
        asked = world.logins.asked
        await until(lambda: world.logins.asked > asked + 1)
        world.logins.fails = SignedOut("You are not signed in.")
        assert await peer.hear() == {"closed": 4003}


async def test_whoever_falls_behind_is_cut_and_can_go_on() -> None:
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        peer.reading.clear()
        for n in range(BUFFER_FRAMES + 600):
            world.feed.add("conversation.updated", conversation=f"c{n}", inbox="site")
        world.live.wake()
        socket = next(iter(world.sockets))
        await until(socket.ended.done)
        assert socket.ended.result() == 4008
        await until(lambda: len(world.sockets) == 0)


async def test_whoever_stops_reading_is_cut_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "STALL_SECONDS", 0.05)
    world = World()
    async with world.running(), Peer(world.app) as peer:
        peer.say(FROM_NOW)
        await peer.pong()
        peer.reading.clear()
        world.happen("conversation.updated", conversation="c1", inbox="site")
        socket = next(iter(world.sockets))
        await until(socket.ended.done)
        assert socket.ended.result() == 4008


async def test_a_stop_closes_sockets_for_a_restart() -> None:
    world = World()
    async with world.running():
        peer = Peer(world.app)
        await peer.__aenter__()
        peer.say(FROM_NOW)
        await peer.pong()
    assert await peer.hear() == {"closed": 1012}
    await peer.__aexit__()


async def test_a_peer_that_goes_leaves_nothing_behind() -> None:
    world = World()
    async with world.running():
        async with Peer(world.app) as peer:
            peer.say(FROM_NOW)
            await peer.pong()
            assert len(world.sockets) == 1
        assert len(world.sockets) == 0
        assert world.live._subscriptions == set()  # noqa: SLF001 - nothing else shows a leak


# -- presence ------------------------------------------------------------------------------------


async def test_only_an_open_console_makes_present() -> None:
    world = World()
    async with world.running():
        async with Peer(world.app) as peer:
            peer.say(FROM_NOW)
            await peer.pong()
        assert world.lane2.units == []
        async with Peer(world.app, headers=[OWN, COOKIE]) as peer:
            peer.say({"after": None})
            await peer.pong()
            assert world.lane2.units == [Seen(agent="ann", process="p1")]
            assert world.writer.units == [Alive(agent="ann")]


async def test_presence_is_renewed_once_for_all_sockets_and_ended_with_the_last() -> None:
    world = World(tick=0.001)
    seen, unseen = Seen(agent="ann", process="p1"), Unseen(agent="ann", process="p1")
    headers = [OWN, COOKIE]
    async with world.running():
        async with Peer(world.app, headers=headers) as one:
            one.say({"after": None})
            await one.pong()
            async with Peer(world.app, headers=headers) as two:
                two.say({"after": None})
                await two.pong()
                world.lane2.units.clear()
                await until(lambda: len(world.lane2.units) >= 2)
            assert set(world.lane2.units) == {seen}
        assert world.lane2.units[-1] == unseen


async def test_a_store_that_is_away_keeps_the_socket_open() -> None:
    world = World()
    world.lane2.fails = Unavailable()
    async with world.running(), Peer(world.app, headers=[OWN, COOKIE]) as peer:
        peer.say({"after": None})
        await peer.pong()


# -- polling -------------------------------------------------------------------------------------


async def poll(world: World, query: str) -> Any:
    async with world.client(headers={"authorization": "Bearer token-ann"}) as client:
        return (await client.get(f"/api/v1/events{query}")).json()


async def test_whoever_polls_gets_the_same_frames() -> None:
    world = World()
    for inbox in ("site", "other", "site"):
        world.feed.add("conversation.waiting", conversation="c1", inbox=inbox)
    assert await poll(world, "") == {"events": [], "cursor": 3, "more": False}
    first = await poll(world, "?after=0&limit=2")
    assert ([f["seq"] for f in first["events"]], first["cursor"], first["more"]) == ([1], 2, True)
    rest = await poll(world, "?after=2")
    assert ([f["seq"] for f in rest["events"]], rest["cursor"], rest["more"]) == ([3], 3, False)
    assert first["events"][0]["data"]["id"] == "c1"
    assert await poll(world, "?after=3") == {"events": [], "cursor": 3, "more": False}


@pytest.mark.parametrize("after", [1, 99])
async def test_a_cursor_too_old_to_poll_resyncs(after: int) -> None:
    world = World()
    world.feed.oldest = 10
    world.feed.add("conversation.waiting", conversation="c1", inbox="site")
    found = await poll(world, f"?after={after}")
    assert found == {"events": [{"type": "resync"}], "cursor": 10, "more": False}
