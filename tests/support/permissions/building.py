"""Builds the scene that the cells of the permission tables are tried on."""

import asyncio
import uuid

from tests.support.demands import Demands
from tests.support.market import Market
from tests.support.permissions.catalog import new_resource
from tests.support.permissions.scene import Scene
from tests.support.stack import Stack
from tests.support.waiting import eventually

WEEKEND = {"days": ["6", "7"], "opens": "08:00", "closes": "18:00"}


async def make_scene(stack: Stack, market: Market) -> Scene:
    """Build the scene through the APIs, and wait until everybody knows of it."""
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
