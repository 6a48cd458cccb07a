"""Who may call what: every role on every call of every service, for its own, for what is above it, for others."""

import uuid
from typing import Any

import pytest
from youai_runtime.auth import ROLES

from tests.support.client import Caller, Venue
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack

STATIONS = {"kind": "venue", "level": "station", "name": "站", "town": "大新镇"}
IMPORT_HEADER = "organization_id,parent_id,kind,level,name,town,categories\n"

# A row: the call, which roles may make it, and whether it is bound to what is the caller's own or below.
EVERYBODY = set(ROLES)
TABLE: dict[str, tuple[set[str], bool]] = {
    "matching: book": ({"venue-staff", "center"}, True),
    "matching: read a booking": (EVERYBODY, True),
    "matching: cancel": ({"venue-staff", "center"}, True),
    "matching: read a slot": (EVERYBODY, False),
    "catalog: register": ({"center", "platform"}, True),
    "catalog: import": ({"center", "platform"}, True),
    "catalog: list organizations": (EVERYBODY, False),
    "catalog: read an organization": (EVERYBODY, False),
    "catalog: publish an offer": ({"provider-staff", "center"}, True),
    "catalog: list offers": (EVERYBODY, False),
    "catalog: read an offer": (EVERYBODY, False),
    "catalog: open a session": ({"provider-staff", "center"}, True),
    "catalog: read a session": (EVERYBODY, False),
    "catalog: cancel a session": ({"provider-staff", "center"}, True),
    "catalog: withdraw an offer": ({"provider-staff", "center"}, True),
}


class Scene:
    """What the calls are made on: a venue of the town with a booking, an offer of the department with a session."""

    def __init__(self, stack: Stack, market: Market, venue: Venue, slot: str, offer: str) -> None:
        self.stack, self.market, self.venue, self.slot, self.offer = stack, market, venue, slot, offer

    async def booking(self) -> str:
        """A decided booking of the venue in a slot of its own, so that it can be cancelled."""
        (slot,) = await self.market.sessions([{"capacity": 1}], self.offer)
        id = await self.venue.book(slot)
        self.stack.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
        await self.venue.decided(id)
        return id

    async def call(self, call: str, role: str | None, whose: str) -> int:
        """Make the call with that role of an organization (`own`, `above`, `other`; None: no token): its status."""
        market = self.market
        service, what = call.split(": ")
        owner = self.venue.organization_id if service == "matching" else market.department_id
        if what in ("register", "import"):
            owner = market.institute_id
        above = market.institute_id if service == "matching" else market.center_id
        acting = {"own": owner, "above": above, "other": self.stranger(service)}[whose]
        token = None if role is None else self.stack.token(acting, role)
        caller = Caller(market.http, self.stack.url(service), token)
        method, path, body = await self._request(what, owner)
        headers = {"Content-Type": "text/csv"} if isinstance(body, str) else {}
        sent: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body} if body else {}
        answer = await caller.call(method, path, key=uuid.uuid4().hex, headers=headers, **sent)
        return answer.status_code

    def stranger(self, service: str) -> str:
        return "station-of-nobody" if service == "matching" else self.venue.organization_id

    async def _request(self, what: str, owner: str) -> tuple[str, str, Any]:
        new = new_id("made")
        parent = self.market.institute_id
        match what:
            case "book":
                (slot,) = await self.market.sessions([{"capacity": 1}], self.offer)
                await self.venue.read_back(f"/v1/slots/{slot}")
                return "POST", "/v1/bookings", {"slot_id": slot, "party_size": 1, "venue_id": owner}
            case "read a booking":
                return "GET", f"/v1/bookings/{await self.booking()}", None
            case "cancel":
                return "DELETE", f"/v1/bookings/{await self.booking()}", None
            case "read a slot":
                return "GET", f"/v1/slots/{self.slot}", None
            case "register":
                return "POST", "/v1/organizations", {"organization_id": new, "parent_id": parent, **STATIONS}
            case "import":
                return "POST", "/v1/organizations:import", f"{IMPORT_HEADER}{new},{parent},venue,station,站,大新镇,\n"
            case "list organizations":
                return "GET", "/v1/organizations?limit=2", None
            case "read an organization":
                return "GET", f"/v1/organizations/{self.market.department_id}", None
            case "publish an offer":
                return "POST", "/v1/offers", {"provider_id": owner, "category": "环保", "title": "净滩"}
            case "list offers":
                return "GET", "/v1/offers?limit=2", None
            case "read an offer":
                return "GET", f"/v1/offers/{self.offer}", None
            case "open a session":
                return "POST", f"/v1/offers/{self.offer}/sessions", session_body()
            case "read a session":
                return "GET", f"/v1/sessions/{self.slot}", None
            case "cancel a session":
                (slot,) = await self.market.sessions([{"capacity": 1}], self.offer)
                return "POST", f"/v1/sessions/{slot}/cancel", {"reason": "讲师生病"}
            case "withdraw an offer":
                return "POST", f"/v1/offers/{await self.market.offer()}/withdraw", {"reason": "停办"}
        raise LookupError(what)


@pytest.fixture(scope="module")
async def scene(stack: Stack, market: Market) -> Scene:
    offer = await market.offer()
    (slot,) = await market.sessions([{"capacity": 5}], offer)
    venue = await market.venue()
    await venue.read_back(f"/v1/slots/{slot}")
    return Scene(stack, market, venue, slot, offer)


@pytest.mark.parametrize("call", TABLE)
async def test_every_cell(call: str, scene: Scene) -> None:
    roles, bound = TABLE[call]
    wrong: list[str] = []
    assert await scene.call(call, None, "own") == 401
    for role in ROLES:
        for whose in ("own", "above", "other"):
            status = await scene.call(call, role, whose)
            allowed = role in roles and not (bound and whose == "other")
            if (status in (200, 201, 202)) is not allowed or (not allowed and status != 403):
                wrong.append(f"{role} for {whose}: {status}, {'should' if allowed else 'must not'}")
    assert not wrong


async def test_the_table_names_every_call(stack: Stack, market: Market) -> None:
    calls = 0
    for service in stack.services:
        paths = (await market.http.get(f"{stack.url(service)}/openapi.json")).json()["paths"]
        calls += sum(len(methods) for methods in paths.values())
    assert calls == len(TABLE), "a call was added or taken away: the table must say who may make it"
