"""What a slot is between two records: its requests, its queue, its sums, its chain; and what may move to what."""

from dataclasses import dataclass, field
from typing import Literal

from youai_contracts.events import (
    BookingCancelled,
    BookingRequested,
    ClaimDecision,
    ClaimEndRequested,
    ClaimRequested,
    Decision,
)

from youai_matching.domain.receipts import FIRST_PREVIOUS

MOVES: dict[str, frozenset[str]] = {
    "": frozenset({"confirmed", "waitlisted", "rejected"}),
    "waitlisted": frozenset({"promoted", "released"}),
    "confirmed": frozenset({"released", "ended"}),
    "promoted": frozenset({"released"}),
    "rejected": frozenset(),
    "released": frozenset(),
    "ended": frozenset(),
}
"""From each state of a request (the empty one: not asked yet), what a decision may make of it."""

HOLDS_PLACES = frozenset({"confirmed", "promoted"})

OF_CLAIMS = (ClaimRequested, ClaimEndRequested)
OF_BOOKINGS = (BookingRequested, BookingCancelled)

Kind = Literal["session", "demand"]
Phase = Literal["unopened", "open", "closed", "cancelled"]
Timer = tuple[str, str, int]
"""Kind, subject, and due time in ms."""


@dataclass(slots=True)
class Request:
    """A venue's request in a slot, or a provider's claim of a demand (`name` is then the provider's).

    `offset` is its place in the log, `status` its last outcome ("": none yet).
    """

    request_id: str
    venue_id: str
    party_size: int
    offset: int
    status: str = ""
    name: str = ""

    @property
    def live(self) -> bool:
        return self.status in HOLDS_PLACES or self.status == "waitlisted"


@dataclass(slots=True)
class Slot:
    """Everything that decisions on a slot depend on. Times are ms since 1970.

    `queue` holds waiting requests in queue order and `waiting_places` the sum of their party sizes; `live` maps a venue
    to its live request; `seen` maps the id of every record that counted to its offset.
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
    rule_version: str = ""
    closed_for: str = ""
    time: int = 0
    sequence: int = 0
    previous_hash: str = FIRST_PREVIOUS
    taken: int = 0
    waiting_places: int = 0
    requests: dict[str, Request] = field(default_factory=dict)
    queue: dict[str, Request] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    timers: set[Timer] = field(default_factory=set)

    @property
    def free(self) -> int:
        return self.capacity - self.taken

    def restore(self, request: Request) -> None:
        """Put a stored request back. Call in the order of offsets, so that the queue comes out in its order."""
        self.requests[request.request_id] = request
        if request.live:
            self.live[request.venue_id] = request.request_id
        if request.status == "waitlisted":
            self.queue[request.request_id] = request
            self.waiting_places += request.party_size


@dataclass(frozen=True, slots=True)
class At:
    """Where and when a record stands: its partition, its offset, the broker's time in ms, and its id."""

    partition: int
    offset: int
    timestamp: int
    id: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A sealed decision: the event and its canonical bytes."""

    event: Decision | ClaimDecision
    data: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a record. `original` is the offset of the record that a repeat repeats."""

    kind: Literal["decided", "applied", "ignored", "repeat", "refused"]
    decisions: tuple[Decided, ...] = ()
    original: int | None = None
    why: str = ""
