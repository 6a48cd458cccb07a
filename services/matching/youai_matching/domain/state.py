"""What a slot is between two records: its requests, its queue, its sums, its chain; and what became of a record."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from youai_contracts.events import ClaimDecision, Decision

from youai_matching.domain.keys import Key
from youai_matching.domain.queue import Queue
from youai_matching.domain.receipts import FIRST_PREVIOUS
from youai_matching.domain.request import ENDED, HOLDS_PLACES, Request

Kind = Literal["session", "demand"]
Phase = Literal["unopened", "open", "closed", "cancelled"]
Draw = Literal["", "window", "awaited", "drawn"]
"""A draw's course: none, in its window, waiting for the reveal, drawn."""


@dataclass(slots=True)
class Slot:
    """Everything that decisions on a slot depend on. Times are ms since 1970.

    `requests` are those that something may become of yet, by their ids' keys, in log order. `ended` maps the others to
    the offset of the record that bore their id and made them, or to -1 if it bore another. `seen` maps the id of every
    other record that counted to its offset. `live` maps a venue to its live request; `timers` maps kind and subject to
    the due time; `used` counts the places taken by town.
    """

    slot_id: str
    kind: Kind = "session"
    phase: Phase = "unopened"
    capacity: int = 0
    opens_at: int = 0
    closes_at: int = 0
    starts_at: int = 0
    ends_at: int = 0
    offer_id: str = ""
    session_id: str = ""
    waitlist: int | None = None
    town_shares: dict[str, int] = field(default_factory=dict)
    draw: Draw = ""
    seed_hash: str = ""
    overrides: int = 0
    rule_version: str = ""
    closed_for: str = ""
    time: int = 0
    sequence: int = 0
    previous_hash: str = FIRST_PREVIOUS
    taken: int = 0
    requests: dict[Key, Request] = field(default_factory=dict)
    ended: dict[Key, int] = field(default_factory=dict)
    queue: Queue = field(default_factory=Queue)
    live: dict[str, Request] = field(default_factory=dict)
    seen: dict[Key, int] = field(default_factory=dict)
    timers: dict[tuple[str, str], int] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)

    @property
    def free(self) -> int:
        return self.capacity - self.taken

    @property
    def size(self) -> int:
        """How much is remembered of it: requests, and ids of others and of records."""
        return len(self.requests) + len(self.ended) + len(self.seen)

    def knows(self, key: Key) -> bool:
        """Whether there was a request of this key."""
        return key in self.requests or key in self.ended

    def offset_of(self, key: Key) -> int | None:
        """The offset of the first record that counted whose id has this key; None if there was none."""
        if (offset := self.seen.get(key)) is not None:
            return offset
        if (request := self.requests.get(key)) is not None:
            return request.offset if request.common.own else None
        offset = self.ended.get(key, -1)
        return None if offset < 0 else offset

    def forget(self, ended: Request) -> None:
        """Of a request that has ended remember the id alone, but where the draw's order hangs on it."""
        common = ended.common
        if not (common.drawn_in and self.draw in ("window", "awaited")):
            del self.requests[ended.key]
            self.ended[ended.key] = ended.offset if common.own else -1

    def pending(self, kind: str) -> bool:
        """Whether the slot's timer of this kind (of no subject) is pending."""
        return (kind, "") in self.timers

    def restore(self, requests: Iterable[Request]) -> None:
        """Put the slot's stored requests back, given in the order of their offsets."""
        for request in requests:
            self.requests[request.key] = request
            if request.live:
                self.live[request.venue_id] = request
            if request.status in HOLDS_PLACES:
                self.used[request.town] += request.party_size
        waiting = [request for request in self.requests.values() if request.status == "waitlisted"]
        for request in sorted(waiting, key=lambda request: request.rank):
            self.queue.restore(request)
        for request in [request for request in self.requests.values() if request.status in ENDED]:
            self.forget(request)


class At(msgspec.Struct, frozen=True, gc=False):
    """Where and when a record stands: its partition, its offset, the broker's time in ms, and its id."""

    partition: int
    offset: int
    timestamp: int
    id: str


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A sealed decision: the event and its canonical bytes."""

    event: Decision | ClaimDecision
    data: bytes


class Verdict(msgspec.Struct, frozen=True):
    """What became of a record.

    `original` is the offset of the record that a repeat repeats; `changed` are the requests whose stored state moved,
    decided or not; `retimed` says that the slot's timers did, `retold` that more of the slot itself did than its counts
    (time, chain, places taken and wanted).
    """

    kind: Literal["decided", "applied", "ignored", "repeat", "refused"]
    decisions: tuple[Decided, ...] = ()
    original: int | None = None
    why: str = ""
    changed: tuple[Request, ...] = ()
    retimed: bool = False
    retold: bool = False
