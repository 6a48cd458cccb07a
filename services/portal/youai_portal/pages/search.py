"""One search over all: demands, offers, places of sessions, resources and organizations."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from youai_portal.store import inbox, people
from youai_portal.web import Desk, Visit

EACH = 8


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the page."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/search")
    async def search(visit: here) -> Response:
        text = visit.q("q")
        found, resources, organizations = {}, [], []
        if text:
            async with desk.pool.acquire() as connection:
                found = await inbox.search(connection, text, EACH)
                resources = await inbox.resources(connection, text, "", "", "", EACH)
                organizations = await people.find_organizations(connection, text, EACH)
        return visit.page("search.html", q=text, found=found, resources=resources, organizations=organizations)
