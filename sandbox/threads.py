"""What stands on a simulated phone: chats, their bubbles, and how these change."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from sandbox.graph import Call, Graph, Line, Mark
from sandbox.payloads import Customer, Json, encode_body, message_item, new_wamid, text
from sandbox.webhooks import is_success

_TEXT_LIMIT = 4096
_KEPT_BUBBLES = 500


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's chat with one of the graph's numbers; `ideas` are lines to tap."""

    id: str
    customer: Customer
    phone_number_id: str
    ideas: tuple[str, ...] = ()


class Bubble(msgspec.Struct, kw_only=True):
    """One message on the screen; `id` is its wamid, `quote` the text it answers.

    The customer's own go sending -> sent (the desk answered 2xx) -> read, or failed; the
    business's go new -> read.
    """

    id: str
    side: Literal["customer", "business"]
    text: str
    at: datetime
    state: Literal["sending", "sent", "failed", "new", "read"]
    kind: str = "text"
    quote: str = ""
    reaction: str = ""


class Threads:
    """The chats of one phone page. `tell` gets every change as a frame for the pages."""

    def __init__(self, graph: Graph, chats: Sequence[Chat], tell: Callable[[Json], None]) -> None:
        self._graph = graph
        self._tell = tell
        self._chats = {chat.id: chat for chat in chats}
        self._threads: dict[str, deque[Bubble]] = {
            chat.id: deque(maxlen=_KEPT_BUBBLES) for chat in chats
        }
        self._unread: dict[str, Call] = {}
        graph.on_call.append(self._take_call)
        graph.on_mark.append(self._take_mark)

    def state(self) -> Json:
        """Everything on the screen: the first frame of a page."""
        chats = [
            {
                "id": chat.id,
                "name": chat.customer.name,
                "phone": f"+{chat.customer.wa_id}",
                "business": self._line(chat).title,
                "ideas": chat.ideas,
                "bubbles": list(self._threads[chat.id]),
            }
            for chat in self._chats.values()
        ]
        return {"type": "state", "chats": chats}

    def say(self, chat_id: str, words: str) -> None:
        """Send a text as this chat's customer; unknown chats and empty texts are ignored."""
        chat, words = self._chats.get(chat_id), words.strip()[:_TEXT_LIMIT]
        if chat is None or not words:
            return
        bubble = Bubble(
            id=new_wamid(chat.customer.wa_id, self._graph.rng, inbound=True),
            side="customer",
            text=words,
            at=self._graph.now(),
            state="sending",
        )
        self._threads[chat_id].append(bubble)
        self._graph.start(self._send(chat, bubble))

    def say_again(self, chat_id: str, wamid: str) -> None:
        """Send a failed bubble once more, with the same id and bytes."""
        bubble = self._bubble(chat_id, wamid)
        if bubble is not None and bubble.state == "failed":
            self._graph.start(self._send(self._chats[chat_id], bubble))

    def show(self, chat_id: str, wamid: str) -> None:
        """Note that a page shows a message of the business; the first time reports `read`."""
        bubble, call = self._bubble(chat_id, wamid), self._unread.pop(wamid, None)
        if bubble is None or call is None:
            return
        self._change(chat_id, bubble, "read")
        self._graph.report(call, ("read",))

    async def _send(self, chat: Chat, bubble: Bubble) -> None:
        self._change(chat.id, bubble, "sending")
        line, status = self._line(chat), None
        content = text(bubble.text)
        item = message_item(line.number, chat.customer, content, wamid=bubble.id, at=bubble.at)
        if line.webhook is not None:
            status = await self._graph.webhooks.deliver(line.webhook, encode_body([item]))
        # a read mark may have come before the answer to our webhook
        if bubble.state == "sending":
            self._change(chat.id, bubble, "sent" if is_success(status) else "failed")

    def _take_call(self, call: Call) -> None:
        chat = self._chat_of(call)
        if chat is None:
            return
        if call.type == "reaction":
            self._react(chat, call.body["reaction"])
            return
        context = call.body.get("context")
        quoted = context.get("message_id") if isinstance(context, dict) else None
        original = self._bubble(chat.id, str(quoted))
        bubble = Bubble(
            id=call.wamid,
            side="business",
            text=call.text,
            at=call.at,
            state="new",
            kind=call.type,
            quote=original.text if original is not None else "",
        )
        self._unread[call.wamid] = call
        self._threads[chat.id].append(bubble)
        self._change(chat.id, bubble, "new")

    def _react(self, chat: Chat, reaction: object) -> None:
        if not isinstance(reaction, dict):
            return
        bubble = self._bubble(chat.id, str(reaction.get("message_id")))
        if bubble is not None:
            bubble.reaction = str(reaction.get("emoji", ""))
            self._change(chat.id, bubble, bubble.state)

    def _take_mark(self, mark: Mark) -> None:
        for chat_id, thread in self._threads.items():
            if self._bubble(chat_id, mark.wamid) is not None:
                self._mark_read(chat_id, list(thread), mark.wamid)
                if mark.typing:
                    self._tell({"type": "typing", "chat": chat_id})
                return

    def _mark_read(self, chat_id: str, bubbles: Sequence[Bubble], upto: str) -> None:
        # a mark covers the messages before it too, never those after it
        for bubble in bubbles:
            if bubble.side == "customer" and bubble.state in ("sending", "sent"):
                self._change(chat_id, bubble, "read")
            if bubble.id == upto:
                return

    def _change(
        self,
        chat_id: str,
        bubble: Bubble,
        state: Literal["sending", "sent", "failed", "new", "read"],
    ) -> None:
        bubble.state = state
        self._tell({"type": "bubble", "chat": chat_id, "bubble": bubble})

    def _line(self, chat: Chat) -> Line:
        return self._graph.lines[chat.phone_number_id]

    def _bubble(self, chat_id: str, wamid: str) -> Bubble | None:
        return next((one for one in self._threads.get(chat_id, ()) if one.id == wamid), None)

    def _chat_of(self, call: Call) -> Chat | None:
        for chat in self._chats.values():
            reaches = call.to in (chat.customer.wa_id, chat.customer.user_id)
            if reaches and chat.phone_number_id == call.phone_number_id:
                return chat
        return None
