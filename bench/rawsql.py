"""Routing as a program would do it that has only SQL: the other side of T10."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE agent (id TEXT PRIMARY KEY, online INTEGER, room INTEGER, load INTEGER) WITHOUT ROWID;
CREATE TABLE conversation (id TEXT PRIMARY KEY, inbox TEXT, contact TEXT, state TEXT, agent TEXT,
  epoch INTEGER, at INTEGER) WITHOUT ROWID;
CREATE UNIQUE INDEX open_one ON conversation (inbox, contact) WHERE state IN ('waiting', 'active');
CREATE INDEX queue ON conversation (inbox, at, id) WHERE state = 'waiting';
CREATE INDEX load ON conversation (agent) WHERE state = 'active';
CREATE TABLE message (id TEXT PRIMARY KEY, conversation TEXT, text TEXT, at INTEGER) WITHOUT ROWID;
CREATE TABLE assignment (conversation TEXT, epoch INTEGER, agent TEXT, why TEXT, at INTEGER,
  PRIMARY KEY (conversation, epoch)) WITHOUT ROWID;
CREATE TABLE event (seq INTEGER PRIMARY KEY, type TEXT, conversation TEXT, at INTEGER);
"""
_PICK = "SELECT id, load FROM agent WHERE online = 1 AND load < room ORDER BY load LIMIT 1"
_OLDEST = (
    "SELECT id FROM conversation WHERE state = 'waiting' AND inbox = ? ORDER BY at, id LIMIT 1"
)


class RawRouting:
    """A store with as much of our schema as routing touches."""

    def __init__(self, path: Path, agents: int) -> None:
        """Make it, with that many agents who have endless room."""
        self._link = sqlite3.connect(path, isolation_level=None)
        self._link.executescript(_SCHEMA)
        self._link.executemany(
            "INSERT INTO agent VALUES (?, 1, 100000000, 0)",
            [(f"agent-{number}",) for number in range(agents)],
        )

    def batch(self, count: int, number: int, *, routes: bool) -> None:
        """Take in `count` first messages in one transaction, and route them if asked to."""
        now = time.time_ns()
        names = [f"{number:012d}{index:06d}" for index in range(count)]
        run = self._link.execute
        run("BEGIN IMMEDIATE")
        for name in names:
            run(
                "INSERT INTO conversation VALUES (?, 'wa', ?, 'waiting', NULL, 0, ?)",
                (name, name, now),
            )
            run("INSERT INTO message VALUES (?, ?, 'Good morning', ?)", (name, name, now))
            run("INSERT INTO event VALUES (NULL, 'message.created', ?, ?)", (name, now))
            if routes:
                self._give(now)
            else:
                run("INSERT INTO event VALUES (NULL, 'conversation.waiting', ?, ?)", (name, now))
        run("COMMIT")

    def _give(self, now: int) -> None:
        run = self._link.execute
        (name,) = run(_OLDEST, ("wa",)).fetchone()
        agent, load = run(_PICK).fetchone()
        why = json.dumps({"rule": "fewest", "load": load, "sentence": f"{agent} had the fewest."})
        run(
            "UPDATE conversation SET state = 'active', agent = ?, epoch = epoch + 1 WHERE id = ?",
            (agent, name),
        )
        run("UPDATE agent SET load = load + 1 WHERE id = ?", (agent,))
        run("INSERT INTO assignment VALUES (?, 1, ?, ?, ?)", (name, agent, why, now))
        run("INSERT INTO event VALUES (NULL, 'conversation.assigned', ?, ?)", (name, now))
