"""Made-up customers write what Meta would post, as badly ordered as asked, and the log is true."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import payloads
from sandbox.customers import Mix, Parcel, make_customers, plan, rebatch, write_items
from sandbox.load import Load, Sender
from sandbox.payloads import Customer, Item, Layout, Number
from sandbox.server import serve

SECRET = "shhh"
AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ACME = Number(phone_number_id="1055", waba_id="77")
GLOBEX = Number(phone_number_id="2055", waba_id="88", display_phone_number="15550002222")
ADA = Customer(wa_id="905301112233", name="Ada", user_id="TR.99", username="ada")
BOB = Customer(wa_id="4915112345", name="Bob")


def wamids(body: bytes) -> list[str]:
    """Read message ids out of a body, knowing only the documented path."""
    return [
        message["id"]
        for entry in json.loads(body)["entry"]
        for change in entry["changes"]
        for message in change["value"].get("messages", [])
    ]


def late_items(items: Sequence[Item], posted: Sequence[Item]) -> int:
    """Count items that come after a younger one of the same customer."""
    age = {item.wamid: place for place, item in enumerate(items)}
    youngest: defaultdict[str, int] = defaultdict(lambda: -1)
    late = 0
    for item in posted:
        who = str(item.payload["from"])
        late += age[item.wamid] < youngest[who]
        youngest[who] = max(youngest[who], age[item.wamid])
    return late


def some_items(count: int, rng: Random, *, other_kinds: float = 0.0) -> list[Item]:
    customers = make_customers(12, rng)
    return write_items([ACME, GLOBEX], customers, count, rng, start_at=AT, other_kinds=other_kinds)


def test_a_text_has_metas_shape() -> None:
    content = payloads.text("Merhaba ☕", quotes="wamid.before")
    item = payloads.message_item(ACME, ADA, content, wamid="wamid.1", at=AT)
    raw = payloads.encode_body([item])

    assert rb"\u2615" in raw
    assert json.loads(raw) == {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "77",
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "15550001111",
                                "phone_number_id": "1055",
                            },
                            "contacts": [
                                {
                                    "profile": {"name": "Ada", "username": "ada"},
                                    "wa_id": "905301112233",
                                    "user_id": "TR.99",
                                }
                            ],
                            "messages": [
                                {
                                    "from": "905301112233",
                                    "from_user_id": "TR.99",
                                    "id": "wamid.1",
                                    "timestamp": "1793534400",
                                    "type": "text",
                                    "text": {"body": "Merhaba ☕"},
                                    "context": {"id": "wamid.before"},
                                }
                            ],
                        },
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("content", "kind", "telling"),
    [
        (payloads.image("42", caption="c"), "image", ("image", "id", "42")),
        (payloads.location(1.5, 2.5, name="Pier"), "location", ("location", "latitude", 1.5)),
        (payloads.reaction("wamid.x", "👍"), "reaction", ("reaction", "message_id", "wamid.x")),
        (payloads.unsupported("poll"), "unsupported", ("unsupported", "type", "poll")),
    ],
)
def test_other_kinds_carry_their_content(
    content: payloads.Json, kind: str, telling: tuple[str, str, object]
) -> None:
    item = payloads.message_item(ACME, BOB, content, wamid="wamid.1", at=AT)
    message = json.loads(payloads.encode_body([item]))["entry"][0]["changes"][0]["value"]
    (message,) = message["messages"]
    assert message["type"] == kind
    key, field, value = telling
    assert message[key][field] == value


def test_cards_are_one_message_and_group_messages_name_their_group() -> None:
    cards = payloads.contact_cards([("Ada B", "+1"), ("Bob C", "+2")])
    item = payloads.message_item(
        ACME, BOB, payloads.in_group(cards, "group-1"), wamid="wamid.1", at=AT
    )
    assert isinstance(item.payload["contacts"], list)
    assert len(item.payload["contacts"]) == 2
    assert item.payload["group_id"] == "group-1"


@pytest.mark.parametrize(
    ("layout", "entries", "changes", "messages"),
    [("value", 2, 2, 2), ("change", 2, 3, 1), ("entry", 3, 3, 1)],
)
def test_one_body_may_hold_several_numbers(
    layout: Layout, entries: int, changes: int, messages: int
) -> None:
    said = [(ACME, ADA), (ACME, BOB), (GLOBEX, BOB)]
    items = [
        payloads.message_item(number, who, payloads.text("x"), wamid=f"wamid.{place}", at=AT)
        for place, (number, who) in enumerate(said)
    ]
    raw = payloads.encode_body(items, layout=layout)
    body = json.loads(raw)
    values = [change["value"] for entry in body["entry"] for change in entry["changes"]]
    assert (len(body["entry"]), len(values)) == (entries, changes)
    assert len(values[0]["messages"]) == messages
    assert [value["metadata"]["phone_number_id"] for value in values][-1] == "2055"
    assert wamids(raw) == ["wamid.0", "wamid.1", "wamid.2"]


def test_contacts_come_in_another_order_than_messages() -> None:
    items = [
        payloads.message_item(ACME, who, payloads.text("x"), wamid=f"wamid.{who.name}", at=AT)
        for who in (ADA, BOB)
    ]
    value = json.loads(payloads.encode_body(items))["entry"][0]["changes"][0]["value"]
    assert [one["wa_id"] for one in value["contacts"]] == [BOB.wa_id, ADA.wa_id]


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_keeps_its_shares_and_loses_nothing(seed: int) -> None:
    rng = Random(seed)
    items = some_items(300, rng, other_kinds=0.2)
    mix = Mix(duplicates=0.4, reordered=0.15, concurrent=0.1, batch=6)
    parcels = plan(items, mix, rng)

    first: dict[str, Item] = {}
    seen: Counter[str] = Counter()
    for parcel in parcels:
        seen.update(item.wamid for item in parcel.items)
        for item in parcel.items:
            first.setdefault(item.wamid, item)
    assert set(seen) == {item.wamid for item in items}
    assert sum(times > 1 for times in seen.values()) >= 0.4 * len(items)
    assert late_items(items, list(first.values())) >= 0.15 * len(items)
    twins = sum(len(parcel.items) for parcel in parcels if parcel.copies == 2)
    assert twins >= 0.1 * len(items)
    bodies = Counter(parcel.body() for parcel in parcels)
    same_bytes = {wamid for body, times in bodies.items() if times > 1 for wamid in wamids(body)}
    assert len(same_bytes) >= 0.2 * len(items), "half of the repeats are byte for byte"
    in_bodies = Counter(wamid for body in bodies for wamid in wamids(body))
    assert any(times > 1 for times in in_bodies.values()), "some repeats are batched anew"
    assert all(1 <= len(parcel.items) <= 6 for parcel in parcels)


def test_a_plain_plan_is_the_input_in_order() -> None:
    items = some_items(50, Random(1))
    parcels = plan(items, Mix(duplicates=0, reordered=0, concurrent=0), Random(1))
    assert [item for parcel in parcels for item in parcel.items] == items
    assert {parcel.copies for parcel in parcels} == {1}


def test_one_seed_gives_one_plan() -> None:
    plans = [plan(some_items(80, Random(7)), Mix(), Random(8)) for _ in range(2)]
    assert plans[0] == plans[1]


def test_rebatching_keeps_the_items() -> None:
    (parcel,) = plan(some_items(1, Random(1)), Mix(duplicates=0), Random(1))
    assert [part.items for part in rebatch(parcel, Random(1))] == [parcel.items]
    big = Parcel(items=tuple(some_items(9, Random(2))))
    parts = rebatch(big, Random(3))
    assert len(parts) == 2
    assert tuple(item for part in parts for item in part.items) == big.items


class Server:
    """Stands for Frontdesk: checks signatures, answers with `statuses` in turn, then 200."""

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.taken: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.under_way = 0
        self.most_under_way = 0
        self._statuses = iter(statuses)
        self.arrived = asyncio.Event()

    def asgi(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.hook, methods=["POST"])])

    async def hook(self, request: Request) -> Response:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        raw = await request.body()
        await asyncio.sleep(0)
        self.under_way -= 1
        right = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == right
        status = next(self._statuses, 200)
        (self.taken if status == 200 else self.refused).update(wamids(raw))
        self.bodies.append(raw)
        self.arrived.set()
        return Response(status_code=status)


async def test_a_load_posts_everything_and_logs_what_got_a_2xx() -> None:
    rng = Random(5)
    items = some_items(120, rng)
    server = Server([503, 200, 500, 200, 403, 502] * 5)
    async with serve(server.asgi()) as url:
        sender = Sender(f"{url}/hook", SECRET, number=ACME, rng=rng)
        load = Load(sender, plan(items, Mix(), rng), within=timedelta(seconds=30))
        log = await load.run()
        await sender.close()

    assert set(log.acked) == set(server.taken) == {item.wamid for item in items}
    assert log.posted == server.taken + server.refused
    assert log.given_up == []
    assert log.answers[200] == len(log.seconds) > 0
    assert log.answers.total() - log.answers[200] == 20
    assert sum(times > 1 for times in server.taken.values()) >= 0.3 * len(items)
    assert server.most_under_way > 1


async def test_a_load_outlives_a_server_that_goes_away() -> None:
    rng = Random(6)
    parcels = plan(some_items(60, rng), Mix(batch=2), rng)
    first, second = Server(), Server()
    async with serve(first.asgi()) as url:
        port = int(url.rsplit(":", 1)[1])
        sender = Sender(f"{url}/hook", SECRET, number=ACME, rng=rng)
        pace = timedelta(milliseconds=5)
        load = Load(sender, parcels, within=timedelta(seconds=30), workers=2, pace=pace)
        running = asyncio.create_task(load.run())
        await first.arrived.wait()
    await load.log.until(lambda: load.log.answers[None] > 0, within=timedelta(seconds=10))
    assert not running.done()
    async with serve(second.asgi(), port=port):
        sender.nudge()
        log = await running
        await sender.close()

    everything = {item.wamid for parcel in parcels for item in parcel.items}
    assert set(log.acked) == everything
    assert set(log.acked) == set(first.taken) | set(second.taken)
    assert second.taken
    assert log.given_up == []


async def test_a_load_ends_in_time_and_says_what_is_left() -> None:
    rng = Random(7)
    parcels = plan(some_items(20, rng), Mix(), rng)
    sender = Sender("http://127.0.0.1:9/hook", SECRET, number=ACME, rng=rng)
    log = await Load(sender, parcels, within=timedelta(seconds=0.3), workers=2).run()
    await sender.close()

    left = {item.wamid for parcel in log.given_up for item in parcel.items}
    assert left == {item.wamid for parcel in parcels for item in parcel.items}
    assert log.acked == {}
    assert set(log.answers) == {None}


async def test_a_sender_builds_signed_batches() -> None:
    server = Server()
    async with serve(server.asgi()) as url:
        sender = Sender(f"{url}/hook", SECRET, number=ACME, rng=Random(1))
        parcel = sender.build_batch([(ADA, "one"), (BOB, "two")], at=AT)
        assert await sender.post(parcel.body()) == 200
        await sender.close()
    assert wamids(server.bodies[0]) == [item.wamid for item in parcel.items]
