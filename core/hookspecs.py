"""Every hook there is. Implementations may take any subset of the arguments.

`register_*` are sync, called at boot, and hand over typed objects. `on_*` are async announcements
after commit: all are told, in turn, and a failure hurts nobody else. `choose_*` are async and
asked in plugins.toml order until one answers something other than None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy
from starlette.routing import BaseRoute

from core.ports.channel import Channel
from core.ports.rooms import BusKind, Handoff, Services, StoreKind
from core.ports.views import ConversationView, MessageView
from core.units import Policy

hookspec = pluggy.HookspecMarker("frontdesk")
hookimpl = pluggy.HookimplMarker("frontdesk")

# -- channel -------------------------------------------------------------------------------------


@hookspec
def register_channels() -> Sequence[Channel]:  # type: ignore[empty-body]
    """Hand over the channels this plugin brings."""


@hookspec
async def on_message_received(message: MessageView) -> None:
    """A customer's message is stored.

    :param message: the message as agents see it.
    """


@hookspec
async def on_message_sent(message: MessageView) -> None:
    """A message to a customer is stored; its delivery comes later.

    :param message: the message as agents see it.
    """


@hookspec
async def on_receipt(message: MessageView) -> None:
    """The delivery state of a message of ours has changed.

    :param message: the message with its new delivery state.
    """


# -- storage -------------------------------------------------------------------------------------


@hookspec
def register_stores() -> Sequence[StoreKind]:  # type: ignore[empty-body]
    """Hand over the kinds of store this plugin brings; `database` picks one by its scheme."""


@hookspec
def register_buses() -> Sequence[BusKind]:  # type: ignore[empty-body]
    """Hand over the kinds of bus this plugin brings; `bus` picks one by name."""


# -- handoff -------------------------------------------------------------------------------------


@hookspec
def register_policies() -> Sequence[Policy]:  # type: ignore[empty-body]
    """Hand over policies, run after each unit in plugins.toml order; coroutines are refused."""


@hookspec
def register_workplace(services: Services) -> Handoff:  # type: ignore[empty-body]
    """Hand over the workplace and reception of this process; the first plugin's is used.

    :param services: what the process has so far: writers, readers, config.
    """


@hookspec
async def on_waiting(conversation: ConversationView) -> None:
    """A conversation waits for an agent.

    :param conversation: the conversation as agents see it.
    """


@hookspec
async def on_assigned(conversation: ConversationView) -> None:
    """A conversation has a new owner.

    :param conversation: the conversation with its agent.
    """


@hookspec
async def on_resolved(conversation: ConversationView) -> None:
    """A conversation went into the archive.

    :param conversation: the conversation with its topic.
    """


@hookspec
async def on_status(agent: str, status: str) -> None:
    """An agent's status has changed.

    :param agent: the agent's id.
    :param status: online, invisible, break or offline.
    """


# -- platform ------------------------------------------------------------------------------------


@hookspec
def register_commands() -> Sequence[Any]:  # type: ignore[empty-body]
    """Hand over typer apps that become `frontdesk <name>`."""


@hookspec
def register_routes(services: Services) -> Sequence[BaseRoute]:  # type: ignore[empty-body]
    """Hand over HTTP and WebSocket routes.

    :param services: what the plugin may use.
    """


@hookspec
async def on_startup(services: Services) -> None:
    """The process is about to take requests.

    :param services: what the plugin may use.
    """


@hookspec
async def on_shutdown() -> None:
    """The process has stopped taking requests."""
