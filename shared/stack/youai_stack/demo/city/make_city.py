"""Makes the demo's city from words.toml: the three CSV files beside this script, the same bytes every time.

Run it in place: `python make_city.py` writes the three files beside itself, `--out DIR` elsewhere.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).resolve().parent
SEED = "youai-city-1"
POINTS = 2_000
TEAMS = 300
OFFERS = 300
SESSIONS = 5_000
WOMEN = "dept-women-federation"
HOT_SHARE = 0.85  # of all requests, on the hot sessions
FIRST_DAY, LAST_DAY = 3, 30

# Hot sessions are of like weight, so that each is asked for far beyond its capacity even in a small rush.
HOT_SPREAD = (90, 111)
MID_WEIGHT = 31
MID_CAPACITY = 20

Words = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Organization:
    organization_id: str
    parent_id: str
    kind: str
    level: str
    name: str
    town: str
    categories: str


@dataclass(frozen=True)
class Offer:
    offer_id: str
    provider_id: str
    category: str
    title: str
    description: str
    audience: str


@dataclass(frozen=True)
class Session:
    session_id: str
    offer_id: str
    capacity: int
    days_ahead: int
    start_hour: int
    duration_minutes: int
    place: str
    town: str
    popularity: int


def draw(limit: int, *labels: object) -> int:
    """A fixed number in 0..limit-1 for these labels: a hash, so no line depends on the order of the draws."""
    text = "|".join([SEED, *map(str, labels)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % limit


def shuffled(items: Iterable[T], *labels: object) -> list[T]:
    """The items in an order fixed by the labels."""
    indexed = list(enumerate(items))
    return [item for _, item in sorted(indexed, key=lambda pair: (draw(2**62, *labels, pair[0]), pair[0]))]


def spread(total: int, parts: int, low: int, high: int, label: str) -> list[int]:
    """`parts` numbers, drawn from low..high and then corrected by ones so that they add up to `total`."""
    counts = [low + draw(high - low + 1, label, i) for i in range(parts)]
    step = 1 if sum(counts) < total else -1
    for i in range(abs(total - sum(counts))):
        counts[i % parts] += step
    return counts


def make_venues(words: Words) -> list[Organization]:
    """The center, an institute in each town, the stations below them and the points below those."""
    venues = [Organization("center", "", "venue", "center", words["center"], words["city"], "")]
    village = words["village"]
    syllables = [(x.split("="), y.split("=")) for x in village["first"] for y in village["second"]]
    invented = shuffled(((x[0] + y[0], x[1] + y[1]) for x, y in syllables), "village")
    towns = {town["slug"]: town["name"] for town in words["towns"]}
    # A village called like a town would mislead.
    invented = [pair for pair in invented if not any(pair[1] in name for name in towns.values())]
    stations: list[tuple[str, str, str]] = []  # town slug, station slug, name with its town
    for town in words["towns"]:
        slug, name = town["slug"], town["name"]
        venues.append(
            Organization(f"institute-{slug}", "center", "venue", "institute", f"{name}新时代文明实践所", name, "")
        )
        places = [entry.split("=") for entry in town.get("named", [])]
        while len(places) < town["stations"]:
            pinyin, hanzi = invented.pop()
            places.append([pinyin, hanzi + village["kinds"][draw(len(village["kinds"]), "kind", pinyin)]])
        for station, place in places:
            stations.append((slug, station, name + place))
            title = f"{name}{place}新时代文明实践站"
            venues.append(
                Organization(f"station-{slug}-{station}", f"institute-{slug}", "venue", "station", title, name, "")
            )
    counts = spread(POINTS, len(stations), 6, 8, "points")
    for (slug, station, place), count in zip(stations, counts, strict=True):
        for number, what in enumerate(shuffled(village["points"], "points", slug, station)[:count], 1):
            title = f"{place}{what}新时代文明实践点"
            venues.append(
                Organization(
                    f"point-{slug}-{station}-{number:02}",
                    f"station-{slug}-{station}",
                    "venue",
                    "point",
                    title,
                    towns[slug],
                    "",
                )
            )
    return venues


def make_providers(words: Words, venues: list[Organization]) -> list[Organization]:
    """The departments, their teams (one a category), and stations' own teams up to TEAMS in all."""
    city = words["city"]
    departments: list[Organization] = []
    teams: list[Organization] = []
    for entry in words["departments"]["list"]:
        slug, name, categories = entry.split("=")
        departments.append(Organization(f"dept-{slug}", "center", "provider", "department", name, city, categories))
        for category in categories.split(";"):
            suffix, title = words["team_names"][category].split("=")
            team, full_name = f"{slug}-{suffix}", f"{name}{title}志愿服务队"
            if team in words["team_special"]:
                team, full_name = words["team_special"][team].split("=")
            teams.append(Organization(f"team-{team}", f"dept-{slug}", "provider", "team", full_name, city, category))
    kinds = [entry.split("=") for entry in words["station_teams"]["list"]]
    stations = [venue for venue in venues if venue.level == "station"]
    sunny = next(venue for venue in stations if venue.organization_id == "station-yangshe-yangguang")
    hosts = [sunny] + [venue for venue in shuffled(stations, "team hosts") if venue is not sunny]
    for index, host in enumerate(hosts[: TEAMS - len(teams)]):
        suffix, title, categories = kinds[index % len(kinds)]
        place = host.name.removeprefix(host.town).removesuffix("新时代文明实践站")
        teams.append(
            Organization(
                host.organization_id.replace("station-", "team-", 1) + f"-{suffix}",
                host.organization_id,
                "provider",
                "team",
                place + title,
                host.town,
                categories,
            )
        )
    return departments + teams


def make_offers(words: Words, providers: list[Organization]) -> tuple[list[Offer], dict[str, int]]:
    """The offers, and for each offer id the minutes that a session of it takes."""
    offers: list[Offer] = []
    minutes: dict[str, int] = {}
    for number, line in enumerate(words["women_federation"]["offers"], 1):
        category, title, about, audience, length = line.split("|")
        offers.append(Offer(f"offer-women-federation-{number:02}", WOMEN, category, title, about, audience))
        minutes[offers[-1].offer_id] = int(length)
    placed = {**words["hot"], **words["placed"]}
    surplus = sum(len(c["topics"]) * len(c["formats"]) for c in words["categories"].values()) - (OFFERS - len(offers))
    for index, (category, content) in enumerate(words["categories"].items()):
        able = [p for p in providers if category in p.categories.split(";") and p.organization_id != WOMEN]
        departments = shuffled((p for p in able if p.level == "department"), "offers", category)
        teams = shuffled((p for p in able if p.level == "team"), "offers", category)
        ideas = [(topic.split("|"), shape.split("=")) for topic in content["topics"] for shape in content["formats"]]
        if index < surplus:
            ideas.pop()
        for number, ((topic, about, audience), (shape, how, length)) in enumerate(ideas, 1):
            title = topic + shape
            provider = placed.get(title) or (departments + teams)[(number - 1) % len(able)].organization_id
            offer_id = f"offer-{content['slug']}-{number:02}"
            offers.append(Offer(offer_id, provider, category, title, f"{about}。{how}", audience))
            minutes[offer_id] = int(length)
    missing = placed.keys() - {offer.title for offer in offers}
    if missing:
        raise ValueError(f"words.toml places offers that it does not make: {', '.join(sorted(missing))}")
    return offers, minutes


class Diary:
    """Finds a day, an hour and a place such that no place and no offer is taken twice at the same time."""

    def __init__(self, organizations: list[Organization]) -> None:
        self.by_id = {o.organization_id: o for o in organizations}
        self.rooms = [o for o in organizations if o.level in ("institute", "station")]
        self.taken: set[tuple[str, int, int]] = set()

    def book(self, offer: Offer, session_id: str, minutes: int) -> tuple[int, int, Organization]:
        """Days ahead, starting hour and place; a station's own team stays at its station."""
        host = self.by_id[self.by_id[offer.provider_id].parent_id]
        attempt = 0
        while True:
            day = FIRST_DAY + draw(LAST_DAY - FIRST_DAY + 1, session_id, "day", attempt)
            hour = (8, 9, 10, 13, 14, 15, 16, 18, 19)[draw(9, session_id, "hour", attempt)]
            room = host if host.level == "station" else self.rooms[draw(len(self.rooms), session_id, "room", attempt)]
            hours = range(hour, hour + -(-minutes // 60))
            wanted = {(who, day, h) for who in (room.organization_id, offer.offer_id) for h in hours}
            if not wanted & self.taken:
                self.taken |= wanted
                return day, hour, room
            attempt += 1


def make_sessions(
    words: Words, organizations: list[Organization], offers: list[Offer], minutes: dict[str, int]
) -> list[Session]:
    """All sessions: hot ones, two of middling weight, and the many that few ask for."""
    women = [offer for offer in offers if offer.provider_id == WOMEN]
    rest = [offer for offer in offers if offer.provider_id != WOMEN]
    mid_titles = words["women_federation"]["mid"]
    plan: list[tuple[Offer, int, str]] = []
    for index, offer in enumerate(women):
        if offer.title in mid_titles:
            plan.append((offer, 1, "mid"))
        else:
            plan += [(offer, number, "hot") for number in range(1, 4 if index < 6 else 3)]
    for offer, count in zip(rest, spread(SESSIONS - len(plan), len(rest), 9, 26, "sessions"), strict=True):
        for number in range(1, count + 1):
            plan.append((offer, number, "hot" if number == 1 and offer.title in words["hot"] else "low"))
    weights = {(o.offer_id, n): 1 + draw(5, "weight", o.offer_id, n) for o, n, heat in plan if heat == "low"}
    weights |= {(o.offer_id, n): MID_WEIGHT for o, n, heat in plan if heat == "mid"}
    hot = [(o.offer_id, n) for o, n, heat in plan if heat == "hot"]
    mean = sum(weights.values()) * HOT_SHARE / (1 - HOT_SHARE) / len(hot)
    low, high = HOT_SPREAD
    weights |= {key: round(mean * (low + draw(high - low, "hot", *key)) / 100) for key in hot}
    diary = Diary(organizations)
    sessions = []
    for offer, number, heat in plan:
        session_id = f"{offer.offer_id.replace('offer-', 'session-', 1)}-{number:02}"
        day, hour, room = diary.book(offer, session_id, minutes[offer.offer_id])
        if heat == "low":
            capacity = (12, 12, 15, 16, 18, 20, 24, 30, 40, 60)[draw(10, session_id, "capacity")]
        else:
            capacity = MID_CAPACITY if heat == "mid" else (30, 36, 40, 45, 48, 60)[draw(6, session_id, "capacity")]
        sessions.append(
            Session(
                session_id,
                offer.offer_id,
                capacity,
                day,
                hour,
                minutes[offer.offer_id],
                room.name,
                room.town,
                weights[(offer.offer_id, number)],
            )
        )
    return sessions


def write(path: Path, row_type: type[Any], rows: Iterable[Any]) -> None:
    """One CSV file: UTF-8, a header, lines ending in a line feed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(row_type)])
        writer.writerows(astuple(row) for row in rows)


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: beside this script)")
    out: Path = parser.parse_args().out
    words = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
    venues = make_venues(words)
    providers = make_providers(words, venues)
    organizations = venues + providers
    offers, minutes = make_offers(words, providers)
    write(out / "organizations.csv", Organization, organizations)
    write(out / "offers.csv", Offer, offers)
    write(out / "sessions.csv", Session, make_sessions(words, organizations, offers, minutes))


if __name__ == "__main__":
    main()
