"""Checks that the demo's city is whole, that its script makes it, and that a rush on it goes as planned."""

from __future__ import annotations

import csv
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

CITY = Path(__file__).parents[2] / "shared" / "stack" / "youai_stack" / "demo" / "city"
WOMEN = "dept-women-federation"
HOT = 1_000
CATEGORIES = {
    "理论宣讲",
    "教育服务",
    "文化文艺",
    "健康服务",
    "科技科普",
    "体育健身",
    "法律援助",
    "应急救护",
    "心理服务",
    "环保",
    "其他",
}
TOWNS = {
    "杨舍镇",
    "塘桥镇",
    "锦丰镇",
    "凤凰镇",
    "乐余镇",
    "大新镇",
    "南丰镇",
    "金港街道",
    "后塍街道",
    "德积街道",
}
PARENTS = {
    "center": {""},
    "institute": {"center"},
    "station": {"institute"},
    "point": {"station"},
    "department": {"center"},
    "team": {"department", "station"},
}
Row = dict[str, str]


@cache
def rows(name: str) -> tuple[Row, ...]:
    """All rows of one of the city's files."""
    with (CITY / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def test_the_script_makes_these_bytes(tmp_path: Path) -> None:
    command = [sys.executable, str(CITY / "make_city.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    for name in ("organizations.csv", "offers.csv", "sessions.csv"):
        assert (tmp_path / name).read_bytes() == (CITY / name).read_bytes(), f"{name}: run make_city.py"


def test_the_city_has_its_size() -> None:
    levels = Counter(row["level"] for row in rows("organizations"))
    assert levels["center"] == 1
    assert levels["institute"] == len(TOWNS)
    assert levels["station"] >= 280
    assert levels["point"] == 2_000
    assert levels["department"] >= 60
    assert levels["team"] == 300
    assert len(rows("offers")) == 300
    assert len(rows("sessions")) == 5_000


def test_the_tree_is_closed_and_parents_come_first() -> None:
    seen: dict[str, Row] = {}
    for row in rows("organizations"):
        parent = seen.get(row["parent_id"])
        assert (parent["level"] if parent else row["parent_id"]) in PARENTS[row["level"]], row
        assert row["kind"] == ("provider" if row["level"] in ("department", "team") else "venue"), row
        if row["level"] in ("station", "point"):
            assert row["town"] == (parent or {}).get("town"), row
        seen[row["organization_id"]] = row


@pytest.mark.parametrize(
    ("name", "key", "title"),
    [
        ("organizations", "organization_id", "name"),
        ("offers", "offer_id", "title"),
        ("sessions", "session_id", "session_id"),
    ],
)
def test_ids_and_titles_are_unique(name: str, key: str, title: str) -> None:
    ids = [row[key] for row in rows(name)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value) for value in ids)
    titles = [row[title] for row in rows(name)]
    assert len(set(titles)) == len(titles)


def test_categories_and_towns_are_known() -> None:
    for row in rows("organizations"):
        categories = set(row["categories"].split(";")) - {""}
        assert categories <= CATEGORIES, row
        assert bool(categories) == (row["kind"] == "provider"), row
        assert row["town"] in TOWNS | {"张家港市"}, row
    providers = {row["organization_id"]: row["categories"] for row in rows("organizations")}
    for offer in rows("offers"):
        assert offer["category"] in providers[offer["provider_id"]].split(";"), offer


def test_those_whom_the_reports_name_are_there() -> None:
    names = {row["organization_id"]: row["name"] for row in rows("organizations")}
    assert names["station-daxin-zhongshan"] == "大新镇中山村新时代文明实践站"
    assert names["station-yangshe-yangguang"] == "杨舍镇阳光社区新时代文明实践站"
    assert names["station-yangshe-baijiaqiao"] == "杨舍镇百家桥村新时代文明实践站"
    assert names["team-party-school-red-lectern"] == "市委党校红色讲坛理论宣讲志愿服务队"
    assert names["team-yangshe-yangguang-cheongsam"] == "阳光社区旗袍队"
    assert names[WOMEN] == "市妇联"


def test_sessions_are_possible() -> None:
    venues = {row["name"]: row["town"] for row in rows("organizations") if row["kind"] == "venue"}
    offers = {row["offer_id"] for row in rows("offers")}
    busy: set[tuple[str, str, int]] = set()
    for row in rows("sessions"):
        start, minutes = int(row["start_hour"]), int(row["duration_minutes"])
        assert row["offer_id"] in offers, row
        assert 12 <= int(row["capacity"]) <= 60, row
        assert 3 <= int(row["days_ahead"]) <= 30, row
        assert 8 * 60 <= start * 60 <= 21 * 60 - minutes, row
        assert row["town"] in TOWNS, row
        assert venues[row["place"]] == row["town"], row
        for hour in range(start, start + -(-minutes // 60)):
            for who in (row["place"], row["offer_id"]):
                assert (who, row["days_ahead"], hour) not in busy, row
                busy.add((who, row["days_ahead"], hour))
    assert {row["offer_id"] for row in rows("sessions")} == offers


def test_fifty_sessions_are_hot() -> None:
    provider = {row["offer_id"]: row["provider_id"] for row in rows("offers")}
    weights = [(provider[row["offer_id"]], int(row["popularity"])) for row in rows("sessions")]
    hot = [who for who, weight in weights if weight > HOT]
    women = [weight for who, weight in weights if who == WOMEN]
    assert len(hot) == 50
    assert hot.count(WOMEN) == 42
    assert len(set(hot)) == 9
    assert len(women) == 44
    assert list(provider.values()).count(WOMEN) == 20
    assert all(1 <= weight <= 5 for who, weight in weights if weight <= HOT and who != WOMEN)
    share = sum(weight for _, weight in weights if weight > HOT) / sum(weight for _, weight in weights)
    assert share == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_rush_books_the_womens_federation_out_and_nobody_else(seed: int) -> None:
    """18,000 requests in arrival order; a party that finds too few places is passed over."""
    chance = random.Random(seed)
    sessions = rows("sessions")
    free = [int(row["capacity"]) for row in sessions]
    weights = [int(row["popularity"]) for row in sessions]
    for index in chance.choices(range(len(sessions)), weights, k=18_000):
        party = chance.choices(range(1, 7), (45, 28, 14, 7, 4, 2))[0]
        if party <= free[index]:
            free[index] -= party
    provider = {row["offer_id"]: row["provider_id"] for row in rows("offers")}
    offered: dict[str, int] = defaultdict(int)
    booked: dict[str, int] = defaultdict(int)
    for row, left in zip(sessions, free, strict=True):
        offered[provider[row["offer_id"]]] += int(row["capacity"])
        booked[provider[row["offer_id"]]] += int(row["capacity"]) - left
    rates = {who: booked[who] / offered[who] for who in offered}
    assert rates.pop(WOMEN) >= 0.975
    assert max(rates.values()) < 0.3
