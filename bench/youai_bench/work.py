"""The work: seeded requests, the same for every system, and what must become of them."""

import random
from array import array
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from youai_runtime.kafka import partition_of

PARTITIONS = 4
SLOTS = 100
REPEATED = 0.05
"""The share of records that repeat an earlier request of their slot, under its id."""
FITS = 0.1
"""The share of a slot's requests that find a place."""

NAMES = ("uniform", "one-slot", "zipf", "one-partition")
"""uniform: 100 slots over all partitions. one-slot: all on one. zipf: 100 slots, the n-th wanted as 1 / n ** 1.2.
one-partition: 100 slots of one partition, the others idle."""
_ZIPF = 1.2


class Slot(NamedTuple):
    """A slot of the work, with so many places; `partition` is where its key falls among PARTITIONS."""

    slot_id: str
    partition: int
    capacity: int


class Ask(NamedTuple):
    """One record: a venue asks for one place in a slot. `number` (from 0) is the request's; a repeat has it again."""

    slot: Slot
    number: int
    request_id: str
    venue_id: str
    repeat: bool


@dataclass(frozen=True)
class Work:
    """Requests in the order in which they are to be in the log. `waitlist`: who finds no place waits, else is refused.

    `slot_of` and `number_of` have one entry a record.
    """

    name: str
    waitlist: bool
    slots: tuple[Slot, ...]
    slot_of: "array[int]"
    number_of: "array[int]"
    repeats: "array[int]"
    seed: int
    partitions: int = PARTITIONS

    @property
    def records(self) -> int:
        return len(self.slot_of)

    @property
    def requests(self) -> int:
        """How many requests there are: records without the repeats."""
        return self.records - sum(self.repeats)

    @property
    def key(self) -> str:
        """Names the work: the same key, the same requests."""
        how = "waitlist" if self.waitlist else "refuse"
        return f"{self.name}-{self.records}-{how}-{self.seed}-{self.partitions}"

    @property
    def loser(self) -> str:
        """The outcome of who finds no place."""
        return "waitlisted" if self.waitlist else "rejected"

    def request_id(self, number: int) -> str:
        """As the door gives them: a name and 32 hex digits that follow no order."""
        return f"booking-{_scattered(number, self.seed):032x}"

    def __iter__(self) -> Iterator[Ask]:
        for slot, number, repeat in zip(self.slot_of, self.number_of, self.repeats, strict=True):
            yield Ask(self.slots[slot], number, self.request_id(number), f"venue-{number:07d}", bool(repeat))


def make(name: str, records: int, *, waitlist: bool = False, seed: int = 1, partitions: int = PARTITIONS) -> Work:
    """The work of this name with so many records. Raises ValueError for a name that is none."""
    if name not in NAMES:
        raise ValueError(f"there is no work {name!r}; there are {', '.join(NAMES)}")
    chance = random.Random(f"{name} {records} {seed}")
    ids = _slot_ids(name, partitions)
    weights = list(accumulate(1 / rank**_ZIPF if name == "zipf" else 1.0 for rank in range(1, len(ids) + 1)))
    slot_of, number_of, repeats = array("H"), array("L"), array("B")
    asked: list[list[int]] = [[] for _ in ids]
    number = 0
    for _ in range(records):
        slot = bisect(weights, chance.random() * weights[-1])
        repeat = bool(asked[slot]) and chance.random() < REPEATED
        slot_of.append(slot)
        repeats.append(repeat)
        if repeat:
            number_of.append(chance.choice(asked[slot]))
            continue
        asked[slot].append(number)
        number_of.append(number)
        number += 1
    slots = tuple(
        Slot(slot_id, partition_of(slot_id.encode(), partitions), max(1, round(len(own) * FITS)))
        for slot_id, own in zip(ids, asked, strict=True)
    )
    return Work(name, waitlist, slots, slot_of, number_of, repeats, seed, partitions)


def _slot_ids(name: str, partitions: int) -> list[str]:
    """Ids of the work's slots; of a work on one partition those whose keys fall on it."""
    wanted = 1 if name == "one-slot" else SLOTS
    alone = name in ("one-partition", "one-slot")
    found: list[str] = []
    number = 0
    while len(found) < wanted:
        number += 1
        slot_id = f"slot-{number:05d}"
        if not alone or partition_of(slot_id.encode(), partitions) == 1:
            found.append(slot_id)
    return found


def _scattered(number: int, seed: int) -> int:
    """A permutation of 128-bit numbers: no two of a work are alike, and they follow no order."""
    mask = (1 << 128) - 1
    mixed = (number + (seed << 64)) * 0x9E3779B97F4A7C15F39CC0605CEDC835 & mask
    mixed ^= mixed >> 61
    return mixed * 0xD1342543DE82EF95C5B4A9F5B3C0E6A7 & mask
