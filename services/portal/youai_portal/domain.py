"""What events make of what the portal shows, pure: demands and their claims, the latest of each booking, the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from msgspec import UNSET
from youai_contracts.codec import rfc3339
from youai_contracts.events import (
    BookingDisplaced,
    Decision,
    DemandClaimed,
    DemandClaimEndRequested,
    DemandClaimRequested,
    DemandEvent,
    DemandExpired,
    DemandFulfilled,
    DemandHandedBack,
    DemandPosted,
    DemandScheduled,
    DemandWithdrawn,
)

SHANGHAI = timezone(timedelta(hours=8))

UNMET_REASONS = ("waitlist-full", "closed", "hold-lapsed-again", "capacity-cut-closed")
"""Why a request that has ended (ENDED) is a need that the city has not met yet."""

ENDED = ("rejected", "released", "lapsed", "displaced")
"""States of a booking in which the venue has nothing (any more)."""

LIVE = ("confirmed", "promoted", "waitlisted", "entered")
"""States of a booking in which the venue has places, or a place in the queue or in the draw."""

DEMAND_STATES = ("open", "claimed", "scheduled", "fulfilled", "withdrawn", "expired")


@dataclass(frozen=True, slots=True)
class Claim:
    """A live claim of a demand. Times are RFC 3339."""

    claim_id: str
    provider_id: str
    provider_name: str
    lease_until: str
    scheduled_at: str | None = None
    place: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """A demand as the table shows it. Times are RFC 3339."""

    demand_id: str
    venue_id: str
    venue_name: str
    town: str
    category: str
    title: str
    description: str
    residents: int
    wanted_from: str
    wanted_until: str
    places_wanted: int
    for_resident: bool
    posted_at: str
    changed_at: str
    state: str = "open"
    claims: tuple[Claim, ...] = ()
    rating: int | None = None
    residents_served: int | None = None

    @property
    def teams(self) -> str:
        """The names of those who have it."""
        return "、".join(claim.provider_name for claim in self.claims)


@dataclass(slots=True)
class Folded:
    """What a batch of demand's events makes: demands as they are now, lines of timelines, claims asked for."""

    demands: dict[str, Demand] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)


def fold_demands(known: dict[str, Demand], events: Iterable[tuple[DemandEvent, int, datetime]]) -> Folded:
    """Fold events (each with its offset and the broker's time), in their order, into demands as they are known."""
    folded = Folded()
    for event, offset, at in events:
        demand = folded.demands.get(event.demand_id) or known.get(event.demand_id)
        after = next_state(demand, event, at)
        if after is not None:
            folded.demands[event.demand_id] = after
        if isinstance(event, DemandClaimRequested):
            folded.requests.append(
                {
                    "claim_id": event.claim_id,
                    "demand_id": event.demand_id,
                    "provider_id": event.provider_id,
                    "provider_name": event.provider_name,
                    "asked_at": rfc3339(at),
                }
            )
        folded.lines.append(
            {
                "demand_id": event.demand_id,
                "log_offset": offset,
                "type": event.type,
                "at": rfc3339(at),
                "organization_id": event.actor.organization_id,
                "details": details(event),
            }
        )
    return folded


def next_state(demand: Demand | None, event: DemandEvent, at: datetime) -> Demand | None:
    """A demand after an event; None while its posting was not read (then nothing can be shown of it)."""
    if isinstance(event, DemandPosted):
        return _posted(event, at)
    if demand is None:
        return None
    now = rfc3339(at)
    match event:
        case DemandClaimed():
            claim = Claim(event.claim_id, event.provider_id, event.provider_name, rfc3339(event.lease_until))
            return _with_claims(demand, now, (*_without(demand, event.claim_id), claim))
        case DemandScheduled():
            claims = tuple(
                replace(claim, scheduled_at=rfc3339(event.scheduled_at), place=event.place, note=event.note)
                if claim.claim_id == event.claim_id
                else claim
                for claim in demand.claims
            )
            return _with_claims(demand, now, claims)
        case DemandHandedBack():
            return _with_claims(demand, now, _without(demand, event.claim_id))
        case DemandFulfilled():
            return replace(
                demand,
                state="fulfilled",
                rating=event.rating,
                residents_served=event.residents_served,
                changed_at=now,
            )
        case DemandWithdrawn():
            return replace(demand, state="withdrawn", claims=(), changed_at=now)
        case DemandExpired():
            return replace(demand, state="expired", changed_at=now)
    return demand


def _posted(event: DemandPosted, at: datetime) -> Demand:
    return Demand(
        demand_id=event.demand_id,
        venue_id=event.venue_id,
        venue_name=event.venue_name,
        town=event.town,
        category=event.category,
        title=event.title,
        description=event.description,
        residents=event.residents,
        wanted_from=rfc3339(event.wanted_from),
        wanted_until=rfc3339(event.wanted_until),
        places_wanted=event.places_wanted,
        for_resident=event.on_behalf is not None,
        posted_at=rfc3339(at),
        changed_at=rfc3339(at),
    )


def _with_claims(demand: Demand, now: str, claims: tuple[Claim, ...]) -> Demand:
    """Open while places are free; then claimed, and scheduled once every provider has said when."""
    if len(claims) < demand.places_wanted:
        state = "open"
    else:
        state = "scheduled" if all(claim.scheduled_at for claim in claims) else "claimed"
    return replace(demand, state=state, claims=claims, changed_at=now)


def _without(demand: Demand, claim_id: str) -> tuple[Claim, ...]:
    return tuple(claim for claim in demand.claims if claim.claim_id != claim_id)


def details(event: DemandEvent) -> dict[str, Any]:
    """What a timeline says of an event beside its type and its time. Nothing of a resident is in any of it."""
    match event:
        case DemandClaimRequested():
            return {"provider": event.provider_name}
        case DemandClaimed():
            return {"provider": event.provider_name, "lease_until": rfc3339(event.lease_until)}
        case DemandScheduled():
            at = rfc3339(event.scheduled_at)
            return {"provider": event.provider_name, "at": at, "place": event.place, "text": event.note}
        case DemandHandedBack():
            return {"provider": event.provider_name, "reason": event.reason, "text": event.explanation}
        case DemandClaimEndRequested():
            return {"reason": event.reason}
        case DemandFulfilled():
            return {
                "provider": event.provider_name,
                "rating": event.rating,
                "served": event.residents_served,
                "text": event.comment,
            }
        case DemandWithdrawn():
            return {"text": event.reason}
    return {}


@dataclass(frozen=True, slots=True)
class Booked:
    """What a batch of decisions makes: each request's latest state, each slot's sums after its last one, overrides."""

    bookings: list[dict[str, Any]]
    slots: list[dict[str, Any]]
    overrides: list[dict[str, Any]]


def latest_decisions(decisions: Sequence[Decision]) -> Booked:
    """The last decision of each request and of each slot, and the time of a request's first one."""
    bookings: dict[str, dict[str, Any]] = {}
    slots: dict[str, dict[str, Any]] = {}
    overrides: list[dict[str, Any]] = []
    for one in decisions:
        before = bookings.get(one.request_id)
        bookings[one.request_id] = {
            "request_id": one.request_id,
            "slot_id": one.slot_id,
            "venue_id": one.venue_id,
            "party_size": one.party_size,
            "status": status_after(one),
            "hold_until": None if one.hold_until is UNSET else one.hold_until,
            "reason": one.reason,
            "reason_zh": one.reason_zh,
            "reason_en": one.reason_en,
            "sequence": one.sequence,
            "queued_at": rank(one),
            "first_at": before["first_at"] if before else one.decided_at,
            "decided_at": one.decided_at,
        }
        last = slots.get(one.slot_id)
        same = last is not None and last["capacity"] == one.capacity
        slots[one.slot_id] = {
            "slot_id": one.slot_id,
            "capacity": one.capacity,
            "capacity_since": last["capacity_since"] if last and same else one.decided_at,
            "capacity_changed": last is not None and (last["capacity_changed"] or not same),
            "taken": one.taken,
            "sequence": one.sequence,
            "decided_at": one.decided_at,
        }
        if one.outcome == "confirmed" and one.reason == "override":
            overrides.append({name: getattr(one, name) for name in _OF_AN_OVERRIDE})
    ordered = sorted(bookings.values(), key=lambda row: str(row["request_id"]))
    return Booked(ordered, list(slots.values()), overrides)


_OF_AN_OVERRIDE = (
    "slot_id",
    "sequence",
    "request_id",
    "venue_id",
    "party_size",
    "reason_zh",
    "reason_en",
    "decided_at",
)


def status_after(decision: Decision) -> str:
    """The state in which a decision leaves its request: who lapsed or was displaced into the queue waits again."""
    if decision.outcome in ("lapsed", "displaced") and decision.place is not None:
        return "waitlisted"
    return decision.outcome


def rank(decision: Decision) -> int:
    """Where a request stands in the queue after this decision, if it waits: behind all others, or before them."""
    return -decision.sequence if isinstance(decision, BookingDisplaced) else decision.sequence


def month_bounds(month: str) -> tuple[datetime, datetime] | None:
    """The first instant of a month (`2026-11`, by Shanghai's clock) and of the next; None if it is no month."""
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=SHANGHAI)
    except ValueError:
        return None
    if not 2000 <= first.year < 2200:
        return None
    return first, (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def rate(part: int, whole: int) -> str:
    """A share as text, e.g. `99.0%`; a dash where there is no whole."""
    return f"{part / whole * 100:.1f}%" if whole else "—"


def gap(residents_unmet: int, places_unmet: int, places_free: int) -> int:
    """People who want and have not got, less the places that are still free: positive where the city lacks."""
    return residents_unmet + places_unmet - places_free


def search_terms(text: str) -> list[str]:
    """The words of a search, at most 6, each at most 40 characters."""
    return [word[:40] for word in text.split()][:6]


def bigrams(text: str) -> list[str]:
    """The pairs of neighbouring characters, for finding what a whole phrase does not find; at most 30."""
    joined = ["".join(word) for word in search_terms(text)]
    pairs = [word[i : i + 2] for word in joined for i in range(len(word) - 1)] or joined
    return list(dict.fromkeys(pairs))[:30]
