"""A new demand: what residents need, posted by a venue, also on one resident's behalf."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_contracts.codec import rfc3339

from youai_portal import words
from youai_portal.clients import Refused
from youai_portal.store import demands, people
from youai_portal.web import Desk, Fields, Visit, new_key, segment

LOOKS, LOOK_S = 40, 0.05
ROLES = ("collector", "venue-staff", "center")


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages. They come before the page of one demand, which would take `new` for an id."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/demands/new")
    async def blank(visit: here) -> Response:
        visit.require(*ROLES)
        return await show(visit, {})

    @routes.post("/demands/new")
    async def post(visit: here) -> Response:
        form = await visit.form()
        visit.require(*ROLES)
        try:
            body = _body(visit, form)
            key = form.get("key") or new_key()
            answer = await visit.call("demand", "POST", "/v1/demands", body=body, key=key)
        except Refused as refused:
            return await show(visit, form, refused)
        demand_id = str(answer.get("demand_id", ""))
        await _until_read(visit, demand_id)
        return visit.go(f"/demands/{segment(demand_id)}?done=posted")


async def _until_read(visit: Visit, demand_id: str) -> None:
    """Give the lane a moment to read the demand back, so that who posted it sees it at once."""
    for _ in range(LOOKS):
        async with visit.desk.pool.acquire() as connection:
            if await demands.one(connection, demand_id) is not None:
                return
        await asyncio.sleep(LOOK_S)


async def show(visit: Visit, form: dict[str, str], refused: Refused | None = None) -> Response:
    """The form, after a refusal with what was filled in."""
    async with visit.desk.pool.acquire() as connection:
        venues = await people.below(connection, visit.who.organization_id)
    now = datetime.now(UTC)
    start = {
        "wanted_from": words.days_ahead(now, 1, 8),
        "wanted_until": words.days_ahead(now, 30, 18),
        "residents": "20",
        "places_wanted": "1",
        "key": new_key(),
    }
    return visit.page(
        "demand_new.html",
        min(refused.status, 503) if refused else 200,
        form=Fields(start | form),
        refused=refused,
        venues=[venue for venue in venues if venue["kind"] == "venue"],
    )


def _body(visit: Visit, form: dict[str, str]) -> dict[str, Any]:
    """The call's body. Raises Refused naming every field that is missing or cannot be read."""
    times = {name: words.parse_local(form.get(name, "")) for name in ("wanted_from", "wanted_until")}
    numbers = {name: form.get(name, "") for name in ("residents", "places_wanted")}
    wrong = [name for name in ("category", "title") if not form.get(name)]
    wrong += [name for name, at in times.items() if at is None]
    wrong += [name for name, text in numbers.items() if not (text.isdecimal() and len(text) < 7 and int(text) > 0)]
    if wrong:
        fields = [{"field": name, "message": visit.t("请填写", "fill this in")} for name in wrong]
        raise Refused(422, "invalid", visit.t("还有几项没有填好。", "Some fields are missing."), fields)
    body: dict[str, Any] = {
        "category": form["category"],
        "title": form["title"],
        "description": form.get("description", ""),
        **{name: int(text) for name, text in numbers.items()},
        **{name: rfc3339(at) for name, at in times.items() if at is not None},
    }
    if form.get("venue_id"):
        body["venue_id"] = form["venue_id"]
    resident = {name: form.get(f"resident_{name}", "") for name in ("name", "phone", "address", "note")}
    if any(resident.values()):
        if not resident["name"]:
            field = {"field": "resident_name", "message": visit.t("请填写居民姓名或称呼", "say whom it is for")}
            raise Refused(422, "invalid", visit.t("代居民填报时请写明称呼。", "Say on whose behalf it is."), [field])
        body["resident"] = resident
    return body
