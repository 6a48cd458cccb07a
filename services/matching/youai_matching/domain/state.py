"""What a slot is between two records: its requests, its queue, its sums, its chain; and what became of a record."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from youai_contracts.events import ClaimDecision, Decision

from youai_matching.domain.queue import Queue
from youai_matching.domain.receipts import FIRST_PREVIOUS
from youai_matching.domain.request import HOLDS_PLACES, Request

Kind = Literal["session", "demand"]
Phase = Literal["unopened", "open", "closed", "cancelled"]
Draw = Literal["", "window", "awaited", "drawn"]
"""A draw's course: none, in its window, waiting for the reveal, drawn."""


@dataclass(slots=True)
class Slot:
    """Everything that decisions on a slot depend on. Times are ms since 1970.

    `live` maps a venue to its live request; `seen` maps the id of every record that counted to its offset; `timers`
    maps kind and subject to the due time; `used` counts the places taken by town.
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
    requests: dict[str, Request] = field(default_factory=dict)
    queue: Queue = field(default_factory=Queue)
    live: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    timers: dict[tuple[str, str], int] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)

    @property
    def free(self) -> int:
        return self.capacity - self.taken

    @property
    def size(self) -> int:
        """How much is remembered of it: requests and seen ids."""
        return len(self.requests) + len(self.seen)

    def pending(self, kind: str) -> bool:
        """Whether the slot's timer of this kind (of no subject) is pending."""
        return (kind, "") in self.timers

    def restore(self, requests: Iterable[Request]) -> None:
        """Put the slot's stored requests back, given in the order of their offsets."""
        for request in requests:
            self.requests[request.request_id] = request
            if request.live:
                self.live[request.venue_id] = request.request_id
            if request.status in HOLDS_PLACES:
                self.used[request.town] += request.party_size
        waiting = [request for request in self.requests.values() if request.status == "waitlisted"]
        for request in sorted(waiting, key=lambda request: request.rank):
            self.queue.restore(request)


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
    decided or not; `retimed` says that the slot's timers did.
    """

    kind: Literal["decided", "applied", "ignored", "repeat", "refused"]
    decisions: tuple[Decided, ...] = ()
    original: int | None = None
    why: str = ""
    changed: tuple[Request, ...] = ()
    retimed: bool = False
