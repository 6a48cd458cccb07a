"""What the topics say of the market: booking rates by provider, and what was asked for and not given by category."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from youai_contracts import topics

Data = dict[str, Any]

NOT_UNMET = ("already-live", "early")
"""Reasons of a rejection after which the venue has its places, or can still ask for them."""


def market(folder: Path) -> dict[str, list[Data]]:
    """`booking_rate_by_provider` and `unmet_by_category` of an export (a folder with a JSON-lines file a topic).

    Cancelled sessions are in no rate. Unmet is what still waits, was rejected, waited until booking closed, or was
    taken back by fewer places.
    """
    names: dict[str, str] = {}
    offers: dict[str, Data] = {}
    sessions: dict[str, Data] = {}
    offer_of: dict[str, str] = {}
    for type_, data in [*_records(folder, topics.ORGANIZATION.name), *_records(folder, topics.OFFER.name)]:
        match type_:
            case "organization-registered":
                names[data["organization_id"]] = data["name"]
            case "offer-published":
                offers[data["offer_id"]] = data
            case "session-opened":
                sessions[data["slot_id"]] = data
            case "session-cancelled":
                sessions.pop(data["slot_id"], None)
    for type_, data in _records(folder, topics.SLOT_LOG.name):
        if type_ == "slot-opened":
            offer_of.setdefault(data["slot_id"], data["offer_id"])
        elif type_ == "slot-closed":
            sessions.pop(data["slot_id"], None)
    last: dict[tuple[str, str], Data] = {}
    of_slot: dict[str, Data] = {}
    for _, data in _records(folder, topics.BOOKING.name):
        slot_id = data["slot_id"]
        if slot_id not in of_slot or data["sequence"] > of_slot[slot_id]["sequence"]:
            of_slot[slot_id] = last[slot_id, data["request_id"]] = data
    kinds = {
        slot_id: offers.get(offer_id, {}).get("category", "未知 unknown") for slot_id, offer_id in offer_of.items()
    }
    return {
        "booking_rate_by_provider": _rates(names, offers, sessions, of_slot),
        "unmet_by_category": _unmet(kinds, list(last.values())),
    }


def _records(folder: Path, topic: str) -> Iterator[tuple[str, Data]]:
    path = folder / f"{topic}.jsonl"
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                if isinstance(record["data"], dict):
                    yield record["headers"].get("ce_type", ""), record["data"]


def _rates(names: dict[str, str], offers: dict[str, Data], sessions: dict[str, Data], of_slot: Data) -> list[Data]:
    """By provider; a slot's capacity and taken places are those of its last decision, if it has one."""
    rates: dict[str, Data] = {}
    for slot_id, session in sessions.items():
        if session["offer_id"] not in offers:
            continue
        offer = offers[session["offer_id"]]
        provider_id = offer["provider_id"]
        known = names.get(provider_id, offer.get("provider_name"))
        empty = {"provider_id": provider_id, "provider_name": known, "places_offered": 0, "places_booked": 0}
        row = rates.setdefault(provider_id, empty)
        row["places_offered"] += of_slot.get(slot_id, session)["capacity"]
        row["places_booked"] += of_slot[slot_id]["taken"] if slot_id in of_slot else 0
        row["rate"] = round(row["places_booked"] / row["places_offered"], 4)
    return sorted(rates.values(), key=lambda row: (-row["rate"], row["provider_id"]))


def _unmet(kinds: dict[str, str], decisions: list[Data]) -> list[Data]:
    """By category, most first; `decisions` are the last of each request."""
    unmet: dict[str, Counter[str]] = {}
    places: Counter[str] = Counter()
    for data in decisions:
        waits = data["place"] is not None or data["outcome"] in ("rejected", "displaced")
        if (waits or data["reason"] == "closed") and data["reason"] not in NOT_UNMET:
            kind = kinds.get(data["slot_id"], "未知 unknown")
            unmet.setdefault(kind, Counter())[data["reason"]] += 1
            places[kind] += data["party_size"]
    most = sorted(unmet.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        {"category": kind, "requests": reasons.total(), "places": places[kind], "reasons": dict(reasons)}
        for kind, reasons in most
    ]
