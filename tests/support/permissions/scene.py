"""What the cells of a permission table are tried on, and how one is tried."""

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from youai_runtime.auth import ROLES

from tests.support.client import Caller, Venue
from tests.support.demands import Demands
from tests.support.market import Market
from tests.support.stack import Stack

DONE = (200, 201, 202, 204)
WHOSE = ("own", "above", "other")


@dataclass(frozen=True)
class Sent:
    """A call as it is sent. Of a batch, the answer to its only item counts."""

    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    batch: bool = False


@dataclass
class Scene:
    """A station and a department of the town, another of each, and something of each that calls can be made on."""

    stack: Stack
    market: Market
    demands: Demands
    venue: Venue
    other_venue_id: str
    other_department_id: str
    offer: str
    slot: str
    demand: str
    claim: str
    resource: str
    place: str
    ask: str
    notification: str
    attended: str = ""
    """A booking of a session that is over; whoever makes the call sets it."""

    @property
    def actors(self) -> dict[str, dict[str, str]]:
        """Who acts, by what the call is made on: its owner, who stands above that, and a stranger of its kind."""
        market, station = self.market, self.venue.organization_id
        return {
            "venue": {"own": station, "above": market.institute_id, "other": self.other_venue_id},
            "department": {
                "own": market.department_id,
                "above": market.center_id,
                "other": self.other_department_id,
                "asked": station,
            },
            "institute": {"own": market.institute_id, "above": market.center_id, "other": station},
            "city": {"own": market.center_id, "other": market.institute_id},
        }

    async def new_slot(self) -> str:
        """A slot of one place that the door knows."""
        (slot,) = await self.market.sessions([{"capacity": 1}])
        await self.venue.read_back(f"/v1/slots/{slot}")
        return slot

    async def new_booking(self) -> str:
        """A decided booking of the venue in a slot of its own, so that it can be cancelled."""
        slot = await self.new_slot()
        id = await self.venue.book(slot)
        self.stack.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
        await self.venue.decided(id)
        return id

    async def new_held(self) -> str:
        """A booking of the venue with a place that is held for it."""
        slot = await self.new_slot()
        other = await self.market.venue()
        first = await other.book(slot)
        await other.decided(first, "confirmed")
        id = await self.venue.book(slot)
        self.stack.accepted += [{"request_id": one, "slot_id": slot, "status": 202} for one in (first, id)]
        await self.venue.decided(id, "waitlisted")
        assert (await other.cancel(first)).status_code == 202
        await self.venue.decided(id, "promoted")
        return id

    async def new_claimed(self, *, scheduled: bool = False) -> str:
        """A demand of the venue that the department has."""
        demand = await self.demands.post(self.venue.organization_id)
        await self.demands.claimed(demand, self.market.department_id)
        if scheduled:
            provider = self.demands.provider(self.market.department_id)
            answer = await provider.post(f"/v1/demands/{demand}/schedule", {"scheduled_at": "2030-01-01T09:00:00Z"})
            assert answer.status_code == 200, answer.text
        return demand


@dataclass(frozen=True)
class Row:
    """A call: on whose thing it is made, which roles may make it as its owner, from above and as a stranger."""

    on: str
    cells: Mapping[str, Collection[str]]
    sent: Callable[[Scene], Awaitable[Sent]]
    refused: int = 403


def bound(*roles: str) -> dict[str, Collection[str]]:
    """For one's own things and those of organizations below: these roles."""
    return {"own": roles, "above": roles, "other": ()}


def free(*roles: str) -> dict[str, Collection[str]]:
    """Whosever it is: these roles."""
    return dict.fromkeys(WHOSE, roles)


def at(path: str, body: Any = None, **more: Any) -> Callable[[Scene], Awaitable[Sent]]:
    """A call whose `{name}`s are the scene's."""

    async def sent(scene: Scene) -> Sent:
        return Sent(path.format(**vars(scene)), body, **more)

    return sent


async def status(scene: Scene, service: str, call: str, row: Row, role: str | None, whose: str) -> int:
    """Make a call as somebody (role None: without a token); what it was answered."""
    who = None if role is None else scene.stack.token(scene.actors[row.on][whose], role)
    caller = Caller(scene.market.http, scene.stack.url(service), who)
    sent = await row.sent(scene)
    method = call.split()[0]
    more: dict[str, Any] = {"content": sent.body} if isinstance(sent.body, str) else {"json": sent.body}
    headers = {"Accept-Language": "en", "Idempotency-Key": uuid.uuid4().hex} | sent.headers
    if caller.token is not None:
        headers["Authorization"] = f"Bearer {caller.token}"
    async with scene.market.http.stream(method, caller.url + sent.path, headers=headers, **more) as answer:
        if "text/event-stream" in answer.headers.get("content-type", ""):
            return answer.status_code  # a stream has no end to wait for
        await answer.aread()
    if sent.batch and answer.status_code == 200:
        return int(answer.json()["results"][0]["status"])
    return answer.status_code


async def wrong_cells(scene: Scene, service: str, call: str, row: Row) -> list[str]:
    """Try every cell of a row; those that are not as the table says."""
    wrong = []
    anonymous = await status(scene, service, call, row, None, "own")
    if anonymous != 401:
        wrong.append(f"nobody: {anonymous}, must be 401")
    for whose, allowed in row.cells.items():
        for role in ROLES:
            got = await status(scene, service, call, row, role, whose)
            fine = got in DONE if role in allowed else got == 403 or (role in row.cells["own"] and got == row.refused)
            if not fine:
                wrong.append(f"{role}, {whose}: {got}, {'should' if role in allowed else 'must not'}")
    return wrong
