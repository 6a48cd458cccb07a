"""Who may open which page and send which form: nobody signed in, and every role for its own, from above, a stranger."""

import importlib
import pkgutil
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
import youai_portal.pages
from fastapi import APIRouter
from fastapi.routing import APIRoute
from youai_portal.signin import SignIn
from youai_portal.web import Desk as Front

from tests.support.permissions.portal import SIGNING, TABLE, Desk, form_token, wrong_cells
from tests.support.permissions.scene import Scene
from tests.support.stack import Stack

FORMS = [call for call, page in TABLE.items() if page.fields is not None]


class SignInByPage(SignIn):
    """The way of signing in that the stack's portal has."""

    kind = "development"


@pytest_asyncio.fixture(scope="module")
async def desk(stack: Stack) -> AsyncIterator[Desk]:
    made = Desk(stack.url("portal"))
    yield made
    await made.close()


@pytest.mark.parametrize("call", TABLE)
async def test_every_cell(call: str, scene: Scene, desk: Desk) -> None:
    assert await wrong_cells(scene, desk, call, TABLE[call]) == []


def test_the_table_names_every_page() -> None:
    none = cast(Any, None)
    front = Front(none, none, none, SignInByPage(), secure=False, session_hours=1)
    named = set()
    for module in pkgutil.iter_modules(youai_portal.pages.__path__):
        routes = APIRouter()
        importlib.import_module(f"youai_portal.pages.{module.name}").add(routes, front)
        pages = [route for route in routes.routes if isinstance(route, APIRoute)]
        assert pages, f"{module.name} has none"
        named |= {f"{method} {page.path}" for page in pages for method in page.methods or ()}
    assert named == {call.split(" (")[0] for call in TABLE} | SIGNING, "the table must say for whom each page is"


@pytest.mark.parametrize("call", FORMS)
async def test_a_form_of_another_seat_is_refused(call: str, scene: Scene, desk: Desk) -> None:
    """Whatever the role: neither without the seat's token nor with another seat's."""
    mine, _ = await desk.browser(scene.market.center_id, "center")
    _, theirs = await desk.browser(scene.market.department_id, "center")
    command = call.split("(")[1].rstrip(")") if "(" in call else ""
    path = call.split()[1].format(
        demand_id=scene.demand,
        slot_id=scene.slot,
        request_id="booking-1",
        notification_id=scene.notification,
        resource_id=scene.resource,
        command=command,
    )
    for data in ({}, {"csrf": theirs}, {"csrf": "0" * 40}):
        answer = await mine.post(path, data={"x": "1"} | data)
        assert answer.status_code == 403, (data, answer.status_code)
    crossing = await mine.post(path, data={"csrf": await form_token(mine)}, headers={"Origin": "https://elsewhere.cn"})
    assert crossing.status_code == 403


async def test_signing_in_and_out(scene: Scene, stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url("portal"), timeout=30) as client:
        who = {"organization_id": scene.venue.organization_id, "role": "venue-staff"}
        assert (await client.post("/signin", data=who)).status_code == 403
        before = await form_token(client)
        wrong = await client.post("/signin", data=who | {"csrf": before, "role": "mayor"})
        assert wrong.status_code == 422
        assert (await client.post("/signin", data=who | {"csrf": before})).status_code == 303
        assert (await client.get("/inbox")).status_code == 200
        seat = dict(client.cookies)
        token = await form_token(client)
        assert token != before
        assert (await client.post("/signout", data={"csrf": before})).status_code == 403
        assert (await client.post("/signout", data={"csrf": token})).status_code == 303
        client.cookies.update(seat)  # kept by somebody: the session is over all the same
        assert (await client.get("/inbox")).status_code == 303
