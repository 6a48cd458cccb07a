"""What is one's own: bookings with their place and reason, and claims."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from youai_runtime import problems

from youai_portal.clients import Refused
from youai_portal.store import demands, offers, people
from youai_portal.web import Desk, Visit, back_path, part, segment

MOST = 30


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/bookings")
    async def bookings(visit: here) -> Response:
        return await show_bookings(visit)

    @routes.post("/bookings/{request_id}/cancel")
    async def cancel(request_id: str, visit: here) -> Response:
        form = await visit.form()
        visit.require("venue-staff", "center")
        try:
            await visit.call(
                "matching", "DELETE", f"/v1/bookings/{segment(request_id)}", key=f"cancel-{request_id}"[:200]
            )
        except Refused as refused:
            return await show_bookings(visit, refused)
        return visit.go(back_path(form.get("back", ""), "/bookings"))

    @routes.get("/bookings/{request_id}")
    async def receipt(request_id: str, visit: here) -> Response:
        who = visit.who
        async with desk.pool.acquire() as connection:
            known = await offers.booking(connection, request_id)
            if known is None or not await people.acts_for(connection, who.organization_id, known["venue_id"]):
                raise problems.not_found("点单", "booking")
            slot = await offers.slot(connection, known["slot_id"])
        booking = await visit.call("matching", "GET", f"/v1/bookings/{segment(request_id)}")
        return visit.page("booking.html", booking=booking, slot=slot)

    @routes.get("/claims")
    async def claims(visit: here) -> Response:
        who = visit.who
        async with desk.pool.acquire() as connection:
            rows = await demands.claims_by(connection, who.organization_id, visit.after("claims"), MOST + 1)
        shown, following = part(rows, MOST, "claims", "asked_at", "claim_id")
        return visit.page("claims.html", claims=shown, following=following)


async def show_bookings(visit: Visit, refused: Refused | None = None) -> Response:
    """My bookings, live ones unless all are asked for."""
    live = visit.q("all") != "1"
    async with visit.desk.pool.acquire() as connection:
        rows = await offers.bookings(
            connection, visit.who.organization_id, live=live, after=visit.after("bookings"), limit=MOST + 1
        )
    shown, following = part(rows, MOST, "bookings", "asked_at", "request_id")
    status = min(refused.status, 503) if refused else 200
    return visit.page("bookings.html", status, bookings=shown, following=following, live=live, refused=refused)
