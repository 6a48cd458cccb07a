"""Who is owed which notification: an event and what is known of its subject in, notices out."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from youai_contracts.events import (
    BookingReleased,
    ClaimConfirmed,
    ClaimDecision,
    ClaimEnded,
    ClaimRejected,
    Decision,
    DemandFulfilled,
    DemandHandedBack,
    DemandPosted,
    DemandScheduled,
    Event,
    ResourceAnswered,
    ResourceAsked,
)

from youai_notify.domain.texts import Words, say, when_en, when_zh

Kind = Literal[
    "demand-fits",
    "demand-claimed",
    "claim-confirmed",
    "claim-rejected",
    "claim-ended",
    "demand-scheduled",
    "demand-handed-back",
    "demand-fulfilled",
    "booking-confirmed",
    "booking-waitlisted",
    "booking-rejected",
    "booking-promoted",
    "booking-released",
    "resource-asked",
    "resource-answered",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of notification, by their code."""

_BOOKING_KINDS = frozenset(kind for kind in KINDS if kind.startswith("booking-"))
_TELL_THE_VENUE = frozenset({"handed-back", "lapsed"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event came from: its topic and `ce_id`, when the broker took it, and its trace context."""

    topic: str
    id: str
    at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What there is to say of a slot: the offer's title, when and where."""

    title: str
    starts_at: datetime
    place: str


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
    """What was read so far of that which events are about, each by its id; `departments` by category."""

    departments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    demands: Mapping[str, Demand] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification that is owed. Its id follows from recipient, source and kind, so the same one is never two."""

    recipient_id: str
    kind: str
    subject_id: str
    source: Source
    words: Words

    @property
    def id(self) -> str:
        """`n-` and the first 32 hex digits of SHA-256 of recipient, topic, `ce_id` and kind, joined by NUL."""
        named = "\x00".join((self.recipient_id, self.source.topic, self.source.id, self.kind))
        return "n-" + hashlib.sha256(named.encode()).hexdigest()[:32]


def subject_elsewhere(event: Event) -> str | None:
    """The id of what an event is about, where another topic tells of it: a decision's slot or claim.

    Kafka orders nothing across topics, so it may not be known yet. None where nobody is owed anything.
    """
    match event:
        case Decision() if _tells_the_venue(event):
            return event.slot_id
        case ClaimDecision():
            return event.request_id
    return None


def owed(event: Event, source: Source, known: Known) -> list[Notice]:
    """Every notification that the event owes. KeyError: its `subject_elsewhere` is not known."""
    return list(_owed(event, source, known))


def _owed(event: Event, source: Source, known: Known) -> Iterator[Notice]:
    match event:
        case DemandPosted():
            words = say("demand-fits", _of_posted(event))
            for department in known.departments.get(event.category, ()):
                yield Notice(department, "demand-fits", event.demand_id, source, words)
        case ClaimDecision():
            yield from _of_claim(event, source, known.claims[event.request_id])
        case DemandScheduled() | DemandHandedBack() | DemandFulfilled():
            recipient = event.provider_id if isinstance(event, DemandFulfilled) else event.venue_id
            demand = known.demands.get(event.demand_id) or Demand("", event.demand_id)
            yield Notice(recipient, event.type, event.demand_id, source, say(event.type, _of_demand(event, demand)))
        case Decision() if _tells_the_venue(event):
            values = _of_booking(event, known.sessions[event.slot_id])
            yield Notice(event.venue_id, event.type, event.slot_id, source, say(event.type, values))
        case ResourceAsked():
            yield Notice(event.owner_id, event.type, event.resource_id, source, say(event.type, _of_ask(event, known)))
        case ResourceAnswered():
            values = {"title": _resource(known, event.resource_id), "note": event.message}
            entry = "resource-answered yes" if event.accepted else "resource-answered no"
            yield Notice(event.asker_id, event.type, event.resource_id, source, say(entry, values))


def _tells_the_venue(event: Decision) -> bool:
    """A venue that cancels by itself need not be told so."""
    return event.type in _BOOKING_KINDS and not (isinstance(event, BookingReleased) and event.reason == "cancelled")


def _of_claim(event: ClaimDecision, source: Source, claim: Claim) -> Iterator[Notice]:
    values: dict[str, object] = {
        "title": claim.title,
        "venue": claim.venue_name,
        "provider": claim.provider_name,
        "taken": event.taken,
        "capacity": event.capacity,
        "reason_zh": event.reason_zh,
        "reason_en": event.reason_en,
    }

    def notice(recipient: str, kind: str, entry: str) -> Notice:
        return Notice(recipient, kind, event.demand_id, source, say(entry, values))

    match event:
        case ClaimConfirmed():
            yield notice(claim.venue_id, "demand-claimed", "demand-claimed")
            yield notice(event.provider_id, "claim-confirmed", "claim-confirmed")
        case ClaimRejected():
            yield notice(event.provider_id, "claim-rejected", "claim-rejected")
        case ClaimEnded():
            if event.reason in _TELL_THE_VENUE:
                yield notice(claim.venue_id, "claim-ended", "claim-ended of the venue")
            if event.reason != "handed-back":
                yield notice(event.provider_id, "claim-ended", "claim-ended")


def _of_posted(event: DemandPosted) -> dict[str, object]:
    return {
        "title": event.title,
        "venue": event.venue_name,
        "town_zh": f"（{event.town}）" if event.town else "",
        "town_en": f" ({event.town})" if event.town else "",
        "category": event.category,
        "residents": event.residents,
        "places": event.places_wanted,
        "description": event.description,
        **_times(wanted_from=event.wanted_from, wanted_until=event.wanted_until),
    }


def _of_demand(event: DemandScheduled | DemandHandedBack | DemandFulfilled, demand: Demand) -> dict[str, object]:
    values: dict[str, object] = {"title": demand.title, "venue": demand.venue_name, "provider": event.provider_name}
    match event:
        case DemandScheduled():
            values |= {
                "at_zh": when_zh(event.scheduled_at),
                "at_en": when_en(event.scheduled_at),
                "place_zh": f"在{event.place}" if event.place else "",
                "place_en": f" at {event.place}" if event.place else "",
                "note": event.note,
            }
        case DemandHandedBack():
            values["note"] = event.explanation
        case DemandFulfilled():
            values |= {"residents": event.residents_served, "rating": event.rating, "note": event.comment}
    return values


def _of_booking(event: Decision, session: Session) -> dict[str, object]:
    return {
        "title": session.title,
        "at_zh": when_zh(session.starts_at),
        "at_en": when_en(session.starts_at),
        "place": session.place,
        "party": event.party_size,
        "queue": event.place,
        "reason_zh": event.reason_zh,
        "reason_en": event.reason_en,
    }


def _of_ask(event: ResourceAsked, known: Known) -> dict[str, object]:
    wanted = event.wanted_from
    return {
        "title": _resource(known, event.resource_id),
        "asker": event.asker_name,
        "at_zh": f"，希望从{when_zh(wanted)}开始" if wanted else "",
        "at_en": f", from {when_en(wanted)}" if wanted else "",
        "note": event.message,
    }


def _times(*, wanted_from: datetime, wanted_until: datetime) -> dict[str, object]:
    return {
        "from_zh": when_zh(wanted_from),
        "until_zh": when_zh(wanted_until),
        "from_en": when_en(wanted_from),
        "until_en": when_en(wanted_until),
    }


def _resource(known: Known, resource_id: str) -> str:
    return known.resources.get(resource_id, resource_id)
