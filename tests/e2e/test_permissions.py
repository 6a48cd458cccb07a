"""Who may call what: every role on every call of every service, for its own, from above, as a stranger."""

import asyncio
import uuid

import pytest

from tests.support.demands import Demands
from tests.support.market import Market, new_id
from tests.support.permissions import TABLES
from tests.support.permissions.catalog import new_resource
from tests.support.permissions.scene import Scene, wrong_cells
from tests.support.stack import Stack
from tests.support.waiting import eventually

WEEKEND = {"days": ["6", "7"], "opens": "08:00", "closes": "18:00"}
CALLS = [(service, call) for service, table in TABLES.items() for call in table]


@pytest.fixture(scope="module")
async def scene(stack: Stack, market: Market) -> Scene:
    offer = await market.offer()
    (slot,) = await market.sessions([{"capacity": 5}], offer)
    demands = Demands(market)
    station, other_station = await asyncio.gather(demands.station(), demands.station())
    (other_department,) = await demands.providers(1)
    venue = market.as_venue(station)
    await venue.book(slot)
    demand = await demands.post(station)
    claim = await demands.claimed(demand, market.department_id)
    resource = await new_resource(market, market.department_id)
    place = await new_resource(market, market.department_id, kind="place", windows=[WEEKEND])
    asker = market.caller("catalog", station, "venue-staff")
    asked = await asker.post(f"/v1/resources/{resource}/ask", {}, key=uuid.uuid4().hex)
    assert asked.status_code == 201, asked.text
    inbox = market.caller("notify", station, "venue-staff")

    async def notified() -> list[str]:
        answer = await inbox.get("/v1/inbox")
        return [one["notification_id"] for one in answer.json().get("notifications", [])]

    (notification, *_) = await eventually(notified, 30, f"{station} is told of its booking")
    return Scene(
        stack,
        market,
        demands,
        venue,
        other_station,
        other_department,
        offer,
        slot,
        demand,
        claim,
        resource,
        place,
        asked.json()["ask_id"],
        notification,
    )


@pytest.mark.parametrize(("service", "call"), CALLS, ids=[": ".join(one) for one in CALLS])
async def test_every_cell(service: str, call: str, scene: Scene) -> None:
    assert await wrong_cells(scene, service, call, TABLES[service][call]) == []


async def test_the_table_names_every_call(stack: Stack, market: Market) -> None:
    for service in stack.services:
        paths = (await market.http.get(f"{stack.url(service)}/openapi.json")).json()["paths"]
        calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
        assert calls == set(TABLES.get(service, {})), f"{service}: the table must say who may make each call"


async def test_marks_and_preferences_are_of_ones_own_inbox_alone(scene: Scene, market: Market) -> None:
    own, other = (
        market.caller("notify", one, "venue-staff") for one in (scene.venue.organization_id, scene.other_venue_id)
    )
    before = (await own.get("/v1/inbox/count")).json()["last"]
    await scene.new_booking()

    async def told() -> bool:
        count = (await own.get("/v1/inbox/count")).json()
        return bool(count["last"] > before and count["unread"])

    await eventually(told, 30, "the booking is told")
    kept = (await own.get("/v1/inbox/count")).json()
    assert (await other.post("/v1/inbox/read-all", {"until": 2**62})).json() == {"read": 0}
    assert (await other.post("/v1/preferences", {"muted": ["booking-confirmed"]})).status_code == 200
    assert (await own.get("/v1/inbox/count")).json() == kept
    assert (await own.get("/v1/preferences")).json() == {"muted": []}
    assert (await other.get(f"/v1/inbox?organization_id={new_id('no')}")).status_code == 403
