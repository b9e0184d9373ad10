"""Made-up customers and the order in which Meta might deliver what they write: pure functions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from random import Random

import msgspec

from sandbox.payloads import (
    Customer,
    Item,
    Json,
    Layout,
    Number,
    contact_cards,
    encode_body,
    image,
    location,
    message_item,
    new_wamid,
    reaction,
    text,
    unsupported,
)

LAYOUTS: tuple[Layout, ...] = ("value", "change", "entry")
_NAMES = ("Ayşe Demir", "Jonas Weber", "Mei Lin", "Omar Haddad", "Zoë O'Neill", "Иван Петров")
_LINES = ("Hello?", "Merhaba, siparişim nerede?", "Where is my order? 📦", "ありがとう", "ok 👍🏽")


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """How badly deliveries behave, as shares of all items.

    `duplicates` come again later, half of them byte for byte and half batched differently;
    `reordered` come after a younger item of the same customer; `concurrent` come twice at once.
    A body holds at most `batch` items.
    """

    duplicates: float = 0.3
    reordered: float = 0.1
    concurrent: float = 0.05
    batch: int = 8


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted as one body, `copies` times at once."""

    items: tuple[Item, ...]
    layout: Layout = "value"
    copies: int = 1

    def body(self) -> bytes:
        """Encode it: the same parcel always gives the same bytes."""
        return encode_body(self.items, layout=self.layout)


def make_customers(count: int, rng: Random) -> list[Customer]:
    """Make customers with distinct phone numbers; every second one has a business-scoped id."""
    first = 905_300_000_000 + rng.randrange(10**6)
    return [
        Customer(
            wa_id=str(first + place),
            name=f"{_NAMES[place % len(_NAMES)]} {place}",
            user_id=f"TR.{first + place}0" if place % 2 else None,
        )
        for place in range(count)
    ]


def write_items(
    numbers: Sequence[Number],
    customers: Sequence[Customer],
    count: int,
    rng: Random,
    *,
    start_at: datetime,
    other_kinds: float = 0.0,
) -> list[Item]:
    """Let customers write `count` messages, the oldest first.

    Each customer keeps to one number. Texts end in `#n`, the place among that customer's own
    messages from 0; a share of `other_kinds` is something else than text.
    """
    written: defaultdict[str, list[str]] = defaultdict(list)
    items = []
    for place in range(count):
        chosen = rng.randrange(len(customers))
        customer, number = customers[chosen], numbers[chosen % len(numbers)]
        earlier = written[customer.wa_id]
        content = text(f"{rng.choice(_LINES)} #{len(earlier)}")
        if rng.random() < other_kinds:
            content = _other_kind(earlier, rng)
        wamid = new_wamid(customer.wa_id, rng, inbound=True)
        earlier.append(wamid)
        at = start_at + timedelta(seconds=place)
        items.append(message_item(number, customer, content, wamid=wamid, at=at))
    return items


def plan(items: Sequence[Item], mix: Mix, rng: Random) -> list[Parcel]:
    """Put items, the oldest first, into the parcels a misbehaving Meta would post, in order."""
    ordered = _reorder(items, mix.reordered, rng)
    parcels = _twin(_pack(ordered, mix.batch, rng), ceil(mix.concurrent * len(items)), rng)
    return _repeat(parcels, ceil(mix.duplicates * len(items)), mix.batch, rng)


def rebatch(parcel: Parcel, rng: Random) -> list[Parcel]:
    """Batch the same items differently, as a repeat after a failure may do."""
    if len(parcel.items) == 1:
        return [Parcel(items=parcel.items, layout=rng.choice(LAYOUTS))]
    cut = rng.randrange(1, len(parcel.items))
    halves = (parcel.items[:cut], parcel.items[cut:])
    return [Parcel(items=half, layout=rng.choice(LAYOUTS)) for half in halves]


def _other_kind(earlier: Sequence[str], rng: Random) -> Json:
    contents = [
        image(str(rng.randrange(10**14, 10**15)), caption="the broken part"),
        location(41.0082, 28.9784, name="Sultanahmet"),
        contact_cards([("Deniz Kaya", "+90 555 010 20 30"), ("Ada Berg", "+46 70 010 20 30")]),
        unsupported(),
    ]
    if earlier:
        contents.append(reaction(rng.choice(earlier), "❤️"))
    return rng.choice(contents)


def _reorder(items: Sequence[Item], share: float, rng: Random) -> list[Item]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        places[item.customer.wa_id if item.customer else ""].append(place)
    # each swapped pair makes one item late; pairs share no item, or swaps could undo each other
    pairs = [pair for own in places.values() for pair in zip(own[::2], own[1::2], strict=False)]
    rng.shuffle(pairs)
    ordered = list(items)
    for older, younger in pairs[: ceil(share * len(items))]:
        ordered[older], ordered[younger] = ordered[younger], ordered[older]
    return ordered


def _pack(items: Sequence[Item], largest: int, rng: Random) -> list[Parcel]:
    parcels = []
    start = 0
    while start < len(items):
        size = rng.randint(1, largest)
        chunk = tuple(items[start : start + size])
        parcels.append(Parcel(items=chunk, layout=rng.choice(LAYOUTS)))
        start += size
    return parcels


def _twin(parcels: Sequence[Parcel], wanted: int, rng: Random) -> list[Parcel]:
    twinned = list(parcels)
    for place in rng.sample(range(len(parcels)), len(parcels)):
        if wanted <= 0:
            break
        twinned[place] = msgspec.structs.replace(parcels[place], copies=2)
        wanted -= len(parcels[place].items)
    return twinned


def _repeat(parcels: Sequence[Parcel], wanted: int, largest: int, rng: Random) -> list[Parcel]:
    last_place = float(len(parcels))
    keyed = [(float(place), parcel) for place, parcel in enumerate(parcels)]
    repeated: set[str] = set()
    for place in rng.sample(range(len(parcels)), len(parcels)):
        if 2 * len(repeated) >= wanted:
            break
        same = msgspec.structs.replace(parcels[place], copies=1)
        keyed.append((rng.uniform(place, last_place), same))
        repeated |= {item.wamid for item in same.items}
    origin = {item.wamid: place for place, parcel in enumerate(parcels) for item in parcel.items}
    others = [item for parcel in parcels for item in parcel.items if item.wamid not in repeated]
    missing = min(len(others), max(0, wanted - len(repeated)))
    for parcel in _pack(rng.sample(others, missing), largest, rng):
        place = max(origin[item.wamid] for item in parcel.items)
        keyed.append((rng.uniform(place, last_place), parcel))
    return [parcel for _, parcel in sorted(keyed, key=lambda pair: pair[0])]
