"""Catalog's calls over a real database (one of its own a test), and at the end through to the topics."""

import csv
import io
from collections import Counter
from typing import Any

from youai_contracts import codec, events, topics

from tests.support import kafka
from tests.support.catalog_alone import CITY, CSV, IMPORT, OFFER, ORGANIZATIONS, Alone, serving
from tests.support.client import Caller, assert_problem
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually


async def test_the_whole_city_imports_once(alone: Alone) -> None:
    first = await alone.load()
    assert (first.status_code, first.json()) == (200, {"imported": ORGANIZATIONS, "unchanged": 0})
    again = await alone.load()
    assert (again.status_code, again.json()) == (200, {"imported": 0, "unchanged": ORGANIZATIONS})
    renamed = CITY.read_bytes().replace("杨舍镇新时代文明实践所".encode(), "杨舍镇新所".encode(), 1)
    assert (await alone.load(renamed)).json() == {"imported": 1, "unchanged": ORGANIZATIONS - 1}
    told = await alone.told()
    assert len(told) == ORGANIZATIONS + 1
    seen: set[str | None] = {None}
    for event in told:
        assert isinstance(event, events.OrganizationRegistered)
        assert event.parent_id in seen
        seen.add(event.organization_id)
    assert told[-1].name == "杨舍镇新所"  # type: ignore[attr-defined]
    assert await alone.pool.fetchval("SELECT count(*) FROM organization_staging") == 0


async def test_an_empty_city_takes_its_center_from_whoever_may_register(alone: Alone) -> None:
    center = {"organization_id": "center", "kind": "venue", "level": "center", "name": "中心"}
    assert_problem(await alone.as_("x", "venue-staff").post("/v1/organizations", center), 403, "forbidden")
    institute = {"organization_id": "i", "parent_id": "center", "kind": "venue", "level": "institute", "name": "所"}
    assert_problem(await alone.as_("x", "platform").post("/v1/organizations", institute), 422, "invalid")
    assert (await alone.as_("x", "platform").post("/v1/organizations", center)).status_code == 201
    assert_problem(await alone.as_("x", "platform").post("/v1/organizations", institute), 403, "forbidden")
    assert (await alone.as_("center").post("/v1/organizations", institute)).status_code == 201
    assert (await alone.as_("center").post("/v1/organizations", institute)).status_code == 200
    changed = await alone.as_("center").post("/v1/organizations", institute | {"town": "大新镇"})
    assert (changed.status_code, changed.json()["town"]) == (200, "大新镇")
    second = center | {"organization_id": "center-2"}
    assert_problem(await alone.as_("center").post("/v1/organizations", second), 422, "invalid")
    assert await alone.types() == {"organization-registered": 3}


async def test_a_file_with_faults_changes_nothing(alone: Alone) -> None:
    lines = CITY.read_text().splitlines()
    lines[5] = lines[5].replace("institute", "point")
    lines[9] = lines[9].replace("杨舍镇", "\x00")
    lines.append("x,nobody,venue,point,点,大新镇,")
    body = assert_problem(await alone.load("\n".join(lines).encode()), 422, "import-refused")
    assert body["errors"][0]["row"] == 6
    assert body["errors"][-1] == {
        "row": len(lines),
        "field": "parent_id",
        "message": "there is no organization nobody",
    }
    assert body["total"] >= len(body["errors"])
    assert await alone.pool.fetchval("SELECT count(*) FROM organization") == 0
    assert await alone.pool.fetchval("SELECT count(*) FROM organization_staging") == 0
    assert await alone.told() == []
    many = "\n".join([lines[0], *(f"p{n},nobody,venue,point,点,," for n in range(250))])
    body = assert_problem(await alone.load(many.encode()), 422, "import-refused")
    assert (len(body["errors"]), body["total"]) == (100, 250)
    answer = await alone.as_("center").call("POST", IMPORT, content=b"x", headers={"Content-Type": "application/json"})
    assert_problem(answer, 415, "not-csv")
    assert_problem(await alone.load(b"x" * (4 * 1024 * 1024 + 1)), 413, "too-large")


async def test_scope_of_organizations_and_offers(alone: Alone) -> None:
    await alone.load()
    station = {"organization_id": "s-new", "kind": "venue", "level": "station", "name": "站"}
    here = station | {"parent_id": "institute-yangshe"}
    assert (await alone.as_("institute-yangshe").post("/v1/organizations", here)).status_code == 201
    stolen = station | {"parent_id": "institute-jingang"}
    assert_problem(await alone.as_("institute-jingang").post("/v1/organizations", stolen), 403, "forbidden")
    row = "\n".join([CITY.read_text().splitlines()[0], "institute-yangshe,center,venue,institute,我的,,"])
    body = assert_problem(await alone.load(row.encode(), "institute-jingang"), 403, "forbidden")
    assert body["errors"][0]["row"] == 2
    post = "/v1/offers"
    other = alone.as_("dept-education", "provider-staff")
    assert_problem(await other.post(post, OFFER, key="k"), 403, "forbidden")
    own = alone.as_("dept-women-federation", "provider-staff")
    assert_problem(await alone.as_("dept-women-federation", "venue-staff").post(post, OFFER, key="k"), 403)
    assert (await own.post(post, OFFER, key="k")).status_code == 201
    assert_problem(await other.post("/v1/offers/o/sessions", session_body(), key="k"), 403, "forbidden")
    assert_problem(await other.post("/v1/offers/o/withdraw", {"reason": "x"}), 403, "forbidden")
    session_id = (await own.post("/v1/offers/o/sessions", session_body(), key="k")).json()["session_id"]
    assert_problem(await other.post(f"/v1/sessions/{session_id}/cancel", {"reason": "x"}), 403, "forbidden")
    center = alone.as_("center")
    assert (await center.post(f"/v1/sessions/{session_id}/cancel", {"reason": "x"})).status_code == 200
    venue = OFFER | {"provider_id": "institute-yangshe", "offer_id": "o2"}
    assert_problem(await center.post(post, venue, key="l"), 422, "invalid")
    assert_problem(await center.post(post, venue | {"provider_id": "nobody"}, key="l"), 422, "invalid")
    nobody = Caller(center._http, center.url, None)
    assert_problem(await nobody.get("/v1/offers"), 401, "unauthorized")
    assert_problem(await nobody.get("/v1/offers", headers={"Authorization": "Bearer x.y.z"}), 401, "unauthorized")


async def whole(caller: Caller, path: str, name: str, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = await caller.get(path, params={**query, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += answer.json()[name]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_lists_are_whole_page_by_page(alone: Alone) -> None:
    await alone.load()
    anybody = alone.as_("somewhere", "collector")
    rows = list(csv.DictReader(io.StringIO(CITY.read_text())))
    found = await whole(anybody, "/v1/organizations", "organizations", limit=500)
    assert [one["organization_id"] for one in found] == sorted(row["organization_id"] for row in rows)
    query: dict[str, Any] = {
        "level": "station",
        "town": "杨舍镇",
        "kind": "venue",
        "parent": "institute-yangshe",
        "limit": 7,
    }
    found = await whole(anybody, "/v1/organizations", "organizations", **query)
    wanted = {row["organization_id"] for row in rows if row["level"] == "station" and row["town"] == "杨舍镇"}
    assert {one["organization_id"] for one in found} == wanted
    assert (await anybody.get("/v1/organizations/center")).json()["level"] == "center"
    own = alone.as_("center")
    for number, towns in enumerate(([], ["大新镇"], ["杨舍镇", "大新镇"], ["乐余镇"])):
        await own.post("/v1/offers", OFFER | {"offer_id": f"o{number}", "towns": towns}, key=f"{number}")
    listed = await whole(anybody, "/v1/offers", "offers", town="大新镇", limit=1)
    assert [one["offer_id"] for one in listed] == ["o0", "o1", "o2"]
    assert len(await whole(anybody, "/v1/offers", "offers", category="教育服务")) == 4
    assert await whole(anybody, "/v1/offers", "offers", category="环保") == []
    assert await whole(anybody, "/v1/offers", "offers", provider_id="dept-education") == []
    bodies = [session_body() for _ in range(25)]  # many start at nearly the same time
    await own.post("/v1/offers/o0/sessions", {"sessions": bodies}, key="s")
    sessions = await whole(anybody, "/v1/offers/o0", "sessions", limit=4)
    assert sorted(one["session_id"] for one in sessions) == sorted(body["session_id"] for body in bodies)
    assert [one["starts_at"] for one in sessions] == sorted(one["starts_at"] for one in sessions)
    assert (await anybody.get(f"/v1/sessions/{sessions[0]['session_id']}")).json() == sessions[0]
    elsewhere = (await anybody.get("/v1/organizations", params={"limit": 1})).json()["next_cursor"]
    for bad in ("x", "%%%", "bm9uc2Vuc2U", elsewhere, "é"):
        assert_problem(await anybody.get("/v1/offers", params={"cursor": bad}), 422, "invalid")
    for query in ({"limit": 501}, {"limit": 0}, {"limit": "x"}, {"category": "x"}, {"town": "\x00"}, {"foo": 1}):
        assert_problem(await anybody.get("/v1/offers", params=query), 422, "invalid")
    for path in ("organizations/x", "offers/x", "sessions/x"):
        assert_problem(await anybody.get(f"/v1/{path}"), 404, "not-found")
    assert_problem(await anybody.get("/v1/offers/%00"), 422, "invalid")


async def test_without_its_database_it_says_503_and_writes_nothing(stack: Stack) -> None:
    async with serving(stack, "postgresql://catalog:x@127.0.0.1:1/catalog") as away:
        center = away.as_("center")
        for answer in (
            await center.get("/v1/offers"),
            await center.post("/v1/offers", OFFER, key="k"),
            await center.post("/v1/offers/o/sessions", session_body(), key="k"),
            await away.load(),
        ):
            assert_problem(answer, 503, "unavailable")
            assert answer.headers["retry-after"]


async def test_what_is_written_is_read_from_the_topics(stack: Stack, market: Market) -> None:
    """Through the running service, its relay and the broker; the city file stands below the market's center."""
    mark = new_id("city")
    rows = [row for row in csv.reader(io.StringIO(CITY.read_text())) if row[0] != "center"]
    for row in rows[1:]:
        row[0] = f"{mark}-{row[0]}"
        row[1] = market.center_id if row[1] == "center" else f"{mark}-{row[1]}"
    body = io.StringIO()
    csv.writer(body).writerows(rows)
    since = {
        name: await kafka.end_offsets(stack.bootstrap, name) for name in (topics.ORGANIZATION.name, topics.OFFER.name)
    }
    center = market.caller("catalog", market.center_id, "center")
    loaded = await center.call("POST", IMPORT, content=body.getvalue().encode(), headers=CSV)
    assert loaded.json() == {"imported": len(rows) - 1, "unchanged": 0}
    offer_id = await market.offer()
    slots = await market.sessions([{"capacity": n, "waitlist": 0} for n in range(1, 5)], offer_id)
    provider = market.caller("catalog", market.department_id, "provider-staff")
    assert (await provider.post(f"/v1/sessions/{slots[0]}/cancel", {"reason": "雨"})).status_code == 200
    assert (await provider.post(f"/v1/offers/{offer_id}/withdraw", {"reason": "撤"})).status_code == 200
    wanted = [
        "offer-published",
        *["session-opened"] * 4,
        "session-cancelled",
        "offer-withdrawn",
        *["session-cancelled"] * 3,
    ]

    async def of_offer() -> list[events.Event]:
        read = await kafka.read_topic(stack.bootstrap, topics.OFFER.name, since[topics.OFFER.name])
        found = [_decode(topics.OFFER, one) for one in read if one.key == offer_id.encode()]
        return found if len(found) >= len(wanted) else []

    told: list[events.Event] = await eventually(of_offer, 20, "the offer's events are on the topic")
    assert [event.type for event in told] == wanted
    opened = [event for event in told if isinstance(event, events.SessionOpened)]
    assert [(event.slot_id, event.capacity, event.waitlist) for event in opened] == [
        (slot, n, 0) for n, slot in enumerate(slots, start=1)
    ]

    async def of_city() -> list[events.Event]:
        read = await kafka.read_topic(stack.bootstrap, topics.ORGANIZATION.name, since[topics.ORGANIZATION.name])
        found = [_decode(topics.ORGANIZATION, one) for one in read if (one.key or b"").startswith(mark.encode())]
        return found if len(found) >= len(rows) - 1 else []

    city: list[events.Event] = await eventually(of_city, 20, "the city is on the topic")
    assert Counter(event.key() for event in city) == Counter(row[0] for row in rows[1:])
    too_large = await center.call("POST", "/v1/offers", content=b"x" * 10_000_000, key="k")
    assert_problem(too_large, 413, "too-large")


def _decode(topic: topics.Topic, read: kafka.Read) -> events.Event:
    assert read.id.startswith("catalog-")
    return codec.decode(topic, read.key, read.value, list(read.headers.items())).event
