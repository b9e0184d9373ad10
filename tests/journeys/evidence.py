"""What a kill run saw: plain records that the checker judges."""

from __future__ import annotations

import msgspec


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook body on its way: which messages, when (monotonic seconds), and its answer."""

    wamids: tuple[str, ...]
    started: float
    ended: float
    status: int | None

    @property
    def is_success(self) -> bool:
        """Whether the provider takes this answer for a delivery."""
        return self.status is not None and 200 <= self.status < 300


class Written(msgspec.Struct, kw_only=True):
    """A reply or note an agent wrote. `answers` are the ids his key was answered with.

    `lost` counts the times no answer came and the key was sent again.
    """

    key: str
    agent: str
    conversation: str
    text: str
    note: bool
    answers: list[str] = []
    lost: int = 0
    refused: str = ""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the API shows it at the end, in the order it shows it."""

    id: str
    conversation: str
    customer: str
    position: int
    kind: str
    note: bool
    source_id: str | None
    text: str
    state: str | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of an agent's stream."""

    seq: int
    type: str
    message: str | None
    conversation: str | None
    source_id: str | None


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A message the provider took, in its order."""

    ordinal: int
    to: str
    text: str


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One kill -9 and what was under way.

    `point` is where it struck; `posts_cut` counts bodies that never got their answer, `calls_held`
    calls that the provider was still working on, `calls_open` the messages whose call had begun
    and was not recorded. `accepted` and `replies` count since the kill before.
    """

    point: str
    server: str
    code: int
    posts_cut: int
    calls_held: int
    calls_open: frozenset[str]
    accepted: int
    replies: int


class Evidence(msgspec.Struct, kw_only=True):
    """Everything of one run. `writers` says which customer wrote what, in the order of writing."""

    writers: dict[str, str] = {}
    posts: list[Post] = []
    written: list[Written] = []
    stored: list[Stored] = []
    conversations: dict[str, str] = {}
    shown: dict[str, list[Shown]] = {}
    feed: dict[str, list[Shown]] = {}
    resyncs: int = 0
    connects: dict[str, int] = {}
    calls: list[Called] = []
    kills: list[Kill] = []
