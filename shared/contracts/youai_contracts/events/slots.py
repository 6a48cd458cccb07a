"""Records of the slot log: everything that a decision depends on."""

from typing import ClassVar, Literal

import msgspec

from youai_contracts import topics
from youai_contracts.events.base import (
    Actor,
    ClaimEnd,
    Count,
    Event,
    Explanation,
    Hash,
    Id,
    Instant,
    Invited,
    Label,
    Mode,
    Name,
    Places,
    TownShares,
)
from youai_contracts.topics import Topic


class SlotRecord(Event, frozen=True, kw_only=True):
    """Base of what stands in the slot log, the only order that decides."""

    topic: ClassVar[Topic] = topics.SLOT_LOG

    slot_id: Id

    def check(self) -> None:
        """Nothing more: the log's readers reckon in milliseconds, and what its records mean is fixed for ever."""


class SlotOpened(SlotRecord, frozen=True, kw_only=True):
    """A slot can be booked, under this rule version (the SHA-256 of its file).

    A demand is a slot of kind `demand`, of as many places as it wants claims; `offer_id` and `session_id` are then the
    demand's id.
    """

    type: ClassVar[str] = "slot-opened"

    offer_id: Id
    session_id: Id
    capacity: Places
    opens_at: Instant
    closes_at: Instant
    starts_at: Instant
    ends_at: Instant
    mode: Mode = "arrival"
    rule_version: Hash
    town_shares: TownShares = msgspec.field(default_factory=dict)
    waitlist: Count | None = None
    invited: Invited = ()
    invited_until: Instant | None = None
    seed_hash: Hash | None = None
    kind: Literal["session", "demand"] = "session"


class SlotRevised(SlotRecord, frozen=True, kw_only=True):
    """What a slot is changes: fields that are null stay as they are. A mode never changes."""

    type: ClassVar[str] = "slot-revised"

    capacity: Places | None = None
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    rule_version: Hash | None = None


class SlotClosed(SlotRecord, frozen=True, kw_only=True):
    """A slot ends before its time, for the reason given (a code). Booking's closing time is a timer instead."""

    type: ClassVar[str] = "slot-closed"

    reason: Literal["session-cancelled", "offer-withdrawn", "demand-withdrawn", "demand-expired"]


class BookingRequested(SlotRecord, frozen=True, kw_only=True):
    """A venue asks for places; `requested_at` is information and orders nothing."""

    type: ClassVar[str] = "booking-requested"

    request_id: Id
    venue_id: Id
    town: Label
    party_size: Places
    auto_accept: bool = False
    points: Count = 0
    losses: Count = 0
    wins: Count = 0
    working_hours: tuple[str, str] | None = None
    requested_at: Instant
    actor: Actor


class BookingCancelled(SlotRecord, frozen=True, kw_only=True):
    """A venue gives its places, or its place in the queue, back."""

    type: ClassVar[str] = "booking-cancelled"

    request_id: Id
    actor: Actor


class HoldAccepted(SlotRecord, frozen=True, kw_only=True):
    """A venue takes the places that are held for it: `held` is the sequence of the promotion that it answers.

    Another hold than that one is not answered; null answers whichever there is.
    """

    type: ClassVar[str] = "hold-accepted"

    request_id: Id
    held: Count | None = None
    actor: Actor


class HoldDeclined(SlotRecord, frozen=True, kw_only=True):
    """A venue does not want the places that are held for it, or has reached a limit and may not have them.

    `held` as in hold-accepted.
    """

    type: ClassVar[str] = "hold-declined"

    request_id: Id
    reason: Literal["declined", "limit"] = "declined"
    held: Count | None = None
    actor: Actor


class OverrideRequested(SlotRecord, frozen=True, kw_only=True):
    """The guidance center gives a venue places, past opening, queue and shares, and says why.

    `request_id` is a request in the slot, or that of a new one; `capacity`, if more than the slot's, is recorded as the
    slot's from then on.
    """

    type: ClassVar[str] = "override-requested"

    request_id: Id
    venue_id: Id
    town: Label
    party_size: Places
    capacity: Places | None = None
    explanation: Explanation
    actor: Actor


class DrawRevealed(SlotRecord, frozen=True, kw_only=True):
    """The seed of a slot's draw: 32 bytes in hex, whose SHA-256 `slot-opened` announced."""

    type: ClassVar[str] = "draw-revealed"

    seed: Hash


class TimerFired(SlotRecord, frozen=True, kw_only=True):
    """A deadline has passed. It acts only if it equals a pending timer and the slot's time has reached `due_at`."""

    type: ClassVar[str] = "timer-fired"

    kind: Literal["hold", "window", "shares", "closing", "class", "accumulation", "invited"]
    due_at: Instant
    subject: Label = ""


class ClaimRequested(SlotRecord, frozen=True, kw_only=True):
    """A provider asks for a demand; `request_id` is the claim's id."""

    type: ClassVar[str] = "claim-requested"

    request_id: Id
    demand_id: Id
    provider_id: Id
    provider_name: Name
    actor: Actor


class ClaimEndRequested(SlotRecord, frozen=True, kw_only=True):
    """A claim is to end: handed back by its provider, lapsed, or taken away by the guidance center."""

    type: ClassVar[str] = "claim-end-requested"

    request_id: Id
    demand_id: Id
    reason: ClaimEnd
    actor: Actor
