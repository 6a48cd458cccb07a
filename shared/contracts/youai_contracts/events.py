"""The event types: one typed class each, bound to its topic, named as on the wire.

Times are RFC 3339 UTC strings on the wire and aware datetimes here. Writers are held to these classes; readers ignore
fields that they do not know, so a version may only gain optional fields.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from youai_contracts import topics
from youai_contracts.topics import Topic

# No NUL anywhere: PostgreSQL cannot store it, and a lane must never meet what it may not skip and cannot write.
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00-\\x20\\x7f]+$")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
Label = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
Text = Annotated[str, Meta(max_length=4000, pattern="^[^\\x00]*$")]
Places = Annotated[int, Meta(ge=1, le=100_000)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Instant = Annotated[datetime, Meta(tz=True)]

Category = Literal[
    "理论宣讲",
    "教育服务",
    "文化文艺",
    "健康服务",
    "科技科普",
    "体育健身",
    "法律援助",
    "应急救护",
    "心理服务",
    "环保",
    "其他",
]
Mode = Literal["arrival", "draw"]


class Actor(Struct, frozen=True, kw_only=True):
    """Who gave a command: the token's subject, and the organization that it acted for."""

    subject: Id
    organization_id: Id


class Event(Struct, frozen=True, kw_only=True):
    """Base of all events. `type` and `topic` are fixed by the class; `key()` is the record's key."""

    type: ClassVar[str] = ""
    topic: ClassVar[Topic]

    def key(self) -> str:
        """The record's key: the value of the field that the topic names."""
        value: str = getattr(self, self.topic.key)
        return value


class OrganizationRegistered(Event, frozen=True, kw_only=True):
    """An organization's whole state; the latest per key stands."""

    type: ClassVar[str] = "organization-registered"
    topic: ClassVar[Topic] = topics.ORGANIZATION

    organization_id: Id
    parent_id: Id | None
    kind: Literal["venue", "provider"]
    level: Literal["center", "institute", "station", "point", "department", "team"]
    name: Name
    town: Label
    categories: tuple[Category, ...] = ()
    actor: Actor


class OfferPublished(Event, frozen=True, kw_only=True):
    """A provider publishes what it offers; sessions follow."""

    type: ClassVar[str] = "offer-published"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    provider_id: Id
    provider_name: Name
    category: Category
    title: Name
    description: Text = ""
    towns: tuple[Name, ...] = ()
    audience: Label = ""
    mode: Mode = "arrival"
    actor: Actor


class OfferWithdrawn(Event, frozen=True, kw_only=True):
    """A provider takes an offer back; its sessions are cancelled by events of their own."""

    type: ClassVar[str] = "offer-withdrawn"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    reason: Text
    actor: Actor


class SessionOpened(Event, frozen=True, kw_only=True):
    """A dated occurrence of an offer; its slot has the session's id. `waitlist`: most waiting, null for no bound."""

    type: ClassVar[str] = "session-opened"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    session_id: Id
    slot_id: Id
    capacity: Places
    opens_at: Instant
    closes_at: Instant
    starts_at: Instant
    ends_at: Instant
    mode: Mode = "arrival"
    town_shares: dict[str, Places] = {}
    waitlist: Count | None = None
    invited: tuple[Id, ...] = ()
    invited_until: Instant | None = None
    venue_name: Name
    actor: Actor


class SessionCancelled(Event, frozen=True, kw_only=True):
    """A provider cancels a session: everybody confirmed or waiting is released."""

    type: ClassVar[str] = "session-cancelled"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    session_id: Id
    slot_id: Id
    reason: Text
    actor: Actor


class SlotRecord(Event, frozen=True, kw_only=True):
    """Base of what stands in the slot log, the only order that decides."""

    topic: ClassVar[Topic] = topics.SLOT_LOG

    slot_id: Id


class SlotOpened(SlotRecord, frozen=True, kw_only=True):
    """A slot can be booked, under this rule version (the SHA-256 of its file)."""

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
    town_shares: dict[str, Places] = {}
    waitlist: Count | None = None
    invited: tuple[Id, ...] = ()
    invited_until: Instant | None = None
    seed_hash: Hash | None = None


class SlotClosed(SlotRecord, frozen=True, kw_only=True):
    """A slot ends before its time, for the reason given (a code). Booking's closing time is a timer instead."""

    type: ClassVar[str] = "slot-closed"

    reason: Literal["session-cancelled", "offer-withdrawn"]


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


class TimerFired(SlotRecord, frozen=True, kw_only=True):
    """A deadline has passed. It acts only if it equals a pending timer and the slot's time has reached `due_at`."""

    type: ClassVar[str] = "timer-fired"

    kind: Literal["hold", "window", "shares", "closing", "class", "accumulation", "invited"]
    due_at: Instant
    subject: Label = ""


class Decision(Event, frozen=True, kw_only=True, omit_defaults=False):
    """What matching answers. Fields stand in RFC 8785 order, so that the encoded event is canonical as it is.

    Integers, strings and null alone. `place` and `ahead` are null unless in the queue; `taken` counts places confirmed
    and held after this decision; `sequence` counts a slot's decisions from 1; `decided_at` is the slot's time;
    `hash` is the hex SHA-256 of the RFC 8785 JSON of all the other fields.
    """

    topic: ClassVar[Topic] = topics.BOOKING

    ahead: Count | None
    capacity: Count
    decided_at: str
    hash: Hash | msgspec.UnsetType = msgspec.UNSET
    log_offset: Count
    log_partition: Count
    outcome: str
    party_size: Places
    place: Annotated[int, Meta(ge=1)] | None
    previous_hash: Hash
    reason: str
    reason_en: str
    reason_zh: str
    request_id: Id
    rule_version: Hash
    sequence: Annotated[int, Meta(ge=1)]
    slot_id: Id
    taken: Count
    venue_id: Id


class BookingConfirmed(Decision, frozen=True, kw_only=True):
    """The venue has its places."""

    type: ClassVar[str] = "booking-confirmed"


class BookingWaitlisted(Decision, frozen=True, kw_only=True):
    """The slot is full; the venue stands in the queue at `place`, with `ahead` places wanted before it."""

    type: ClassVar[str] = "booking-waitlisted"


class BookingRejected(Decision, frozen=True, kw_only=True):
    """The venue has nothing, and `reason` says why."""

    type: ClassVar[str] = "booking-rejected"


class BookingPromoted(Decision, frozen=True, kw_only=True):
    """A freed place went to the next in the queue."""

    type: ClassVar[str] = "booking-promoted"


class BookingReleased(Decision, frozen=True, kw_only=True):
    """Places, or a place in the queue, were given back."""

    type: ClassVar[str] = "booking-released"


EVENTS: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        OrganizationRegistered,
        OfferPublished,
        OfferWithdrawn,
        SessionOpened,
        SessionCancelled,
        SlotOpened,
        SlotClosed,
        BookingRequested,
        BookingCancelled,
        TimerFired,
        BookingConfirmed,
        BookingWaitlisted,
        BookingRejected,
        BookingPromoted,
        BookingReleased,
    )
}
