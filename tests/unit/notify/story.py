"""Events that notify reads, in few words: a demand and its claims, a session and its bookings, a resource."""

from datetime import UTC, datetime, timedelta
from typing import Any

from youai_contracts.events import (
    EVENTS,
    Actor,
    Category,
    ClaimDecision,
    Decision,
    DemandClaimRequested,
    DemandEvent,
    DemandPosted,
    OfferPublished,
    OrganizationRegistered,
    ResourceAnswered,
    ResourceAsked,
    ResourceListed,
    SessionOpened,
    SessionRevised,
)
from youai_notify.domain.known import Claim, Demand, Known, Session
from youai_notify.domain.owed import Source

NINE = datetime(2026, 12, 5, 1, tzinfo=UTC)  # nine in the city
ACTOR = Actor(subject="staff", organization_id="o")
HASH = "0" * 64
VENUE, PROVIDER, TITLE = "station-1", "team-1", "重阳节敬老理论宣讲"
SOURCE = Source("youai.test.v1", "test-1", NINE)
KNOWN = Known(
    departments={"理论宣讲": ("dept-1", "dept-2")},
    sessions={"slot-1": Session("亲子烘焙", NINE, "大新镇文化中心", "offer-1")},
    claims={"claim-1": Claim(VENUE, "中山村站", TITLE, "红色讲坛")},
    demands={"demand-1": Demand("中山村站", TITLE)},
    resources={"resource-1": "旗袍走秀教师"},
    live={"slot-1": (VENUE, "station-2")},
)


def organization(id: str, level: str = "department", parent: str | None = "center", **more: Any) -> Any:
    kind = "provider" if level in ("department", "team") else "venue"
    fields: dict[str, Any] = {"name": f"单位{id}", "town": "大新镇", "kind": kind, "level": level, "parent_id": parent}
    return OrganizationRegistered(organization_id=id, actor=ACTOR, **(fields | more))


def posted(id: str = "demand-1", category: Category = "理论宣讲", **more: Any) -> DemandPosted:
    fields: dict[str, Any] = {
        "venue_id": VENUE,
        "venue_name": "中山村站",
        "town": "大新镇",
        "title": TITLE,
        "residents": 80,
        "wanted_from": NINE,
        "wanted_until": NINE + timedelta(days=10),
        "posted_by_role": "venue-staff",
    }
    return DemandPosted(demand_id=id, category=category, actor=ACTOR, **(fields | more))


def claim_requested(claim: str = "claim-1", demand: str = "demand-1", provider: str = PROVIDER) -> DemandClaimRequested:
    return DemandClaimRequested(
        demand_id=demand, venue_id=VENUE, claim_id=claim, provider_id=provider, provider_name="红色讲坛", actor=ACTOR
    )


def demand(type_: str, **more: Any) -> DemandEvent:
    """demand-scheduled, demand-handed-back or demand-fulfilled, with what they share."""
    fields: dict[str, Any] = {
        "demand_id": "demand-1",
        "venue_id": VENUE,
        "claim_id": "claim-1",
        "provider_id": PROVIDER,
        "provider_name": "红色讲坛",
        "actor": ACTOR,
    }
    event = EVENTS[type_](**(fields | more))
    assert isinstance(event, DemandEvent)
    return event


def claim(outcome: str, reason: str = "claim-free", **more: Any) -> ClaimDecision:
    fields: dict[str, Any] = {
        "demand_id": "demand-1",
        "provider_id": PROVIDER,
        "request_id": "claim-1",
        "winner_id": None,
        "winner_name": None,
    }
    return EVENTS[f"claim-{outcome}"](**(_sealed(outcome, reason) | fields | more))  # type: ignore[return-value]


def booking(outcome: str, reason: str = "place-free", **more: Any) -> Decision:
    fields: dict[str, Any] = {"slot_id": "slot-1", "venue_id": VENUE, "request_id": "request-1"}
    return EVENTS[f"booking-{outcome}"](**(_sealed(outcome, reason) | fields | more))  # type: ignore[return-value]


def _sealed(outcome: str, reason: str) -> dict[str, Any]:
    return {
        "ahead": None,
        "capacity": 1,
        "decided_at": "2026-12-05T01:00:00.000Z",
        "hash": HASH,
        "log_offset": 0,
        "log_partition": 0,
        "outcome": outcome,
        "party_size": 1,
        "place": None,
        "previous_hash": HASH,
        "reason": reason,
        "reason_en": f"Because {reason}.",
        "reason_zh": f"因为{reason}。",
        "rule_version": HASH,
        "sequence": 1,
        "taken": 1,
    }


def offer(id: str = "offer-1", title: str = "亲子烘焙") -> OfferPublished:
    return OfferPublished(
        offer_id=id, provider_id=PROVIDER, provider_name="市妇联", category="教育服务", title=title, actor=ACTOR
    )


def session(slot: str = "slot-1", offer_id: str = "offer-1") -> SessionOpened:
    return SessionOpened(
        offer_id=offer_id,
        session_id=slot,
        slot_id=slot,
        capacity=1,
        opens_at=NINE,
        closes_at=NINE,
        starts_at=NINE,
        ends_at=NINE + timedelta(hours=2),
        venue_name="大新镇文化中心",
        actor=ACTOR,
    )


def revised(slot: str = "slot-1", offer_id: str = "offer-1", **more: Any) -> SessionRevised:
    named: dict[str, Any] = {"offer_id": offer_id, "session_id": slot, "slot_id": slot}
    return SessionRevised(**{"reason": "讲师改期", **named, **more}, actor=ACTOR)


def listed(id: str = "resource-1", title: str = "旗袍走秀教师") -> ResourceListed:
    return ResourceListed(
        resource_id=id, owner_id="owner", owner_name="文化馆", kind="person", title=title, town="", actor=ACTOR
    )


def asked(id: str = "resource-1", **more: Any) -> ResourceAsked:
    fields: dict[str, Any] = {"ask_id": "ask-1", "asker_id": VENUE, "asker_name": "阳光社区", "message": "教走秀"}
    return ResourceAsked(resource_id=id, owner_id="owner", actor=ACTOR, **(fields | more))


def answered(accepted: bool = True, **more: Any) -> ResourceAnswered:
    fields: dict[str, Any] = {"resource_id": "resource-1", "ask_id": "ask-1", "asker_id": VENUE, "message": "周六见"}
    return ResourceAnswered(owner_id="owner", accepted=accepted, actor=ACTOR, **(fields | more))
