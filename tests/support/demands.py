"""Demands through their own API, as venues and providers do it, and what demand tells of them."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support import kafka
from tests.support.client import Caller, problem
from tests.support.market import Market, new_id
from tests.support.waiting import eventually

DEMAND, CLAIM = "youai.demand.v1", "youai.claim.v1"


def demand_body(**more: Any) -> dict[str, Any]:
    """A demand that is wanted from now on for a month."""
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "category": "理论宣讲",
        "title": "请来讲讲红色故事",
        "description": "四十位老人，村活动室",
        "residents": 40,
        "wanted_from": now.isoformat(),
        "wanted_until": (now + timedelta(days=30)).isoformat(),
    }
    return body | more


class Demands:
    """A market's venues and providers, as callers of demand."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.stack = market.stack

    def venue(self, organization_id: str, role: str = "venue-staff") -> Caller:
        return self.market.caller("demand", organization_id, role)

    def provider(self, organization_id: str) -> Caller:
        return self.market.caller("demand", organization_id, "provider-staff")

    async def station(self) -> str:
        """A station that demand knows."""
        (station,) = await self._registered("station", self.market.institute_id, "venue", "station", 1)
        return station

    async def providers(self, number: int) -> list[str]:
        """Departments that demand knows."""
        return await self._registered("dept", self.market.center_id, "provider", "department", number)

    async def _registered(self, prefix: str, parent: str, kind: str, level: str, number: int) -> list[str]:
        ids = await asyncio.gather(*(self.market.register(new_id(prefix), parent, kind, level) for _ in range(number)))

        async def known() -> bool:
            rows = await self.stack.ask(
                "demand", "SELECT count(*) AS n FROM organization WHERE organization_id = ANY($1::text[])", ids
            )
            return bool(rows[0]["n"] == number)

        await eventually(known, 30, f"demand knows {number} organizations")
        return list(ids)

    async def post(self, venue_id: str, key: str | None = None, **more: Any) -> str:
        """Post a demand; returns its id."""
        answer = await self.venue(venue_id).post("/v1/demands", demand_body(**more), key=key or uuid.uuid4().hex)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["demand_id"])

    async def claim(self, demand_id: str, provider_id: str, key: str | None = None) -> httpx.Response:
        return await self.provider(provider_id).post(f"/v1/demands/{demand_id}/claims", {}, key=key or uuid.uuid4().hex)

    async def claimed(self, demand_id: str, provider_id: str) -> str:
        """Claim a demand and wait until it is confirmed; returns the claim's id."""
        answer = await self.claim(demand_id, provider_id)
        assert answer.status_code == 202, answer.text
        claim_id = str(answer.json()["claim_id"])
        assert (await self.decided(demand_id, claim_id, provider_id))["status"] == "confirmed"
        return claim_id

    async def decided(self, demand_id: str, claim_id: str, provider_id: str, *statuses: str) -> dict[str, Any]:
        """A claim once it is decided, or has one of `statuses`."""

        async def decided() -> dict[str, Any] | None:
            answer = await self.provider(provider_id).get(f"/v1/demands/{demand_id}/claims/{claim_id}")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            there = found["status"] in statuses if statuses else found["status"] != "requested"
            return found if there else None

        return await eventually(decided, 30, f"{claim_id} is {' or '.join(statuses) or 'decided'}")

    async def read(self, demand_id: str) -> dict[str, Any]:
        """A demand, as its venue's center sees it."""
        answer = await self.venue(self.market.center_id, "center").get(f"/v1/demands/{demand_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def in_state(self, demand_id: str, *states: str, timeout: float = 30) -> dict[str, Any]:
        """A demand once it is in one of `states`."""

        async def there() -> dict[str, Any] | None:
            found = await self.read(demand_id)
            return found if found["state"] in states else None

        return await eventually(there, timeout, f"{demand_id} is {' or '.join(states)}")

    async def told(self, topic: str, demand_ids: Sequence[str]) -> list[kafka.Read]:
        """What a topic says of demands: each event once, in order; demand's own once its relay has sent all."""
        if topic == DEMAND:
            await eventually(self._sent, 20, "demand's relay has sent everything")
        wanted = set(demand_ids)
        found: dict[str, kafka.Read] = {}
        for record in await kafka.read_topic(self.stack.bootstrap, topic):
            if record.data["demand_id"] in wanted:
                found.setdefault(record.id, record)
        return list(found.values())

    async def _sent(self) -> bool:
        waiting = """SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL)
            OR (SELECT published_position < last_position FROM relay) AS waiting"""
        return not (await self.stack.ask("demand", waiting))[0]["waiting"]


def types(records: Sequence[kafka.Read]) -> list[str]:
    """The events' types without what their topic says already: `posted`, `claim-requested`; or `confirmed`."""
    return [record.type.split("-", 1)[1] for record in records]


async def patient(send: Any, timeout: float = 60) -> httpx.Response:
    """Send until the answer is neither an error of the connection nor "ask again": what a client's retry does."""

    async def answered() -> list[httpx.Response]:
        try:
            answer: httpx.Response = await send()
        except httpx.TransportError:
            return []
        return [] if problem(answer) in ("unavailable", "unknown", "organization-unknown") else [answer]

    return (await eventually(answered, timeout, "an answer"))[0]
