"""The checker itself: silent about a run that kept its word, loud about each way not to."""

from __future__ import annotations

import copy
from collections.abc import Callable

import msgspec
import pytest

from tests.journeys.checker import judge
from tests.journeys.evidence import Called, Evidence, Kill, Post, Shown, Stored, Written
from tests.journeys.floors import Floors, shortfalls

replace = msgspec.structs.replace


def incoming(number: int, position: int) -> Stored:
    return Stored(
        id=f"0{position}",
        conversation="c",
        customer="Ann",
        position=position,
        kind="incoming",
        note=False,
        source_id=f"w{number}",
        text="",
        state=None,
    )


def outgoing(text: str, position: int, *, note: bool = False, state: str | None) -> Stored:
    return Stored(
        id=f"0{position}" + ("n" if note else ""),
        conversation="c",
        customer="Ann",
        position=position,
        kind="outgoing",
        note=note,
        source_id=None,
        text=text,
        state=state,
    )


def written(text: str, answer: str, *, note: bool = False) -> Written:
    return Written(
        key=text, agent="a", conversation="c", text=text, note=note, answers=[answer], lost=1
    )


def frames() -> list[Shown]:
    """What one agent saw: every message once, and the conversation."""
    names = ("01", "02", "03", "04", "04n", "05")
    return [
        Shown(seq=1, type="conversation.assigned", message=None, conversation="c", source_id=None),
        *(
            Shown(seq=at, type="message.created", message=one, conversation="c", source_id=None)
            for at, one in enumerate(names, 2)
        ),
    ]


def good() -> Evidence:
    """A small run in which everything was kept."""
    return Evidence(
        writers={"w1": "Ann", "w2": "Ann", "w3": "Ann"},
        posts=[
            Post(wamids=("w2",), started=0, ended=1, status=200),
            Post(wamids=("w1",), started=2, ended=3, status=None),
            Post(wamids=("w1", "w2"), started=4, ended=5, status=200),
            Post(wamids=("w3",), started=6, ended=7, status=200),
        ],
        written=[
            written("hello", "03"),
            written("psst", "04n", note=True),
            written("bye", "04"),
        ],
        stored=[
            incoming(2, 1),
            incoming(1, 2),
            outgoing("hello", 3, state="delivered"),
            outgoing("bye", 4, state="unknown"),
            outgoing("psst", 4, note=True, state=None),
            incoming(3, 5),
        ],
        conversations={"c": "Ann"},
        shown={"Deniz": frames()},
        feed={"Deniz": frames()},
        calls=[Called(ordinal=1, to="90", text="hello")],
        kills=[
            Kill(
                point="writer1.before_commit",
                server="one",
                code=-9,
                posts_cut=1,
                calls_held=1,
                calls_open=frozenset({"04"}),
                accepted=3,
                replies=2,
            )
        ],
    )


def test_a_good_run_is_not_accused() -> None:
    assert judge(good()) == []


def lose(run: Evidence) -> None:
    del run.stored[-1]
    for seen in (run.shown, run.feed):
        del seen["Deniz"][-1]


def store_twice(run: Evidence) -> None:
    run.stored.append(replace(run.stored[-1], id="06", position=6))


def invent(run: Evidence) -> None:
    del run.writers["w3"]
    del run.posts[-1]


def misplace(run: Evidence) -> None:
    run.writers["w3"] = "Ben"


def split(run: Evidence) -> None:
    run.conversations["d"] = "Ann"


def swap(run: Evidence) -> None:
    run.stored[0], run.stored[-1] = (
        replace(run.stored[0], source_id="w3"),
        replace(run.stored[-1], source_id="w2"),
    )
    run.posts[2] = replace(run.posts[2], wamids=("w1",))


def fall_back(run: Evidence) -> None:
    run.stored[1] = replace(run.stored[1], position=1)


def skip(run: Evidence) -> None:
    del run.shown["Deniz"][2]


def skip_status(run: Evidence) -> None:
    del run.shown["Deniz"][0]


def show_twice(run: Evidence) -> None:
    run.shown["Deniz"].append(replace(run.shown["Deniz"][-1], seq=9))


def step_back(run: Evidence) -> None:
    run.shown["Deniz"].append(run.shown["Deniz"][-1])


def mix_up(run: Evidence) -> None:
    for seen in (run.shown["Deniz"], run.feed["Deniz"]):
        seen[1], seen[2] = replace(seen[1], message="02"), replace(seen[2], message="01")


def resync(run: Evidence) -> None:
    run.resyncs = 1


def lose_reply(run: Evidence) -> None:
    del run.stored[3]
    for seen in (run.shown, run.feed):
        del seen["Deniz"][4]


def double_reply(run: Evidence) -> None:
    run.written[0].answers.append("02")


def leave_unanswered(run: Evidence) -> None:
    run.written.append(Written(key="k", agent="a", conversation="c", text="k", note=False))


def invent_reply(run: Evidence) -> None:
    del run.written[2]


def send_twice(run: Evidence) -> None:
    run.calls.append(Called(ordinal=2, to="90", text="hello"))


def send_note(run: Evidence) -> None:
    run.calls.append(Called(ordinal=2, to="90", text="psst"))


def show_note_as_reply(run: Evidence) -> None:
    run.stored[4] = replace(run.stored[4], note=False, position=5)
    run.stored[5] = replace(run.stored[5], position=6)


def never_send(run: Evidence) -> None:
    run.calls.clear()


def leave_pending(run: Evidence) -> None:
    run.stored[2] = replace(run.stored[2], state="pending")


def doubt(run: Evidence) -> None:
    run.stored[2] = replace(run.stored[2], state="unknown")


def send_invented(run: Evidence) -> None:
    run.calls.append(Called(ordinal=2, to="90", text="buy now"))


def send_late(run: Evidence) -> None:
    run.calls = [
        Called(ordinal=1, to="90", text="bye"),
        Called(ordinal=2, to="90", text="hello"),
    ]


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lose, "lost"),
        (store_twice, "stored twice"),
        (invent, "invented"),
        (misplace, "misplaced"),
        (split, "split"),
        (swap, "out of order"),
        (fall_back, "out of order"),
        (skip, "not shown"),
        (skip_status, "not shown"),
        (show_twice, "shown twice"),
        (step_back, "stepped back"),
        (mix_up, "out of order"),
        (resync, "resync"),
        (lose_reply, "reply lost"),
        (double_reply, "key ignored"),
        (leave_unanswered, "unanswered"),
        (invent_reply, "invented"),
        (send_twice, "sent twice"),
        (send_note, "note left"),
        (show_note_as_reply, "note left"),
        (never_send, "invented"),
        (leave_pending, "no end"),
        (doubt, "unknown"),
        (send_invented, "invented"),
        (send_late, "out of order"),
    ],
)
def test_each_broken_promise_is_found(harm: Callable[[Evidence], None], kind: str) -> None:
    run = copy.deepcopy(good())
    harm(run)
    kinds = {violation.partition(":")[0] for violation in judge(run)}
    assert kind in kinds, judge(run)


FLOORS = Floors(kills=1, accepted=3, replies=2, uncommitted=1, held=1, rebatched=0.3)


def test_a_run_that_did_enough_counts() -> None:
    assert shortfalls(good(), FLOORS) == []


@pytest.mark.parametrize(
    "floors",
    [
        {"kills": 2},
        {"accepted": 4},
        {"replies": 3},
        {"uncommitted": 2},
        {"held": 2},
        {"duplicates": 0.7},
        {"reordered": 0.4},
        {"rebatched": 0.7},
        {"notes": 2},
        {"lost": 4},
        {"servers": 2},
    ],
)
def test_a_run_below_any_floor_does_not(floors: dict[str, float]) -> None:
    (short,) = shortfalls(good(), msgspec.structs.replace(FLOORS, **floors))
    assert short


def test_a_server_that_ended_by_itself_was_not_killed() -> None:
    run = good()
    run.kills[0] = replace(run.kills[0], code=2)
    assert shortfalls(run, FLOORS) == ["kill 1 ended with 2, not by SIGKILL"]
