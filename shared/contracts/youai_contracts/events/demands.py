"""Events of demands: what residents need, and what became of it."""

from typing import Annotated, ClassVar

from msgspec import Meta

from youai_contracts import topics
from youai_contracts.events.base import (
    Actor,
    Category,
    ClaimEnd,
    DemandId,
    Event,
    Id,
    Instant,
    Label,
    Name,
    Places,
    Text,
)
from youai_contracts.topics import Topic


class DemandEvent(Event, frozen=True, kw_only=True):
    """Base of what happens to a demand. `venue_id` posted it."""

    topic: ClassVar[Topic] = topics.DEMAND

    demand_id: DemandId
    venue_id: Id
    actor: Actor


class DemandPosted(DemandEvent, frozen=True, kw_only=True):
    """A venue says what residents need. `on_behalf` is a reference to a resident, for demand's eyes alone."""

    type: ClassVar[str] = "demand-posted"

    venue_name: Name
    town: Label
    category: Category
    title: Name
    description: Text = ""
    residents: Places
    wanted_from: Instant
    wanted_until: Instant
    places_wanted: Places = 1
    posted_by_role: Label
    on_behalf: Id | None = None


class DemandClaimRequested(DemandEvent, frozen=True, kw_only=True):
    """A provider asks to take the demand on; matching decides."""

    type: ClassVar[str] = "demand-claim-requested"

    claim_id: Id
    provider_id: Id
    provider_name: Name


class DemandClaimEndRequested(DemandEvent, frozen=True, kw_only=True):
    """A claim is to end; matching decides."""

    type: ClassVar[str] = "demand-claim-end-requested"

    claim_id: Id
    provider_id: Id
    reason: ClaimEnd
    explanation: Text = ""


class DemandClaimed(DemandEvent, frozen=True, kw_only=True):
    """A provider has the demand until `lease_until`, by when it must be scheduled."""

    type: ClassVar[str] = "demand-claimed"

    claim_id: Id
    provider_id: Id
    provider_name: Name
    lease_until: Instant


class DemandScheduled(DemandEvent, frozen=True, kw_only=True):
    """The provider says when and where."""

    type: ClassVar[str] = "demand-scheduled"

    claim_id: Id
    provider_id: Id
    provider_name: Name
    scheduled_at: Instant
    place: Label = ""
    note: Text = ""


class DemandFulfilled(DemandEvent, frozen=True, kw_only=True):
    """The venue confirms that it was done, and rates it from 1 to 5."""

    type: ClassVar[str] = "demand-fulfilled"

    claim_id: Id
    provider_id: Id
    provider_name: Name
    rating: Annotated[int, Meta(ge=1, le=5)]
    residents_served: Annotated[int, Meta(ge=0, le=1_000_000)]
    comment: Text = ""


class DemandHandedBack(DemandEvent, frozen=True, kw_only=True):
    """A claim ended before its time; the demand is open again."""

    type: ClassVar[str] = "demand-handed-back"

    claim_id: Id
    provider_id: Id
    provider_name: Name
    reason: ClaimEnd
    explanation: Text = ""


class DemandWithdrawn(DemandEvent, frozen=True, kw_only=True):
    """The venue takes the demand back."""

    type: ClassVar[str] = "demand-withdrawn"

    reason: Text


class DemandExpired(DemandEvent, frozen=True, kw_only=True):
    """The time in which it was wanted has passed, and nobody took it on."""

    type: ClassVar[str] = "demand-expired"
