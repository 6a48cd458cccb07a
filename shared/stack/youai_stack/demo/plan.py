"""What the demonstration loads and who asks for what and when: the city's files, and a rush drawn from a fixed seed."""

import csv
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from typing import Any

CITY = resources.files("youai_stack.demo.city")
SHANGHAI = timezone(timedelta(hours=8))
SEED = 20261124
RUSH_SECONDS = 60.0
REPEAT_SHARE = 0.1
CANCEL_SHARE = 0.03
PARTY_SIZES = (1, 2, 3, 4, 5, 6)
PARTY_WEIGHTS = (46, 27, 13, 7, 4, 3)
ANSWERS = ("accept", "auto", "decline", "never")
ANSWER_WEIGHTS = (60, 15, 10, 15)
"""What a venue does to which places are held: accept, have accepted by the door, decline, let it lapse."""
DRAWN_OFFER = "offer-mind-01"
"""Its sessions are drawn, not first come, first served."""
SHARED_SESSION, SHARES = "session-sports-11-01", {"锦丰镇": 8, "大新镇": 4}
CUT_SESSION, CUT_TO = "session-women-federation-01-01", 40
OVERRIDE_SESSION = "session-women-federation-02-03"


@dataclass(frozen=True)
class City:
    """The city's files: organizations as CSV text, offers and sessions as the bodies that catalog takes."""

    organizations_csv: bytes
    rows: tuple[dict[str, str], ...]
    """The same, row by row."""
    venues: tuple[str, ...]
    offers: tuple[dict[str, Any], ...]
    sessions: dict[str, list[dict[str, Any]]]
    """By offer."""
    weights: dict[str, int]
    """How much each session is wanted."""


@dataclass(frozen=True)
class Send:
    """One POST of the rush: seconds from the start, who asks, for what, under which key.

    `answer` is what it does when places are held for it; `cancels`: some seconds after the decision it gives back.
    """

    at: float
    venue_id: str
    slot_id: str
    party_size: int
    key: str
    answer: str
    cancels: bool


def read_city(opens_at: datetime) -> City:
    """The city, with all sessions opening at `opens_at` and closing a day before they start."""
    organizations = list(_rows("organizations.csv"))
    offers = tuple(
        {name: row[name] for name in ("offer_id", "provider_id", "category", "title", "description", "audience")}
        | {"mode": "draw" if row["offer_id"] == DRAWN_OFFER else "arrival"}
        for row in _rows("offers.csv")
    )
    sessions: dict[str, list[dict[str, Any]]] = {offer["offer_id"]: [] for offer in offers}
    weights: dict[str, int] = {}
    today = datetime.now(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    for row in _rows("sessions.csv"):
        starts = today + timedelta(days=int(row["days_ahead"]), hours=int(row["start_hour"]))
        ends = starts + timedelta(minutes=int(row["duration_minutes"]))
        sessions[row["offer_id"]].append(
            {
                "session_id": row["session_id"],
                "capacity": int(row["capacity"]),
                "opens_at": _text(opens_at),
                "closes_at": _text(starts - timedelta(days=1)),
                "starts_at": _text(starts),
                "ends_at": _text(ends),
                "venue_name": row["place"],
                "town_shares": SHARES if row["session_id"] == SHARED_SESSION else {},
            }
        )
        weights[row["session_id"]] = int(row["popularity"])
    return City(
        organizations_csv=(CITY / "organizations.csv").read_bytes(),
        rows=tuple(organizations),
        venues=tuple(o["organization_id"] for o in organizations if o["level"] in ("station", "point")),
        offers=offers,
        sessions=sessions,
        weights=weights,
    )


def plan_rush(city: City, requests: int, run: str) -> list[Send]:
    """`requests` POSTs spread at random over a minute, in the order of their times; a tenth repeat an earlier one.

    `run` goes into the keys, so that two runs on one stack ask for different things.
    """
    chance = random.Random(SEED)
    slots, weights = list(city.weights), list(city.weights.values())
    fresh = requests - int(requests * REPEAT_SHARE)
    wanted = chance.choices(slots, weights, k=fresh)
    times = Counter(wanted)
    free: dict[str, list[str]] = {}
    sends: list[Send] = []
    for number, slot_id in enumerate(wanted):
        venues = free.get(slot_id)
        if not venues:
            venues = free[slot_id] = chance.sample(city.venues, min(times[slot_id], len(city.venues)))
        sends.append(
            Send(
                at=chance.uniform(0, RUSH_SECONDS),
                venue_id=venues.pop(),
                slot_id=slot_id,
                party_size=chance.choices(PARTY_SIZES, PARTY_WEIGHTS)[0],
                key=f"{run}-{number}",
                answer=chance.choices(ANSWERS, ANSWER_WEIGHTS)[0],
                cancels=chance.random() < CANCEL_SHARE,
            )
        )
    for again in chance.choices(sends, k=requests - fresh):
        later = min(again.at + chance.expovariate(1.0), RUSH_SECONDS)
        sends.append(replace(again, at=later, cancels=False))
    return sorted(sends, key=lambda send: send.at)


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader((CITY / name).read_text(encoding="utf-8").splitlines())


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
