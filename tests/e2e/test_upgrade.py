"""One service alone goes to its next version, in a rush, with the others running: nothing is lost or done twice."""

import asyncio
import uuid
from pathlib import Path

import httpx
import pytest

from tests.support import kafka
from tests.support.client import Venue
from tests.support.demands import CLAIM, DEMAND, Demands, demand_body, patient, types
from tests.support.market import Market
from tests.support.next_demand import NEW_FIELD
from tests.support.stack import Stack
from tests.support.upgrade import upgrading
from tests.support.waiting import eventually, until

EACH, AT_ONCE = 25, 4
PATIENCE_S = 120  # a start takes long on a busy machine
READERS = ("matching", "notify", "portal")


class Rush:
    """A station that posts, and a department that claims what is posted, both patient."""

    def __init__(self, demands: Demands, station: str, department: str) -> None:
        self.demands, self.station, self.department = demands, station, department
        self.claims: dict[str, str] = {}
        self.posted = 0

    async def run(self, number: int) -> None:
        """Post and claim so many, one after the other."""
        for _ in range(number):
            await self.one()

    async def one(self) -> str:
        """Post a demand and claim it, each under one key until it is answered; returns its id."""
        body, key = demand_body(), uuid.uuid4().hex
        venue, provider = self.demands.venue(self.station), self.demands.provider(self.department)
        answer = await patient(lambda: venue.post("/v1/demands", body, key=key), PATIENCE_S)
        assert answer.status_code in (200, 201), answer.text
        demand = str(answer.json()["demand_id"])
        self.posted += 1
        taken = await patient(lambda: provider.post(f"/v1/demands/{demand}/claims", {}, key=key), PATIENCE_S)
        assert taken.status_code == 202, taken.text
        assert demand not in self.claims
        self.claims[demand] = str(taken.json()["claim_id"])
        return demand


async def letters(stack: Stack) -> dict[str, dict[int, int]]:
    return {one: await kafka.end_offsets(stack.bootstrap, f"youai.{one}.dead-letter.v1") for one in READERS}


async def test_demand_alone_is_upgraded(whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path) -> None:
    demands = Demands(market)
    station, (department,) = await asyncio.gather(demands.station(), demands.providers(1))
    slot = await market.session()
    refused = await letters(whole)
    rush = Rush(demands, station, department)

    async with upgrading(whole, "demand", tmp_path) as upgrade, asyncio.TaskGroup() as running:
        for _ in range(AT_ONCE):
            running.create_task(rush.run(EACH))
        await until(lambda: rush.posted >= 10, 30, "the rush has begun")
        await upgrade.stop_old()
        with pytest.raises(httpx.ConnectError):
            await market.http.get(f"{whole.url('demand')}/livez")
        id = await crowd[0].book(slot)  # the others go on without it
        whole.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
        assert (await crowd[0].decided(id))["status"] == "confirmed"
        assert (await market.http.get(f"{whole.url('portal')}/demands")).status_code == 200
        await upgrade.start("tests.support.next_demand")
    again = await rush.one()  # and back: the old version goes on with what the next one wrote

    wanted = rush.claims
    assert len(wanted) == EACH * AT_ONCE + 1
    for demand, claim in wanted.items():
        assert (await demands.decided(demand, claim, department))["status"] == "confirmed"
        await demands.in_state(demand, "claimed")

    async def told() -> bool:
        return len(await demands.told(DEMAND, list(wanted))) == 3 * len(wanted)

    await eventually(told, 30, "each demand's events are in the topic, once each")
    events = await demands.told(DEMAND, list(wanted))
    assert sorted(types(events)) == sorted(["posted", "claim-requested", "claimed"] * len(wanted))
    assert types(await demands.told(CLAIM, list(wanted))) == ["confirmed"] * len(wanted)
    new = [record.data["demand_id"] for record in events if NEW_FIELD in record.data]
    assert 0 < len(new) < len(wanted)
    assert again not in new

    async def read() -> bool:
        """Whether all readers have each demand: notify tells its station of the claim, the portal shows it."""
        sql = "SELECT count(*) AS n FROM inbox WHERE recipient_id = $1 AND kind = 'demand-claimed'"
        inbox = (await whole.ask("notify", sql, station))[0]["n"]
        shown = (await whole.ask("portal", "SELECT count(*) AS n FROM demand WHERE venue_id = $1", station))[0]["n"]
        assert max(inbox, shown) <= len(wanted), "none twice"
        return bool(inbox == shown == len(wanted))

    await eventually(read, 30, "notify and portal have read all of them")
    assert await letters(whole) == refused, "no reader refused the field that it does not know"
