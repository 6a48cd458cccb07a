"""HTTP of places with opening windows, and of the days that the city's calendar has otherwise."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from youai_runtime import fields, pages, problems
from youai_runtime.auth import ROLES, Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.fields import Day, Id
from youai_runtime.pages import Page

from youai_catalog import answers, resource_store, windows, workdays, writes
from youai_catalog.answers import Holding
from youai_catalog.resource_forms import OverrideForm, WindowsQuery
from youai_catalog.views import OverridesView, OverrideView, PlaceWindowsView
from youai_catalog.windows import Window


def place_routes(pool: Pool, holding: Holding) -> APIRouter:
    """The calls on places and on the calendar."""
    routes = APIRouter(tags=["places"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    center = Annotated[Principal, Depends(holding("center"))]

    @routes.get("/v1/places/{place_id}/windows", response_model=PlaceWindowsView)
    async def open_windows(
        place_id: Annotated[Id, Path()], query: Annotated[WindowsQuery, Query()], who: reader
    ) -> Response:
        """When a place is open, day by day, by the Chinese calendar with its make-up working days.

        `calendar` is `weekends-only` where a day's year is not announced yet: then weekends are its only holidays.
        """
        async with pool.acquire() as connection:
            place = await resource_store.one(connection, place_id)
            overrides = await resource_store.overrides(connection, query.first, query.last)
        if place is None or place["kind"] != "place":
            raise problems.not_found("场地", "place")
        retired = place["state"] == "retired"
        own = [] if retired else [Window(tuple(one["days"]), one["opens"], one["closes"]) for one in place["windows"]]
        days = [windows.day_view(own, day) for day in workdays.days(query.first, query.last, overrides)]
        guessed = any(day["calendar"] == "weekends-only" for day in days)
        view = {name: place[name] for name in ("title", "town", "state")}
        calendar = "weekends-only" if guessed else "announced"
        return answers.as_json({"place_id": place_id, **view, "calendar": calendar, "days": days})

    @routes.post("/v1/calendar/overrides", response_model=OverrideView)
    async def override(who: center, body: OverrideForm) -> Response:
        """Say what a day is in this city, over what stands or not; the same again changes nothing."""
        async with pool.acquire() as connection, connection.transaction():
            await _require_city(connection, who)
            told = (body.day, body.kind, body.note, who.subject, who.organization_id)
            await resource_store.override(connection, *told)
        return answers.as_json({"day": body.day.isoformat(), "kind": body.kind, "note": body.note})

    @routes.get("/v1/calendar/overrides", response_model=OverridesView)
    async def listed(query: Annotated[Page, Query()], who: reader) -> Response:
        """The days that were told apart, by day."""
        cursor = pages.after(query, "overrides", 1)
        try:
            start = date.min if cursor is None else fields.day(cursor[0])
        except ValueError:
            raise pages.bad_cursor() from None
        async with pool.acquire() as connection:
            rows = await resource_store.listed_overrides(connection, start, query.limit + 1)
        return answers.page("overrides", rows, query, "overrides", ("day",))

    @routes.delete("/v1/calendar/overrides/{day}", status_code=204)
    async def drop(day: Annotated[Day, Path()], who: center) -> None:
        """Leave a day to the announced calendar again; where it is so already, nothing happens."""
        async with pool.acquire() as connection, connection.transaction():
            await _require_city(connection, who)
            await resource_store.drop_override(connection, day)

    return routes


async def _require_city(connection: Connection, who: Principal) -> None:
    if not await resource_store.acts_for_the_city(connection, who.organization_id):
        raise writes.not_own("日历")
