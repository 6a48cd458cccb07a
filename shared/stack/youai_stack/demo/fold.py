"""What the topics say of the month, counted apart from every service: and who had to be told what."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from youai_contracts import topics

TOPICS = (topics.ORGANIZATION, topics.DEMAND, topics.CLAIM, topics.BOOKING, topics.RESOURCE, topics.NOTIFICATION)

Owed = tuple[str, str, str, str]
"""Recipient, source topic, the source event's id, kind."""

Told = tuple[str, str, dict[str, Any], int]
"""An event: id, type, data, and the broker's time of it."""


def fold(folder: Path) -> dict[str, Any]:
    """The month's figures from an export (a folder with a JSON-lines file a topic).

    `demands_posted, demands_claimed, claims_raced, demands_fulfilled, handed_back, resource_matches, notifications`,
    and `notifications_missing, notifications_unowed, notifications_doubled`: what was owed and never sent, sent and
    never owed, sent twice.
    """
    stamped = {topic.name: list(_events(folder, topic.name)) for topic in (*TOPICS, topics.OFFER)}
    events = {name: [told[:3] for told in found] for name, found in stamped.items()}
    demands, claims = events[topics.DEMAND.name], events[topics.CLAIM.name]
    told = Counter(
        (data["recipient_id"], data["source_topic"], data["source_id"], data["kind"])
        for _, type_, data in events[topics.NOTIFICATION.name]
        if type_ == "notification-sent"
    )
    must, may = _owed_for_revisions(stamped[topics.OFFER.name], stamped[topics.BOOKING.name])
    owed = set(_owed(events)) | must
    asked = Counter(data["demand_id"] for _, type_, data in claims if type_ in ("claim-confirmed", "claim-rejected"))
    return {
        "demands_posted": _count(demands, "demand-posted"),
        "demands_claimed": len({data["demand_id"] for _, type_, data in claims if type_ == "claim-confirmed"}),
        "claims_raced": sum(1 for number in asked.values() if number > 1),
        "demands_fulfilled": _count(demands, "demand-fulfilled"),
        "handed_back": _count(demands, "demand-handed-back"),
        "resource_matches": sum(
            1 for _, type_, data in events[topics.RESOURCE.name] if type_ == "resource-answered" and data["accepted"]
        ),
        "notifications": sum(told.values()),
        "notifications_missing": len(owed - set(told)),
        "notifications_unowed": len(set(told) - owed - may),
        "notifications_doubled": sum(number - 1 for number in told.values()),
    }


def _events(folder: Path, topic: str) -> Iterator[Told]:
    """Each event once, in its partition's order: what is published twice has the same id."""
    seen: set[str] = set()
    with (folder / f"{topic}.jsonl").open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            id_, type_ = record["headers"].get("ce_id"), record["headers"].get("ce_type")
            if id_ and type_ and id_ not in seen and record["data"] is not None:
                seen.add(id_)
                yield id_, type_, record["data"], record["timestamp"]


def _count(events: list[tuple[str, str, dict[str, Any]]], type_: str) -> int:
    return sum(1 for _, found, _ in events if found == type_)


def _owed(events: dict[str, list[tuple[str, str, dict[str, Any]]]]) -> Iterator[Owed]:
    departments = {
        data["organization_id"]: data["categories"]
        for _, _, data in events[topics.ORGANIZATION.name]
        if data["level"] == "department"
    }
    venue_of = {d["demand_id"]: d["venue_id"] for _, t, d in events[topics.DEMAND.name] if t == "demand-posted"}
    for id_, type_, data in events[topics.DEMAND.name]:
        name = topics.DEMAND.name
        if type_ == "demand-posted":
            for department, categories in departments.items():
                if data["category"] in categories:
                    yield department, name, id_, "demand-fits"
        elif type_ in ("demand-scheduled", "demand-handed-back"):
            yield data["venue_id"], name, id_, type_
        elif type_ == "demand-fulfilled":
            yield data["provider_id"], name, id_, type_
    for id_, type_, data in events[topics.CLAIM.name]:
        yield from _owed_for_claim(id_, type_, data, venue_of[data["demand_id"]])
    for id_, type_, data in events[topics.BOOKING.name]:
        # Who cancelled or declined knows; that it came too late and counts, it is told.
        if type_ != "booking-released" or data["reason"] not in ("cancelled", "declined"):
            yield data["venue_id"], topics.BOOKING.name, id_, type_
    for id_, type_, data in events[topics.RESOURCE.name]:
        if type_ == "resource-asked":
            yield data["owner_id"], topics.RESOURCE.name, id_, type_
        elif type_ == "resource-answered":
            yield data["asker_id"], topics.RESOURCE.name, id_, type_


def _owed_for_claim(id_: str, type_: str, data: dict[str, Any], venue: str) -> Iterator[Owed]:
    name, provider = topics.CLAIM.name, data["provider_id"]
    if type_ == "claim-confirmed":
        yield venue, name, id_, "demand-claimed"
        yield provider, name, id_, type_
    elif type_ == "claim-rejected":
        yield provider, name, id_, type_
    elif type_ == "claim-ended":
        if data["reason"] in ("handed-back", "lapsed"):
            yield venue, name, id_, type_
        if data["reason"] != "handed-back":
            yield provider, name, id_, type_


def _owed_for_revisions(offers: list[Told], bookings: list[Told]) -> tuple[set[Owed], set[Owed]]:
    """Who must be told of changed sessions, and who may be.

    Offers and bookings have no common order. Who was in the slot (in the draw or the queue, held for, confirmed) before
    the broker took the change and is still there must be told; who was there at any time may have been there then.
    """
    since: dict[str, int] = {}  # requests to when they first had something in their slot
    now: dict[str, bool] = {}
    whose: dict[str, dict[str, str]] = {}
    for _, type_, data, at in bookings:
        request = data["request_id"]
        now[request] = _is_in(type_, data)
        if now[request]:
            since.setdefault(request, at)
            whose.setdefault(data["slot_id"], {})[request] = data["venue_id"]
    must: set[Owed] = set()
    may: set[Owed] = set()
    for id_, type_, data, at in offers:
        if type_ == "session-revised":
            for request, venue in whose.get(data["slot_id"], {}).items():
                owed = (venue, topics.OFFER.name, id_, type_)
                may.add(owed)
                if now[request] and since[request] <= at:
                    must.add(owed)
    return must, may


def _is_in(type_: str, data: dict[str, Any]) -> bool:
    if type_ in ("booking-lapsed", "booking-displaced"):
        return data["place"] is not None
    return type_ not in ("booking-rejected", "booking-released")
