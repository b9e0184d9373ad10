"""The workplace: what agents do, as units for the writer, and what they ask, as reads.

Every write carries its actor into the unit, where the rights are checked against the rows of the
same batch. Reads are narrowed to the inboxes the actor may read.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.errors import NotFound
from core.models.people import Status
from core.ports.reading import ConversationFilter, MessagePage, Page
from core.ports.rooms import Services
from core.ports.views import AgentView, ConversationView, Counters, MessageView, WhyView
from core.ports.workplace import Actor, Reply, StatusPreview
from core.units import Unit
from handoff import rights
from handoff.closing import Block, MergeContacts, Resolve, SetTags
from handoff.owning import Claim, Reopen, Transfer
from handoff.policy import online_now
from handoff.replying import MarkRead, RetrySend, Say
from handoff.running import Running
from handoff.statuses import SetStatus


class Desk(Running):
    """Implements core.ports.workplace.Workplace; `Running` holds the part for admins and lists."""

    def __init__(self, services: Services) -> None:
        """Keep what the process offers."""
        super().__init__(services)
        self._can = {name: channel.can for name, channel in services.channels.items()}

    # -- the actor -------------------------------------------------------------------------------

    async def set_status(
        self, actor: Actor, status: Status, *, agent: str | None = None, reason: str = ""
    ) -> AgentView:
        """Change a status; conversations follow in the same commit."""
        target = agent or actor.agent
        await self._do(SetStatus(actor=actor, agent=target, status=status, reason=reason))
        return await self._view(await self._agent(target))

    async def preview_offline(self, actor: Actor) -> StatusPreview:
        """Count what going offline now would send back and what it would park."""
        me = await self._acting(actor)
        page = await self._rooms.conversations.page(
            ConversationFilter(view="mine", me=me.id, limit=1000), rights.scope_of(me)
        )
        active = [c for c in page.items if c.state == "active"]
        back = sum(1 for c in active if c.waiting_since is not None)
        return StatusPreview(requeued=back, parked=len(active) - back)

    async def counters(
        self, actor: Actor, *, product: str | None, channel: str | None, inbox: str | None
    ) -> Counters:
        """Return the three labels for the inboxes that the filter leaves."""
        me = await self._acting(actor)
        conversations = self._rooms.conversations
        waiting = await conversations.count_waiting(
            rights.scope_of(me), product=product, channel=channel, inbox=inbox
        )
        names = [
            row.name
            for row in await self._rooms.people.inboxes()
            if rights.may_read(me, row.name)
            and product in {None, row.product}
            and channel in {None, row.channel}
            and inbox in {None, row.name}
        ]
        agents = await self._rooms.people.agents()
        online = sum(1 for a in agents if any(online_now([a], name) for name in names))
        return Counters(
            waiting=waiting, online=online, status=me.status, status_since=me.status_since
        )

    # -- reading conversations -----------------------------------------------------------------

    async def conversations(self, actor: Actor, wanted: ConversationFilter) -> Page:
        """List what he may read."""
        me = await self._acting(actor)
        wanted = msgspec.structs.replace(wanted, me=me.id)
        return await self._rooms.conversations.page(wanted, rights.scope_of(me))

    async def conversation(self, actor: Actor, conversation: str) -> ConversationView:
        """Return one; what he may not read is not there."""
        me = await self._acting(actor)
        found = await self._rooms.conversations.get(conversation, rights.scope_of(me))
        if found is None:
            raise NotFound
        return found

    async def messages(
        self, actor: Actor, conversation: str, *, after: str | None, before: str | None, limit: int
    ) -> MessagePage:
        """Return messages in rising order."""
        await self.conversation(actor, conversation)
        return await self._rooms.conversations.messages(
            conversation, after=after, before=before, limit=limit
        )

    async def why(self, actor: Actor, conversation: str) -> Sequence[WhyView]:
        """Return the routing decisions."""
        await self.conversation(actor, conversation)
        return await self._rooms.conversations.why(conversation)

    # -- acting on conversations ---------------------------------------------------------------

    async def reply(self, actor: Actor, conversation: str, reply: Reply) -> MessageView:
        """Answer or note; stored and on its way when this returns."""
        unit = Say(actor=actor, conversation=conversation, reply=reply, can=self._can)
        return await self._message(str(await self._do(unit)))

    async def claim(
        self, actor: Actor, conversation: str, *, epoch: int, over_capacity: bool = False
    ) -> ConversationView:
        """Take it, if the epoch still stands."""
        unit = Claim(
            actor=actor, conversation=conversation, epoch=epoch, over_capacity=over_capacity
        )
        return await self._changed(conversation, unit)

    async def transfer(
        self, actor: Actor, conversation: str, *, agent: str | None = None, team: str | None = None
    ) -> ConversationView:
        """Hand it on."""
        unit = Transfer(actor=actor, conversation=conversation, agent=agent, team=team)
        return await self._changed(conversation, unit)

    async def resolve(
        self,
        actor: Actor,
        conversation: str,
        *,
        topic: str | None,
        tags: tuple[str, ...] | None = None,
    ) -> ConversationView:
        """Archive it with its topic."""
        unit = Resolve(actor=actor, conversation=conversation, topic=topic, tags=tags)
        return await self._changed(conversation, unit)

    async def reopen(self, actor: Actor, conversation: str) -> ConversationView:
        """Open it again by hand."""
        return await self._changed(conversation, Reopen(actor=actor, conversation=conversation))

    async def read(self, actor: Actor, conversation: str) -> ConversationView:
        """The owner has seen it."""
        unit = MarkRead(actor=actor, conversation=conversation)
        return await self._changed(conversation, unit)

    async def block(self, actor: Actor, conversation: str) -> ConversationView:
        """Block the contact."""
        return await self._changed(conversation, Block(actor=actor, conversation=conversation))

    async def set_tags(
        self, actor: Actor, conversation: str, tags: tuple[str, ...]
    ) -> ConversationView:
        """Replace the tags."""
        unit = SetTags(actor=actor, conversation=conversation, tags=tags)
        return await self._changed(conversation, unit)

    async def typing(self, actor: Actor, conversation: str) -> None:
        """Tell the other desks, over the bus only."""
        found = await self.conversation(actor, conversation)
        hint = {"conversation": found.id, "inbox": found.inbox, "agent": actor.agent}
        self._services.tell(msgspec.json.encode({"typing": hint}))

    async def retry(self, actor: Actor, message: str) -> MessageView:
        """Make one more attempt."""
        unit = RetrySend(actor=actor, message=message, can=self._can)
        return await self._message(str(await self._do(unit)))

    async def merge_contacts(self, actor: Actor, contact: str, into: str) -> None:
        """Make two contacts one."""
        await self._do(MergeContacts(actor=actor, contact=contact, into=into))

    async def _changed(self, conversation: str, unit: Unit) -> ConversationView:
        await self._do(unit)
        found = await self._rooms.conversations.get(conversation, None)
        if found is None:
            raise NotFound
        return found

    async def _message(self, message: str) -> MessageView:
        found = await self._rooms.conversations.message(message)
        if found is None:
            raise NotFound
        return found
