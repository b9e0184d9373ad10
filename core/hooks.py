"""One typed method per hook: the only place that touches pluggy's `.hook`.

pluggy knows nothing of async, so it only registers and finds implementations here; we call them.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import pluggy
from starlette.routing import BaseRoute

from core import hookspecs
from core.errors import FrontdeskError
from core.ports.channel import Channel
from core.ports.rooms import BusKind, Handoff, Services, StoreKind
from core.ports.views import ConversationView, MessageView
from core.units import Policy

log = logging.getLogger("frontdesk.hooks")


class WrongPlugin(FrontdeskError):
    """A plugin breaks the contract: unknown hook, wrong colour, or an object that does not fit."""


class Hooks:
    """The registered plugins, and what they answered at boot."""

    def __init__(self, plugins: Mapping[str, ModuleType | object]) -> None:
        """Register in plugins.toml order; raises WrongPlugin."""
        self._manager = pluggy.PluginManager("frontdesk")
        self._manager.add_hookspecs(hookspecs)
        self._names = list(plugins)
        for name, plugin in plugins.items():
            self._manager.register(plugin, name)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise WrongPlugin(f"{error.plugin}: {error}") from error
        for name in hook_names():
            for plugin, call, _ in self._found(name):
                if inspect.iscoroutinefunction(call) != is_async(name):
                    colour = "async" if is_async(name) else "sync"
                    raise WrongPlugin(f"{plugin}: {name} must be {colour}")
        self._told: dict[str, list[tuple[str, Callable[..., Any], frozenset[str]]]] = {
            name: self._found(name) for name in hook_names() if is_async(name)
        }

    # -- channel, storage, handoff, platform: asked at boot ---------------------------------------

    def channels(self) -> list[Channel]:
        """Return every channel of every plugin."""
        return self._gather("register_channels")

    def stores(self) -> list[StoreKind]:
        """Return the kinds of store."""
        return self._gather("register_stores")

    def buses(self) -> list[BusKind]:
        """Return the kinds of bus."""
        return self._gather("register_buses")

    def policies(self) -> list[Policy]:
        """Return the policies in plugins.toml order; a coroutine among them is refused."""
        policies: list[Policy] = self._gather("register_policies")
        for policy in policies:
            if inspect.iscoroutinefunction(policy.react):
                raise WrongPlugin(f"{type(policy).__name__}.react must be sync")
        return policies

    def handoff(self, services: Services) -> Handoff | None:
        """Return the workplace of the first plugin that has one."""
        for _, call, wants in self._found("register_workplace"):
            return call(**_subset(wants, services=services))  # type: ignore[no-any-return]
        return None

    def commands(self) -> list[Any]:
        """Return the command line's additions."""
        return self._gather("register_commands")

    def routes(self, services: Services) -> list[BaseRoute]:
        """Return every route."""
        return self._gather("register_routes", services=services)

    # -- announcements -----------------------------------------------------------------------------

    def anyone_hears(self) -> bool:
        """Say whether any plugin wants announcements; without, nothing is read for them."""
        return any(
            found
            for name, found in self._told.items()
            if name.startswith("on_") and name not in {"on_startup", "on_shutdown"}
        )

    async def on_message_received(self, message: MessageView) -> None:
        """Tell of a customer's message."""
        await self._tell("on_message_received", message=message)

    async def on_message_sent(self, message: MessageView) -> None:
        """Tell of a message to a customer."""
        await self._tell("on_message_sent", message=message)

    async def on_receipt(self, message: MessageView) -> None:
        """Tell of a new delivery state."""
        await self._tell("on_receipt", message=message)

    async def on_waiting(self, conversation: ConversationView) -> None:
        """Tell of a conversation that waits."""
        await self._tell("on_waiting", conversation=conversation)

    async def on_assigned(self, conversation: ConversationView) -> None:
        """Tell of a new owner."""
        await self._tell("on_assigned", conversation=conversation)

    async def on_resolved(self, conversation: ConversationView) -> None:
        """Tell of a conversation that went into the archive."""
        await self._tell("on_resolved", conversation=conversation)

    async def on_status(self, agent: str, status: str) -> None:
        """Tell of an agent's new status."""
        await self._tell("on_status", agent=agent, status=status)

    async def on_startup(self, services: Services) -> None:
        """Tell that the process is about to take requests."""
        await self._tell("on_startup", services=services)

    async def on_shutdown(self) -> None:
        """Tell that the process takes no more requests."""
        await self._tell("on_shutdown")

    # -- listing -----------------------------------------------------------------------------------

    def implementations(self) -> dict[str, list[str]]:
        """Return which plugins implement each hook."""
        return {name: [plugin for plugin, _, _ in self._found(name)] for name in hook_names()}

    def _found(self, name: str) -> list[tuple[str, Callable[..., Any], frozenset[str]]]:
        caller = getattr(self._manager.hook, name)
        found = [
            (one.plugin_name, one.function, frozenset(one.argnames))
            for one in caller.get_hookimpls()
        ]
        return sorted(found, key=lambda item: self._names.index(item[0]))

    def _gather(self, name: str, **arguments: Any) -> list[Any]:
        gathered: list[Any] = []
        for plugin, call, wants in self._found(name):
            answer = call(**_subset(wants, **arguments))
            if not isinstance(answer, Sequence):
                raise WrongPlugin(f"{plugin}: {name} must return a list")
            gathered += answer
        return gathered

    async def _tell(self, name: str, **arguments: Any) -> None:
        for plugin, call, wants in self._told[name]:
            try:
                await call(**_subset(wants, **arguments))
            except Exception:
                # An announcement is a doorbell: whoever fails to hear it hurts nobody else.
                log.exception("%s of %s failed", name, plugin)


def _subset(wants: frozenset[str], **arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in wants}


def hook_names() -> list[str]:
    """Return every hook in the order of core/hookspecs.py."""
    return [name for name in vars(hookspecs) if name.startswith(("register_", "on_", "choose_"))]


def is_async(name: str) -> bool:
    """Say whether a hook is awaited: everything but `register_*`."""
    return not name.startswith("register_")
