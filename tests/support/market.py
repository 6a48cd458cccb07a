"""Builds a market through the services' own APIs: the city's center and a town, venues, providers, offers, sessions."""

import asyncio
import itertools
import uuid
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.client import Caller, Venue
from tests.support.stack import Stack
from tests.support.waiting import eventually

MOST_SESSIONS = 200
OF_ONE_OFFER = 8
"""How many sessions of one offer a venue may book."""
_numbers = itertools.count()


def new_id(prefix: str) -> str:
    """An id that nobody else has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class Market:
    """A center with one town in the stack's city, and builders of what a test needs of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=200))
        self.center_id = self.institute_id = self.department_id = ""

    async def __aenter__(self) -> Self:
        center = self.caller("catalog", "anybody", "platform")
        there = (await center.get("/v1/organizations", params={"level": "center"})).json()["organizations"]
        self.center_id = there[0]["organization_id"] if there else new_id("center")
        if not there:
            await self.register(self.center_id, None, "venue", "center")
        self.institute_id = await self.register(new_id("institute"), self.center_id, "venue", "institute")
        self.department_id = await self.register(new_id("department"), self.center_id, "provider", "department")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def caller(self, service: str, organization: str | None, role: str = "platform") -> Caller:
        """A client of a service as somebody; without a token for organization None."""
        token = None if organization is None else self.stack.token(organization, role)
        return Caller(self.http, self.stack.url(service), token)

    def as_venue(self, organization_id: str, role: str = "venue-staff") -> Venue:
        """A client of matching for that venue."""
        token = self.stack.token(organization_id, role)
        return Venue(self.http, self.stack.url("matching"), token, organization_id)

    async def register(self, id: str, parent: str | None, kind: str, level: str, **more: Any) -> str:
        """Register an organization; returns its id."""
        body = {
            "organization_id": id,
            "parent_id": parent,
            "kind": kind,
            "level": level,
            "name": f"试验单位 {id}",
            "town": "大新镇",
        }
        answer = await self.caller("catalog", self.center_id, "center").post("/v1/organizations", body | more)
        assert answer.status_code in (200, 201), answer.text
        return id

    async def venue(self) -> Venue:
        """A station of its own."""
        return self.as_venue(await self.register(new_id("station"), self.institute_id, "venue", "station"))

    async def venues(self, number: int) -> list[Venue]:
        return list(await asyncio.gather(*(self.venue() for _ in range(number))))

    async def offer(self, provider_id: str | None = None) -> str:
        """An offer of the department (or another provider); returns its id."""
        provider = provider_id or self.department_id
        body = {"provider_id": provider, "category": "理论宣讲", "title": "红色讲坛"}
        answer = await self.caller("catalog", provider, "provider-staff").post("/v1/offers", body, key=uuid.uuid4().hex)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["offer_id"])

    async def sessions(self, wanted: list[dict[str, Any]], offer_id: str | None = None) -> list[str]:
        """Open sessions, each given by what differs from `session_body`; returns their slots' ids.

        Without an offer they are of as many offers as it takes for a venue to book them all.
        """
        provider = self.caller("catalog", self.department_id, "provider-staff")
        slots: list[str] = []
        most = MOST_SESSIONS if offer_id else OF_ONE_OFFER
        for first in range(0, len(wanted), most):
            bodies = [session_body(**one) for one in wanted[first : first + most]]
            path = f"/v1/offers/{offer_id or await self.offer()}/sessions"
            answer = await provider.post(path, {"sessions": bodies}, key=uuid.uuid4().hex)
            assert answer.status_code == 201, answer.text
            slots += [body["session_id"] for body in bodies]
        return slots

    async def session(self, capacity: int = 3, *, read_back: bool = True, **more: Any) -> str:
        """Open one session and wait until the door knows it; returns its slot's id."""
        (slot_id,) = await self.sessions([{"capacity": capacity, **more}])
        if read_back:
            await self.as_venue(self.center_id).read_back(f"/v1/slots/{slot_id}")
        return slot_id

    async def held_before(self, venue_id: str) -> tuple[str, str]:
        """A session that is over, and a booking of it that the center gave the venue; their ids."""
        now = datetime.now(UTC)
        names = ("opens_at", "closes_at", "starts_at", "ends_at")
        times = {name: now - timedelta(hours=4 - n) for n, name in enumerate(names)}
        (slot,) = await self.sessions([{"capacity": 5, **times}])
        body = {"venue_id": venue_id, "party_size": 2, "explanation": "现场补登"}
        center = self.caller("matching", self.center_id, "center")

        async def given() -> str | None:
            answer = await center.post(f"/v1/slots/{slot}/overrides", body, key=slot)
            return str(answer.json()["request_id"]) if answer.status_code == 202 else None

        booking = await eventually(given, 20, "the door knows the venue")
        await self.as_venue(venue_id).decided(booking, "confirmed")
        return slot, booking


def session_body(**more: Any) -> dict[str, Any]:
    """A session that can be booked now, with an id and a time of its own: a venue may book hundreds of them.

    One after the other they lie in different months, of which a venue may have 40 sessions each.
    """
    now = datetime.now(UTC)
    turn, day = divmod(next(_numbers), 300)
    starts_at = now + timedelta(days=21 + day * 37 % 300, hours=3 * turn)
    times = {
        "opens_at": now - timedelta(minutes=1),
        "closes_at": now + timedelta(days=20),
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=2),
    }
    times |= {name: more.pop(name) for name in list(more) if name in times}
    body = {"session_id": new_id("s"), "capacity": 3, "venue_name": "大新镇中山村新时代文明实践站"}
    return body | {name: at.isoformat() for name, at in times.items()} | more
