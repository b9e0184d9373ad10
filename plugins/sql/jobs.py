"""Reads jobs, what a send needs, who is present, and raw bodies that were not wholly taken in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from core.models import people, rows
from core.ports.reading import CalledJob
from core.ports.views import JobView, WebhookView
from plugins.sql.codec import from_micros
from plugins.sql.reader import Link, Reader
from plugins.sql.schema import CODECS
from plugins.sql.shapes import job_view

_json = msgspec.json.Encoder().encode
_job = CODECS[people.Job]
_message = CODECS[rows.Message]
_address = CODECS[rows.Address]
_webhook = CODECS[rows.Webhook]


def _columns(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f'{alias}."{name}"' for name in names)


_JOB = _columns("j", _job.names)
# An unknown send blocks its lane until due_at, then its job is nobody's work any more.
_OPEN = (
    f"SELECT {_JOB}, coalesce(l.number, 0) FROM job AS j LEFT JOIN call AS l ON l.job = j.id "
    "WHERE j.lease = ? AND j.id > ? AND j.state IN ('open', 'unknown') "
    "AND (j.state = 'open' OR j.due_at > {now}) ORDER BY j.id LIMIT ?"
)
_GET = f"SELECT {_JOB} FROM job AS j WHERE j.id = ?"
_DEAD = f"SELECT {_JOB} FROM job AS j WHERE j.state = 'dead' ORDER BY j.id DESC LIMIT ?"
_TO_SEND = (
    f"SELECT {_columns('m', _message.names)}, {_columns('a', _address.names)}, "
    "coalesce(q.source_id, (SELECT d.source_id FROM delivery AS d WHERE d.message = m.quote "
    "AND d.inbox = m.inbox AND d.attempt > 0 ORDER BY d.attempt DESC, d.source_id LIMIT 1)) "
    "FROM message AS m JOIN address AS a ON a.id = m.address "
    "LEFT JOIN message AS q ON q.id = m.quote WHERE m.id = ?"
)
_PRESENT = {
    True: "SELECT agent, max(until) FROM presence "
    "WHERE agent IN (SELECT value FROM json_each(?)) GROUP BY agent",
    False: "SELECT agent, max(until) FROM presence WHERE agent = ANY(?::text[]) GROUP BY agent",
}
_WEBHOOKS = (
    "SELECT id, inbox, state, problem, received_at, length(body) FROM webhook "
    "WHERE state = ? AND state <> 'done' ORDER BY received_at DESC, id DESC LIMIT ?"
)
_WEBHOOK = f"SELECT {_columns('w', _webhook.names)} FROM webhook AS w WHERE w.id = ?"
_PARKED = "SELECT item FROM parked_item WHERE webhook = ? AND NOT done ORDER BY item"


class SqlJobs:
    """Implements core.ports.reading.Jobs."""

    def __init__(self, reader: Reader) -> None:
        """Read through the pool."""
        self._reader = reader
        self._open = _OPEN.format(now=reader.now_term)

    async def open(self, lease: str, *, after: str = "", limit: int = 1000) -> Sequence[CalledJob]:
        """Return open jobs, and unknown ones that still block, by rising id."""
        params = (lease, after, self._reader.now_value(), limit)

        def question(link: Link) -> list[CalledJob]:
            return [
                CalledJob(job=cast("people.Job", _job.decode(found[:-1])), called=found[-1])
                for found in link.run(self._open, params)
            ]

        return await self._reader.read(question)

    async def get(self, job: str) -> people.Job | None:
        """Return one job."""
        found = await self._reader.read(lambda link: link.run(_GET, (job,)))
        return cast("people.Job", _job.decode(found[0])) if found else None

    async def to_send(self, message: str) -> tuple[rows.Message, rows.Address, str | None] | None:
        """Return a message, its address, and the source_id of what it quotes."""
        found = await self._reader.read(lambda link: link.run(_TO_SEND, (message,)))
        if not found:
            return None
        width = len(_message.names)
        return (
            cast("rows.Message", _message.decode(found[0][:width])),
            cast("rows.Address", _address.decode(found[0][width:-1])),
            found[0][-1],
        )

    async def present(self, agents: Sequence[str]) -> dict[str, datetime]:
        """Return until when each agent was last seen alive, by any process; missing = never."""
        sqlite = self._reader.is_sqlite
        params = (_json(list(agents)).decode() if sqlite else list(agents),)
        found = await self._reader.read(lambda link: link.run(_PRESENT[sqlite], params))
        return {agent: from_micros(until) for agent, until in found}

    async def dead(self, limit: int = 100) -> Sequence[JobView]:
        """Return jobs that ended badly, newest first."""
        found = await self._reader.read(lambda link: link.run(_DEAD, (limit,)))
        return [job_view(cast("people.Job", _job.decode(row))) for row in found]

    async def webhooks(self, state: str, limit: int = 100) -> Sequence[WebhookView]:
        """Return raw bodies that are not done, of one state, newest first."""
        found = await self._reader.read(lambda link: link.run(_WEBHOOKS, (state, limit)))
        return [
            WebhookView(
                id=id_,
                inbox=inbox,
                state=state_,
                problem=problem,
                received_at=from_micros(received_at),
                size=size,
            )
            for id_, inbox, state_, problem, received_at, size in found
        ]

    async def webhook(self, webhook: str) -> tuple[rows.Webhook, Sequence[int]] | None:
        """Return a raw body and the indexes of its parked items that are not done yet."""

        def question(link: Link) -> tuple[rows.Webhook, Sequence[int]] | None:
            found = link.run(_WEBHOOK, (webhook,))
            if not found:
                return None
            items = [item for (item,) in link.run(_PARKED, (webhook,))]
            return cast("rows.Webhook", _webhook.decode(found[0])), items

        return await self._reader.read(question)
