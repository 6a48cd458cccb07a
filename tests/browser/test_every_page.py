"""Every page at a phone's and a desk's width, also in the elders' version: with data, and with nothing to show."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.browser.conftest import Opens
from tests.browser.test_walks import full_slot, projected
from tests.support.demands import Demands
from tests.support.market import Market, new_id
from tests.support.waiting import eventually

ELDER = pytest.mark.parametrize("elder", [False, True], ids=["standard", "elder"])


@dataclass(frozen=True)
class City:
    """What the pages show: ids of one of each, and who has something in it."""

    slot: str
    offer: str
    empty_offer: str
    open: str
    scheduled: str
    fulfilled: str
    teacher: str
    ground: str
    station: str
    booking: str
    department: str
    newcomer: str
    new_team: str


async def resource(market: Market, **more: object) -> str:
    """A resource of the market's department; returns its id."""
    body = {
        "resource_id": new_id("resource"),
        "owner_id": market.department_id,
        "description": "可到社区授课，每周一次。",
        "categories": ["文化文艺"],
        "town": "杨舍镇",
    }
    owner = market.caller("catalog", market.department_id, "provider-staff")
    answer = await owner.post("/v1/resources", body | more, key=uuid.uuid4().hex)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["resource_id"])


async def demand_of(demands: Demands, station: str, department: str, *, rated: bool) -> str:
    """A demand that the department has scheduled, and that the station has rated perhaps."""
    demand = await demands.post(station, title="请剪纸老师到村里教孩子们剪窗花，连续四个周末上午，材料由村里准备")
    await demands.claimed(demand, department)
    at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    await demands.in_state(demand, "claimed")
    done = {"scheduled_at": at, "place": "村礼堂", "note": "带剪刀"}
    answer = await demands.provider(department).post(f"/v1/demands/{demand}/schedule", done, key=uuid.uuid4().hex)
    assert answer.status_code == 200, answer.text
    if rated:
        rating = {"rating": 5, "residents_served": 38, "comment": "孩子们很喜欢"}
        answer = await demands.venue(station).post(f"/v1/demands/{demand}/fulfil", rating, key=uuid.uuid4().hex)
        assert answer.status_code == 200, answer.text
    return demand


@pytest_asyncio.fixture(scope="module")
async def city(market: Market) -> City:
    """A market with one of everything, once the portal has read it."""
    demands, stack = Demands(market), market.stack
    (department,) = await demands.providers(1)
    slot, _, (second, waiting) = await full_slot(market)
    rows = await stack.ask("portal", "SELECT offer_id FROM session WHERE session_id = $1", slot)
    station = second.organization_id
    windows = [{"days": ["workday"], "opens": "05:30", "closes": "07:00"}]
    made = City(
        slot=slot,
        offer=rows[0]["offer_id"],
        empty_offer=await market.offer(),
        open=await demands.post(station),
        scheduled=await demand_of(demands, station, department, rated=False),
        fulfilled=await demand_of(demands, station, department, rated=True),
        teacher=await resource(market, kind="person", title="旗袍走秀与形体老师", skills=["旗袍", "形体", "礼仪"]),
        ground=await resource(market, kind="place", title="实验小学操场", windows=windows),
        station=station,
        booking=waiting,
        department=department,
        newcomer=await market.register(new_id("station"), market.institute_id, "venue", "station"),
        new_team=await market.register(new_id("team"), market.department_id, "provider", "team"),
    )
    await projected(stack, "resource", "resource_id", made.ground)
    await projected(stack, "offer", "offer_id", made.empty_offer)
    await projected(stack, "demand", "demand_id", made.open)
    rated = "SELECT 1 FROM demand WHERE demand_id = $1 AND state = 'fulfilled'"
    await eventually(lambda: stack.ask("portal", rated, made.fulfilled), 30, "the portal knows the rating")
    await projected(stack, "notification", "recipient_id", station)
    await projected(stack, "notification", "recipient_id", department)
    return made


async def hold(opens: Opens, who: tuple[str, str], elder: bool, pages: dict[str, str]) -> None:
    """Check each page; every fault of all of them is told at once."""
    look = await opens(*who, elder=elder)
    assert look.complaints() == []
    faults = [fault for name, path in pages.items() for fault in await look.faults(path, name, elder=elder)]
    assert not faults, "\n".join(faults)


@ELDER
async def test_public_pages(city: City, opens: Opens, elder: bool) -> None:
    pages = {
        "home": "/",
        "demands": "/demands",
        "demand-open": f"/demands/{city.open}",
        "demand-fulfilled": f"/demands/{city.fulfilled}",
        "offers": "/offers",
        "offer": f"/offers/{city.offer}",
        "slot": f"/slots/{city.slot}",
        "ledger": "/ledger",
        "resources": "/resources",
        "resource": f"/resources/{city.teacher}",
        "search": "/search?q=红色",
        "signin": "/signin",
    }
    await hold(opens, ("", ""), elder, pages)


@ELDER
async def test_a_venues_pages(city: City, opens: Opens, elder: bool) -> None:
    pages = {
        "venue-demand-new": "/demands/new",
        "venue-demand-scheduled": f"/demands/{city.scheduled}",
        "venue-slot-waiting": f"/slots/{city.slot}",
        "venue-bookings": "/bookings",
        "venue-receipt": f"/bookings/{city.booking}",
        "venue-inbox": "/inbox",
        "venue-resource": f"/resources/{city.teacher}",
        "venue-place": f"/places/{city.ground}",
    }
    await hold(opens, (city.station, "venue-staff"), elder, pages)


@ELDER
async def test_a_departments_pages(city: City, opens: Opens, elder: bool) -> None:
    pages = {
        "provider-demand-open": f"/demands/{city.open}",
        "provider-demand-scheduled": f"/demands/{city.scheduled}",
        "provider-claims": "/claims",
        "provider-inbox": "/inbox",
        "provider-offers": "/offers",
        "provider-import": "/offers/import",
        "provider-imported": "/offers/import?offers=12&sessions=48&unchanged=3",
    }
    await hold(opens, (city.department, "provider-staff"), elder, pages)


@ELDER
async def test_pages_with_nothing_to_show(city: City, opens: Opens, elder: bool) -> None:
    nothing = {name: f"/{name}?q=nothing-is-called-so" for name in ("demands", "offers", "resources", "search")}
    pages = {f"empty-{name}": path for name, path in nothing.items()}
    pages |= {"empty-ledger": "/ledger?town=nowhere", "empty-offer": f"/offers/{city.empty_offer}"}
    await hold(
        opens, (city.newcomer, "venue-staff"), elder, pages | {"empty-bookings": "/bookings", "empty-inbox": "/inbox"}
    )
    await hold(opens, (city.new_team, "provider-staff"), elder, {"empty-claims": "/claims"})
