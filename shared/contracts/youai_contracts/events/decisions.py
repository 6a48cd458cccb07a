"""Decisions: what matching answers, sealed into each slot's hash chain."""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from youai_contracts import topics
from youai_contracts.events.base import Count, Event, Hash, Id, Label, Moment, Name, Places, Text, demand_slot
from youai_contracts.topics import Topic


class Decision(Event, frozen=True, kw_only=True, omit_defaults=False):
    """What matching answers. Fields stand in RFC 8785 order, so that the encoded event is canonical as it is.

    Integers, strings and null alone. `place` and `ahead` are null unless in the queue; `taken` counts places confirmed
    and held after this decision; `sequence` counts a slot's decisions from 1; `decided_at` is the slot's time;
    `hash` is the hex SHA-256 of the RFC 8785 JSON of all the other fields. `hold_until` is there on a promotion that
    must be accepted by then, and on nothing else.
    """

    topic: ClassVar[Topic] = topics.BOOKING

    ahead: Count | None
    capacity: Count
    decided_at: Moment
    hash: Hash | msgspec.UnsetType = msgspec.UNSET
    hold_until: Moment | msgspec.UnsetType = msgspec.UNSET
    log_offset: Count
    log_partition: Count
    outcome: Label
    party_size: Places
    place: Annotated[int, Meta(ge=1)] | None
    previous_hash: Hash
    reason: Label
    reason_en: Text
    reason_zh: Text
    request_id: Id
    rule_version: Hash
    sequence: Annotated[int, Meta(ge=1)]
    slot_id: Id
    taken: Count
    venue_id: Id

    def check(self) -> None:
        """Its instants are dates that there are."""
        datetime.fromisoformat(self.decided_at)
        if self.hold_until is not msgspec.UNSET:
            datetime.fromisoformat(self.hold_until)


class BookingEntered(Decision, frozen=True, kw_only=True):
    """The venue is in the draw: an interim answer, not an outcome."""

    type: ClassVar[str] = "booking-entered"


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
    """Freed places are held for the next in the queue until `hold_until`; without one, they are its own at once."""

    type: ClassVar[str] = "booking-promoted"


class BookingLapsed(Decision, frozen=True, kw_only=True):
    """The venue did not accept in time: it stands at the end of the queue (`place`), or is out of it (null)."""

    type: ClassVar[str] = "booking-lapsed"


class BookingDisplaced(Decision, frozen=True, kw_only=True):
    """There are fewer places: the venue lost its own and stands at the head of the queue, or in none (`place` null)."""

    type: ClassVar[str] = "booking-displaced"


class BookingReleased(Decision, frozen=True, kw_only=True):
    """Places, or a place in the queue, were given back."""

    type: ClassVar[str] = "booking-released"


class ClaimDecision(Event, frozen=True, kw_only=True, omit_defaults=False):
    """What matching answers to a claim: as Decision, of a demand and a provider.

    `winner_id` and `winner_name` are who holds the demand, where that is why another claim was rejected.
    """

    topic: ClassVar[Topic] = topics.CLAIM

    ahead: None = None
    capacity: Count
    decided_at: Moment
    demand_id: Id
    hash: Hash | msgspec.UnsetType = msgspec.UNSET
    log_offset: Count
    log_partition: Count
    outcome: Label
    party_size: Places
    place: None = None
    previous_hash: Hash
    provider_id: Id
    reason: Label
    reason_en: Text
    reason_zh: Text
    request_id: Id
    rule_version: Hash
    sequence: Annotated[int, Meta(ge=1)]
    taken: Count
    winner_id: Id | None
    winner_name: Name | None

    def check(self) -> None:
        """Its instant is a date that there is."""
        datetime.fromisoformat(self.decided_at)

    def key(self) -> str:
        """The demand's slot, which has no field of its own here."""
        return demand_slot(self.demand_id)


class ClaimConfirmed(ClaimDecision, frozen=True, kw_only=True):
    """The provider has the demand."""

    type: ClassVar[str] = "claim-confirmed"


class ClaimRejected(ClaimDecision, frozen=True, kw_only=True):
    """The provider does not have the demand, and `reason` says why."""

    type: ClassVar[str] = "claim-rejected"


class ClaimEnded(ClaimDecision, frozen=True, kw_only=True):
    """The provider had the demand and has it no more."""

    type: ClassVar[str] = "claim-ended"
