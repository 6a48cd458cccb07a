"""What is known of that which events are about, and who is live in a slot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from youai_contracts.events import Decision


@dataclass(frozen=True, slots=True)
class Session:
    """What there is to say of a slot: the offer's title, when and where; `offer_id` is empty where it is not known."""

    title: str
    starts_at: datetime
    place: str
    offer_id: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What there is to say of a claim: the demand (its venue and title) and the provider's name."""

    venue_id: str
    venue_name: str
    title: str
    provider_name: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What there is to say of a demand."""

    venue_name: str
    title: str


@dataclass(slots=True)
class Known:
    """What was read so far of that which events are about, each by its id; `departments` by category.

    `live`: the venues that have a booking, or wait, in a slot.
    """

    departments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    demands: Mapping[str, Demand] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def is_live(decision: Decision) -> bool:
    """Whether the venue has places, a place in the queue or in the draw after this decision."""
    if decision.outcome in ("lapsed", "displaced"):
        return decision.place is not None
    return decision.outcome in ("entered", "confirmed", "waitlisted", "promoted")
