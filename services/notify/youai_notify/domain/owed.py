"""Who is owed which notification: an event and what is known of its subject in, notices out."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from msgspec import UNSET
from youai_contracts.events import (
    BookingDisplaced,
    BookingLapsed,
    BookingPromoted,
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
    SessionRevised,
)

from youai_notify.domain.known import Claim, Demand, Known, Session
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
    "booking-entered",
    "booking-confirmed",
    "booking-waitlisted",
    "booking-rejected",
    "booking-promoted",
    "booking-lapsed",
    "booking-displaced",
    "booking-released",
    "session-revised",
    "resource-asked",
    "resource-answered",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of notification, by their code."""

_BOOKING_KINDS = frozenset(kind for kind in KINDS if kind.startswith("booking-"))
_TELL_THE_VENUE = frozenset({"handed-back", "lapsed"})
_OWN_DOING = frozenset({"cancelled", "declined"})
"""Why a booking was released by the venue itself, at no cost to it."""


_CHANGED_TIMES = {
    "starts_at": ("开始时间", "it starts at"),
    "ends_at": ("结束时间", "it ends at"),
    "opens_at": ("预约开放时间", "booking opens at"),
    "closes_at": ("预约截止时间", "booking closes at"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event came from: its topic and `ce_id`, when the broker took it, and its trace context."""

    topic: str
    id: str
    at: datetime
    traceparent: str | None = None


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
            yield Notice(event.venue_id, event.type, event.slot_id, source, say(_entry(event), values))
        case SessionRevised():
            for venue in known.live.get(event.slot_id, ()):
                words = say("session-revised", _of_revision(event, known.sessions[event.slot_id]))
                yield Notice(venue, "session-revised", event.slot_id, source, words)
        case ResourceAsked():
            yield Notice(event.owner_id, event.type, event.resource_id, source, say(event.type, _of_ask(event, known)))
        case ResourceAnswered():
            values = {"title": _resource(known, event.resource_id), "note": event.message}
            entry = "resource-answered yes" if event.accepted else "resource-answered no"
            yield Notice(event.asker_id, event.type, event.resource_id, source, say(entry, values))


def _tells_the_venue(event: Decision) -> bool:
    """A venue that cancels or declines by itself need not be told so, unless that counts against it."""
    return event.type in _BOOKING_KINDS and not (isinstance(event, BookingReleased) and event.reason in _OWN_DOING)


def _entry(event: Decision) -> str:
    """Which text a decision on a booking has."""
    if isinstance(event, BookingPromoted) and event.hold_until is not UNSET:
        return "booking-promoted held"
    if isinstance(event, BookingLapsed | BookingDisplaced) and event.place is None:
        return f"{event.type} out"
    return event.type


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
    held = datetime.fromisoformat(event.hold_until) if isinstance(event.hold_until, str) else None
    offer = session.offer_id
    return {
        "until_zh": when_zh(held) if held else "",
        "until_en": when_en(held) if held else "",
        "request": event.request_id,
        "offer_zh": f"（/offers/{offer}）" if offer else "",
        "offer_en": f" (/offers/{offer})" if offer else "",
        "title": session.title,
        "at_zh": when_zh(session.starts_at),
        "at_en": when_en(session.starts_at),
        "place": session.place,
        "party": event.party_size,
        "queue": event.place,
        "reason_zh": event.reason_zh,
        "reason_en": event.reason_en,
    }


def _of_revision(event: SessionRevised, session: Session) -> dict[str, object]:
    zh: list[str] = []
    en: list[str] = []
    for name, (named_zh, named_en) in _CHANGED_TIMES.items():
        at: datetime | None = getattr(event, name)
        if at is not None:
            zh.append(f"{named_zh}改为{when_zh(at)}")
            en.append(f"{named_en} {when_en(at)}")
    if event.venue_name is not None:
        zh.append(f"地点改为{event.venue_name}")
        en.append(f"it is held at {event.venue_name}")
    if event.capacity is not None:
        zh.append(f"名额改为{event.capacity}个")
        en.append(f"there are {event.capacity} places")
    return {
        "title": session.title,
        "changes_zh": "；".join(zh) or "时间、地点和名额不变",
        "changes_en": "; ".join(en) or "its times, its place and the number of places stay",
        "note_zh": f"说明：{event.reason}" if event.reason else "",
        "note_en": f"Why: {event.reason}" if event.reason else "",
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
