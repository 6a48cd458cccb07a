"""Offers: what the city has, and one offer with its sessions."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from youai_runtime import problems

from youai_portal.store import demands, offers
from youai_portal.web import Desk, Visit, part

MOST = 24
MOST_SESSIONS = 60


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/offers")
    async def table(visit: here) -> Response:
        wanted = offers.Filter(visit.q("category"), visit.q("town"), visit.q("q"), visit.q("free") == "1")
        async with desk.pool.acquire() as connection:
            rows = await offers.table(connection, wanted, visit.after("offers"), MOST + 1)
            towns = await demands.towns(connection)
        shown, following = part(rows, MOST, "offers", "next_at", "offer_id")
        template = "parts/offer_rows.html" if visit.partial and visit.q("cursor") else "offers.html"
        return visit.page(template, wanted=wanted, offers=shown, following=following, towns=towns)

    @routes.get("/offers/{offer_id}")
    async def one(offer_id: str, visit: here) -> Response:
        async with desk.pool.acquire() as connection:
            offer = await offers.one(connection, offer_id)
            if offer is None:
                raise problems.not_found("项目", "offer")
            rows = await offers.sessions(connection, offer_id, visit.after("sessions"), MOST_SESSIONS + 1)
        shown, following = part(rows, MOST_SESSIONS, "sessions", "starts_at", "slot_id")
        now = datetime.now(UTC)
        return visit.page("offer.html", offer=offer, sessions=shown, following=following, now_utc=now)
