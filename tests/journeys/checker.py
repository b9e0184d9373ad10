"""Judges the evidence of a kill run: what was promised and not kept.

Pure. Each violation begins with its kind, a colon, and what it is about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tests.journeys.evidence import Evidence, Post, Shown, Stored, Written

ENDS = frozenset({"delivered", "read", "failed", "unknown"})


def judge(evidence: Evidence) -> list[str]:
    """Return every promise that was broken; an empty list is what everybody hopes for."""
    return [
        *_stored_once(evidence),
        *_in_place(evidence),
        *_in_order(evidence),
        *_shown(evidence),
        *_replies(evidence),
        *_sent(evidence),
    ]


# -- what came in ----------------------------------------------------------------------------------


def _stored_once(evidence: Evidence) -> Iterator[str]:
    found = Counter(one.source_id or "" for one in evidence.stored if one.kind == "incoming")
    acked = {wamid for post in evidence.posts if post.is_success for wamid in post.wamids}
    for wamid in acked - set(found):
        yield f"lost: {wamid} was answered 2xx and is not there"
    for wamid, count in found.items():
        if count > 1:
            yield f"stored twice: {wamid} is there {count} times"


def _in_place(evidence: Evidence) -> Iterator[str]:
    for one in evidence.stored:
        if one.kind != "incoming":
            continue
        writer = evidence.writers.get(one.source_id or "")
        if writer is None:
            yield f"invented: nobody wrote {one.source_id}"
        elif writer != one.customer:
            yield f"misplaced: {one.source_id} of {writer} stands with {one.customer}"
    for customer, count in Counter(evidence.conversations.values()).items():
        if count > 1:
            yield f"split: {customer} has {count} conversations"


def _in_order(evidence: Evidence) -> Iterator[str]:
    for messages in _by_conversation(evidence.stored).values():
        positions = [one.position for one in messages if not one.note and one.kind != "activity"]
        if positions != sorted(set(positions)):
            yield f"out of order: positions of {messages[0].conversation} do not rise"
    first, acked = _times(evidence.posts)
    own: dict[str, dict[str, int]] = defaultdict(dict)
    for place, one in enumerate(evidence.stored):
        if one.source_id in acked:
            own[one.customer].setdefault(one.source_id, place)
    for places in own.values():
        yield from _overtaken(places, first, acked)


def _times(posts: Sequence[Post]) -> tuple[dict[str, float], dict[str, float]]:
    """Return when each message was first posted and when it was first answered 2xx."""
    first: dict[str, float] = {}
    acked: dict[str, float] = {}
    for post in posts:
        for wamid in post.wamids:
            first[wamid] = min(first.get(wamid, post.started), post.started)
            if post.is_success:
                acked[wamid] = min(acked.get(wamid, post.ended), post.ended)
    return first, acked


def _overtaken(
    places: dict[str, int], first: dict[str, float], acked: dict[str, float]
) -> Iterator[str]:
    """Find messages that stand before one acknowledged before they were even posted."""
    earliest: str | None = None
    for wamid in sorted(places, key=places.__getitem__, reverse=True):
        if earliest is not None and acked[earliest] < first[wamid]:
            yield f"out of order: {wamid} stands before {earliest}, acknowledged before it came"
        if earliest is None or acked[wamid] < acked[earliest]:
            earliest = wamid


# -- what agents saw -------------------------------------------------------------------------------


def _shown(evidence: Evidence) -> Iterator[str]:
    if evidence.resyncs:
        yield f"resync: {evidence.resyncs} times a stream could not go on behind its cursor"
    order = {one.id: at for at, one in enumerate(evidence.stored)}
    for agent, frames in evidence.shown.items():
        seqs = [frame.seq for frame in frames]
        for before, after in pairwise(seqs):
            if after <= before:
                yield f"stepped back: {agent} was shown {after} behind {before}"
        wanted = {frame.seq for frame in evidence.feed[agent]}
        missing = wanted - set(seqs)
        if missing:
            yield f"not shown: {agent} was never shown {len(missing)} events: {_few(missing)}"
        extra = {seq for seq in set(seqs) - wanted if not wanted or seq <= max(wanted)}
        if extra:
            yield f"invented: {agent} was shown {len(extra)} events that never were"
        yield from _messages_shown(agent, frames, evidence.stored, order)


def _messages_shown(
    agent: str, frames: Sequence[Shown], stored: Sequence[Stored], order: dict[str, int]
) -> Iterator[str]:
    created = [frame for frame in frames if frame.type == "message.created"]
    count = Counter(frame.message for frame in created)
    for one in stored:
        if count[one.id] == 0:
            yield f"not shown: {agent} never saw {one.source_id or one.id}"
        elif count[one.id] > 1:
            yield f"shown twice: {agent} saw {one.source_id or one.id} {count[one.id]} times"
    last: dict[str | None, int] = {}
    for frame in created:
        at = order.get(frame.message or "", -1)
        if at < last.get(frame.conversation, -1):
            yield f"out of order: {agent} saw {frame.message} too late"
        last[frame.conversation] = at


# -- what went out ---------------------------------------------------------------------------------


def _replies(evidence: Evidence) -> Iterator[str]:
    stored = {one.id: one for one in evidence.stored}
    for one in evidence.written:
        yield from _answered(one, stored)
    known = {message for one in evidence.written for message in one.answers}
    for message in stored.values():
        if message.kind == "outgoing" and message.id not in known:
            yield f"invented: {message.text!r} was never accepted"


def _answered(one: Written, stored: dict[str, Stored]) -> Iterator[str]:
    if not one.answers:
        if not one.refused:
            yield f"unanswered: {one.key} never got an answer"
        return
    if len(set(one.answers)) > 1:
        yield f"key ignored: {one.key} was answered with {sorted(set(one.answers))}"
    message = stored.get(one.answers[0])
    if message is None:
        yield f"reply lost: {one.text!r} was accepted and is not there"
    elif message.note != one.note:
        yield f"note left: {one.text!r} is not what it was written as"


def _sent(evidence: Evidence) -> Iterator[str]:
    stored = {one.id: one for one in evidence.stored}
    times = Counter(call.text for call in evidence.calls)
    open_at_kills = frozenset().union(*(kill.calls_open for kill in evidence.kills))
    for one in evidence.written:
        if one.note and times[one.text]:
            yield f"note left: {one.text!r} went to the customer"
    for one in evidence.written:
        if one.note or not one.answers or one.answers[0] not in stored:
            continue
        yield from _fate(one, stored[one.answers[0]], times[one.text], open_at_kills)
    texts = {one.text for one in evidence.written}
    for text in times:
        if text not in texts:
            yield f"invented: {text!r} went out and nobody wrote it"
    yield from _sent_in_order(evidence)


def _fate(
    one: Written, message: Stored, times: int, open_at_kills: frozenset[str]
) -> Iterator[str]:
    if times > 1:
        yield f"sent twice: {one.text!r} went out {times} times"
    if message.state not in ENDS:
        yield f"no end: {one.text!r} is {message.state}"
    elif message.state == "unknown" and message.id not in open_at_kills:
        yield f"unknown: {one.text!r}, and no call for it was open at a kill"
    elif message.state in {"delivered", "read"} and not times:
        yield f"invented: {one.text!r} is {message.state} and was never sent"


def _sent_in_order(evidence: Evidence) -> Iterator[str]:
    texts = {one.text: one.answers[0] for one in evidence.written if one.answers}
    last: dict[str, str] = {}
    seen: set[str] = set()
    for call in sorted(evidence.calls, key=lambda one: one.ordinal):
        message = texts.get(call.text)
        if message is None or call.text in seen:
            continue  # said already: invented, or sent twice
        seen.add(call.text)
        if message < last.get(call.to, ""):
            yield f"out of order: {call.text!r} was sent behind a younger one"
        last[call.to] = max(message, last.get(call.to, ""))


def _by_conversation(stored: Sequence[Stored]) -> dict[str, list[Stored]]:
    groups: dict[str, list[Stored]] = defaultdict(list)
    for one in stored:
        groups[one.conversation].append(one)
    return groups


def _few(numbers: Iterable[int]) -> str:
    chosen = sorted(numbers)
    return ", ".join(map(str, chosen[:5])) + (" ..." if len(chosen) > 5 else "")
