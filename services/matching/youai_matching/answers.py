"""How a booking and a slot are told: their live state, and the receipts."""

from typing import Any

import asyncpg
import msgspec

from youai_matching import why
from youai_matching.domain.receipts import instant
from youai_matching.domain.rules import Text
from youai_matching.rule_files import RuleBook


def booking(rules: RuleBook, row: asyncpg.Record, story: asyncpg.Record | None) -> dict[str, Any]:
    """A booking with its place as it is now, why in plain words, and every decision on it.

    `row` as from requests.booking, `story` as from why.Stories.
    """
    decisions = [msgspec.json.decode(data) for data in row["decisions"] or ()]
    place, ahead = (row["before"][0] + 1, row["before"][1]) if row["before"] else (None, None)
    reason = _reason(rules, decisions[-1], place, ahead) if decisions else None
    return {
        "request_id": row["request_id"],
        "slot_id": row["slot_id"],
        "venue_id": row["venue_id"],
        "party_size": row["party_size"],
        "status": "refused" if row["receipt"] == "refused" else row["status"],
        "number": story and story["number"],
        "place": place,
        "ahead": ahead,
        "entered": any(decision["outcome"] == "entered" for decision in decisions),
        "hold_until": row["hold_until"] and instant(row["hold_until"]),
        "reason": decisions[-1]["reason"] if decisions else None,
        "reason_zh": reason.zh if reason else None,
        "reason_en": reason.en if reason else None,
        "why": why.told(story, row, decisions) if story and decisions else None,
        "requested_at": row["created_at"].isoformat(),
        "receipts": decisions,
    }


def _reason(rules: RuleBook, last: dict[str, Any], place: int | None, ahead: int | None) -> Text:
    """Why, with the place in the queue as it is now; the receipts keep the words of their time."""
    version = rules.by_version.get(last["rule_version"])
    if place is None or version is None:
        return Text(last["reason_zh"], last["reason_en"])
    numbers: dict[str, int | str | None] = {name: last[name] for name in ("capacity", "party_size", "taken")}
    return version.say(last["reason"], {**numbers, "place": place, "ahead": ahead})


def slot(row: asyncpg.Record) -> dict[str, Any]:
    """A slot's live state; `row` as from requests.slot. `mode` is arrival, or how far its draw is."""
    return {
        "slot_id": row["slot_id"],
        "offer_id": row["offer_id"],
        "session_id": row["session_id"],
        "phase": row["phase"],
        "capacity": row["capacity"],
        "taken": row["taken"],
        "free": row["capacity"] - row["taken"],
        "waiting": row["waiting"],
        "waiting_places": row["waiting_places"],
        "opens_at": instant(row["opens_at"]),
        "closes_at": instant(row["closes_at"]),
        "starts_at": instant(row["starts_at"]),
        "ends_at": instant(row["ends_at"]),
        "sequence": row["sequence"],
        "rule_version": row["rule_version"],
        "town_shares": msgspec.json.decode(row["town_shares"]),
        "mode": row["draw"] or "arrival",
        "seed_hash": row["seed_hash"] or None,
        "seed": row["seed"],
        "overrides": row["overrides"],
    }
