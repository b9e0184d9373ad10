"""Posting what customers write to a server that may be killed meanwhile, and keeping the score."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter

from sandbox.changes import Changes
from sandbox.customers import LAYOUTS, Parcel, rebatch
from sandbox.payloads import Customer, Item, Number, message_item, new_wamid, text
from sandbox.webhooks import Webhook, Webhooks, is_success

_FIRST_PAUSE = timedelta(milliseconds=50)
_LONGEST_PAUSE = timedelta(seconds=2)


class Log:
    """What a load run saw.

    `acked`: wamid -> item, for every item in a body that got a 2xx. `posted`: how often each
    wamid went out. `answers`: how often each HTTP status came, None where no answer did.
    `seconds`: how long each 2xx took. `given_up`: parcels without a 2xx at the end.
    """

    def __init__(self) -> None:
        self.acked: dict[str, Item] = {}
        self.posted: Counter[str] = Counter()
        self.answers: Counter[int | None] = Counter()
        self.seconds: list[float] = []
        self.given_up: list[Parcel] = []
        self._changes = Changes()

    def note(self, parcel: Parcel, status: int | None, seconds: float) -> None:
        """Record the answer to one post."""
        self.answers[status] += 1
        if is_success(status):
            self.seconds.append(seconds)
            self.acked |= {item.wamid: item for item in parcel.items}
        self._changes.tell()

    async def until(self, happened: Callable[[], bool], *, within: timedelta) -> None:
        """Wait until a condition on this log holds, or raise TimeoutError."""
        await self._changes.until(happened, within)


class Sender:
    """Meta's side of one webhook: signs bodies with the app secret and posts them."""

    def __init__(self, url: str, app_secret: str, *, number: Number, rng: Random) -> None:
        self.number = number
        self.rng = rng
        self.webhook = Webhook(url=url, app_secret=app_secret)
        self.webhooks = Webhooks()

    async def post(self, body: bytes) -> int | None:
        """Post once. Gives the HTTP status, or None when no answer came."""
        return await self.webhooks.post(self.webhook, body)

    def build_batch(
        self, said: Sequence[tuple[Customer, str]], *, at: datetime | None = None
    ) -> Parcel:
        """Make one body of texts, each from its customer."""
        moment = at or datetime.now(UTC)
        items = [
            message_item(
                self.number,
                customer,
                text(words),
                wamid=new_wamid(customer.wa_id, self.rng, inbound=True),
                at=moment,
            )
            for customer, words in said
        ]
        return Parcel(items=tuple(items), layout=self.rng.choice(LAYOUTS))

    def nudge(self) -> None:
        """End every wait now: the server is there again."""
        self.webhooks.nudge()

    async def close(self) -> None:
        """Close the connections."""
        await self.webhooks.close()


class Load:
    """One bounded run: `workers` post the parcels side by side, in their order.

    What gets no 2xx is posted again, byte for byte or batched differently, after a pause that a
    `nudge` of the sender ends early. The run ends when every parcel has its 2xx or `within` is
    over (and the post under way has ended); the rest is then in `log.given_up`.
    """

    def __init__(
        self,
        sender: Sender,
        parcels: Iterable[Parcel],
        *,
        within: timedelta,
        workers: int = 8,
        pace: timedelta = timedelta(0),
    ) -> None:
        self.log = Log()
        self._sender = sender
        self._waiting: Iterator[Parcel] = iter(parcels)
        self._within = within.total_seconds()
        self._workers = workers
        self._pace = pace
        self._deadline = 0.0

    async def run(self) -> Log:
        """Post everything; gives the log, which may be read meanwhile too."""
        self._deadline = asyncio.get_running_loop().time() + self._within
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())
        self.log.given_up.extend(self._waiting)
        return self.log

    async def _work(self) -> None:
        while self._has_time():
            parcel = next(self._waiting, None)
            if parcel is None:
                return
            await asyncio.gather(*(self._deliver(parcel) for _ in range(parcel.copies)))
            if self._pace:
                await self._sender.webhooks.pause(self._pace)

    async def _deliver(self, parcel: Parcel) -> None:
        waiting = [parcel]
        pause = _FIRST_PAUSE
        while waiting and self._has_time():
            if await self._post(waiting[0]):
                waiting.pop(0)
                pause = _FIRST_PAUSE
                continue
            await self._sender.webhooks.pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            if self._sender.rng.random() < 0.5:
                waiting[:1] = rebatch(waiting[0], self._sender.rng)
        self.log.given_up.extend(waiting)

    async def _post(self, parcel: Parcel) -> bool:
        self.log.posted.update(item.wamid for item in parcel.items)
        started = perf_counter()
        status = await self._sender.post(parcel.body())
        self.log.note(parcel, status, perf_counter() - started)
        return is_success(status)

    def _has_time(self) -> bool:
        return asyncio.get_running_loop().time() < self._deadline
