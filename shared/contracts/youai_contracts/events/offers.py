"""Events of offers and their sessions."""

from typing import ClassVar

import msgspec

from youai_contracts import topics
from youai_contracts.events.base import (
    Actor,
    Category,
    Count,
    Event,
    Id,
    Instant,
    Invited,
    Label,
    Mode,
    Name,
    Places,
    Text,
    TownShares,
)
from youai_contracts.topics import Topic


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
    town_shares: TownShares = msgspec.field(default_factory=dict)
    waitlist: Count | None = None
    invited: Invited = ()
    invited_until: Instant | None = None
    venue_name: Name
    actor: Actor


class SessionRevised(Event, frozen=True, kw_only=True):
    """A session changes: fields that are null stay as they are."""

    type: ClassVar[str] = "session-revised"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    session_id: Id
    slot_id: Id
    capacity: Places | None = None
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    venue_name: Name | None = None
    reason: Text
    actor: Actor


class AttendanceRecorded(Event, frozen=True, kw_only=True):
    """After a session its provider says of a booking how many came; 0 is a no-show. The latest word stands."""

    type: ClassVar[str] = "attendance-recorded"
    topic: ClassVar[Topic] = topics.OFFER

    offer_id: Id
    session_id: Id
    slot_id: Id
    request_id: Id
    venue_id: Id
    attended: Count
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
