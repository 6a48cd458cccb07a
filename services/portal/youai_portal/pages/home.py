"""The public home: what is open now, the numbers of the month, both directions at a glance."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from youai_portal import domain, words
from youai_portal.recent import Recent
from youai_portal.store import demands, ledger
from youai_portal.web import Desk, Visit


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the page."""
    here = Annotated[Visit, Depends(desk.visit)]
    recent = Recent()

    @routes.get("/")
    async def home(visit: here) -> Response:
        month = f"{datetime.now(words.SHANGHAI):%Y-%m}"
        bounds = domain.month_bounds(month)
        assert bounds is not None
        summed = recent.get(month)
        async with desk.pool.acquire() as connection:
            if summed is None:
                summed = await ledger.headline(connection, *bounds), await ledger.opening(connection, 8)
                recent.put(month, summed)
            numbers, opening = summed
            latest = await demands.table(connection, demands.Filter(), None, 8)
            waiting = await demands.table(connection, demands.Filter(state="open"), None, 8)
        return visit.page("home.html", numbers=numbers, latest=latest, waiting=waiting, opening=opening, month=month)
