"""Catalog over a real database (one of its own a test, with no relay) and, at the end, through to the topics."""

import asyncio
import csv
import io
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
import youai_catalog
from fastapi import FastAPI
from youai_catalog import offers, organization_store
from youai_catalog.api import make_api
from youai_catalog.settings import Settings
from youai_contracts import codec, events, topics
from youai_runtime import database
from youai_runtime.auth import Authenticator
from youai_stack.tokens import public_key_file

from tests.support import kafka
from tests.support.client import Caller, assert_problem
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

CITY = Path(__file__).parents[2] / "shared/stack/youai_stack/demo/city/organizations.csv"
ORGANIZATIONS = CITY.read_text().count("\n") - 1
IMPORT = "/v1/organizations:import"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
OFFER = {"offer_id": "o", "provider_id": "dept-women-federation", "category": "教育服务", "title": "亲子烘焙"}


class Alone:
    """Catalog's API in this process, over a database that nobody else has; its events stay in the outbox."""

    def __init__(self, stack: Stack, pool: database.Pool, app: FastAPI) -> None:
        self.pool = pool
        self._stack = stack
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=30)

    def as_(self, organization: str, role: str = "center") -> Caller:
        return Caller(self._http, "http://catalog", self._stack.token(organization, role))

    async def load(
        self, body: bytes | None = None, organization: str = "center", role: str = "center"
    ) -> httpx.Response:
        return await self.as_(organization, role).call(
            "POST", IMPORT, content=CITY.read_bytes() if body is None else body, headers=CSV
        )

    async def told(self) -> list[events.Event]:
        """The events in the outbox, in order, decoded as a reader would."""
        rows = await self.pool.fetch("SELECT topic, key, value, headers FROM outbox ORDER BY id")
        found = []
        for row in rows:
            headers = [(row["headers"][i].decode(), row["headers"][i + 1]) for i in range(0, len(row["headers"]), 2)]
            given = [(name, value or b"catalog-1") for name, value in headers]
            found.append(codec.decode(topics.BY_NAME[row["topic"]], row["key"], row["value"], given).event)
        return found

    async def types(self) -> Counter[str]:
        return Counter(event.type for event in await self.told())


@asynccontextmanager
async def serving(stack: Stack, dsn: str) -> AsyncIterator[Alone]:
    settings = Settings(kafka="nobody", database=dsn, dev_public_key_file=public_key_file(stack.home.keys))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, str]:
        return {}

    pool = await database.connect_pool(dsn, name="test", size=10)
    yield Alone(stack, pool, make_api(pool=pool, authenticate=Authenticator(settings), ready=ready, lifespan=lifespan))
    pool.terminate()


@asynccontextmanager
async def database_of(stack: Stack, template: str) -> AsyncIterator[tuple[str, str]]:
    """A new database of catalog's role: its name and DSN."""
    name = f"catalog_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(stack.status["postgres"]["dsn"])
    try:
        await admin.execute(f"CREATE DATABASE {name} OWNER catalog TEMPLATE {template}")
        yield name, stack.dsn("catalog").rpartition("/")[0] + f"/{name}"
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest_asyncio.fixture(scope="module")
async def migrated(stack: Stack) -> AsyncIterator[str]:
    """The name of a database that was migrated and holds nothing, to be copied."""
    async with database_of(stack, "template1") as (name, dsn):
        await database.migrate(dsn, Path(youai_catalog.__file__).parent / "migrations")
        yield name


@pytest_asyncio.fixture
async def alone(stack: Stack, migrated: str) -> AsyncIterator[Alone]:
    """Catalog over an empty database."""
    async with database_of(stack, migrated) as (_name, dsn), serving(stack, dsn) as served:
        yield served


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


async def test_a_death_in_the_middle_of_an_import_leaves_a_tree_and_the_next_import_ends_it(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = organization_store.take_staged

    async def dies(connection: database.Connection, import_id: uuid.UUID, first: int, end: int) -> Any:
        rows = await taken(connection, import_id, first, end)
        if first >= 1_000:
            raise ConnectionResetError("died")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(organization_store, "take_staged", dies)
        assert_problem(await alone.load(), 503, "unavailable")
    assert await alone.types() == {"organization-registered": 1_000}
    orphans = "SELECT count(*) FROM organization AS o WHERE parent_id IS NOT NULL AND NOT acts_for('center', parent_id)"
    assert await alone.pool.fetchval(orphans) == 0
    assert (await alone.load()).json() == {"imported": ORGANIZATIONS - 1_000, "unchanged": 1_000}
    assert await alone.types() == {"organization-registered": ORGANIZATIONS}


async def test_imports_at_once_write_each_organization_once(alone: Alone) -> None:
    answers = await asyncio.gather(*(alone.load() for _ in range(3)))
    assert sum(answer.json().get("imported", 0) for answer in answers) == ORGANIZATIONS
    assert await alone.types() == {"organization-registered": ORGANIZATIONS}


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


async def test_a_key_is_answered_once_whatever_the_number_of_callers(alone: Alone) -> None:
    await alone.load()
    before = len(await alone.told())
    own = alone.as_("dept-women-federation", "provider-staff")
    offer = {name: value for name, value in OFFER.items() if name != "offer_id"}
    answers = await asyncio.gather(*(own.post("/v1/offers", offer, key="k") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.text for answer in answers}) == 1
    offer_id = answers[0].json()["offer_id"]
    path = f"/v1/offers/{offer_id}/sessions"
    session = {name: value for name, value in session_body().items() if name != "session_id"}
    answers = await asyncio.gather(*(own.post(path, session, key="k") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.text for answer in answers}) == 1
    answers = await asyncio.gather(*(own.post(path, {"sessions": [session] * 20}, key="m") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len(await alone.told()) == before + 1 + 1 + 20
    assert_problem(await own.post("/v1/offers", offer | {"title": "别的"}, key="k"), 409, "key-reused")
    assert_problem(await own.post(path, session | {"capacity": 9}, key="k"), 409, "key-reused")
    assert_problem(await own.post("/v1/offers", offer), 400, "key-missing")
    assert_problem(await own.post("/v1/offers", offer, key="a b"), 400, "key-missing")
    assert_problem(await own.post("/v1/offers", offer | {"offer_id": offer_id}, key="n"), 409, "offer-exists")
    known = (await own.get(f"/v1/offers/{offer_id}")).json()["sessions"][0]["session_id"]
    both = {"sessions": [session, session | {"session_id": known}]}
    assert_problem(await own.post(path, both, key="o"), 409, "session-exists")
    assert len(await alone.told()) == before + 22


async def test_a_withdrawal_cancels_every_session_and_a_death_in_it_is_mended(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "CHUNK", 50)
    await alone.load()
    own = alone.as_("dept-women-federation", "provider-staff")
    await own.post("/v1/offers", OFFER, key="k")
    path = "/v1/offers/o/sessions"
    bodies = [session_body() for _ in range(120)]
    assert (await own.post(path, {"sessions": bodies}, key="k")).status_code == 201
    cancelled = f"/v1/sessions/{bodies[0]['session_id']}/cancel"
    assert (await own.post(cancelled, {"reason": "雨"})).json()["reason"] == "雨"
    assert (await own.post(cancelled, {"reason": "风"})).json()["reason"] == "雨"

    async def dies(_pool: database.Pool, _offer_id: str) -> None:
        raise ConnectionResetError("died")

    with monkeypatch.context() as patch:
        patch.setattr(offers, "settle", dies)
        assert_problem(await own.post("/v1/offers/o/withdraw", {"reason": "老师病了"}), 503, "unavailable")
    assert_problem(await own.post(path, session_body(), key="late"), 409, "offer-withdrawn")
    assert await alone.types() >= Counter({"offer-withdrawn": 1, "session-cancelled": 1})
    await asyncio.gather(*(offers.settle_all(alone.pool) for _ in range(3)))
    assert (await own.post("/v1/offers/o/withdraw", {"reason": "别的"})).json()["reason"] == "老师病了"
    assert (await own.post(path, {"sessions": bodies}, key="k")).status_code == 200  # the answer of then
    told = [event for event in await alone.told() if isinstance(event, events.SessionCancelled)]
    assert sorted(event.session_id for event in told) == sorted(body["session_id"] for body in bodies)
    assert {event.reason for event in told} == {"雨", "老师病了"}
    assert (await alone.types())["offer-withdrawn"] == 1
    assert (await own.get("/v1/offers")).json()["offers"] == []
    assert (await own.get("/v1/offers/o")).json()["state"] == "withdrawn"


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
