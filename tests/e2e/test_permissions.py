"""Who may call what: every role on every call of every service, for its own, from above, as a stranger."""

import pytest

from tests.support.market import Market, new_id
from tests.support.permissions import TABLES
from tests.support.permissions.scene import Scene, wrong_cells
from tests.support.stack import Stack
from tests.support.waiting import eventually

CALLS = [(service, call) for service, table in TABLES.items() for call in table]


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
