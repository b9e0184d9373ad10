"""The table of the API, room by room."""

from handoff.api.operations import Operation
from handoff.api.routes import conversations, events, health, people, session, setup

OPERATIONS: tuple[Operation, ...] = (
    *session.OPERATIONS,
    *people.OPERATIONS,
    *conversations.OPERATIONS,
    *setup.OPERATIONS,
    *health.OPERATIONS,
    *events.OPERATIONS,
)
