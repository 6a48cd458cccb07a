"""What is one's own: claims."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from youai_portal.store import demands
from youai_portal.web import Desk, Visit, part

MOST = 30


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the page."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/claims")
    async def claims(visit: here) -> Response:
        who = visit.who
        async with desk.pool.acquire() as connection:
            rows = await demands.claims_by(connection, who.organization_id, visit.after("claims"), MOST + 1)
        shown, following = part(rows, MOST, "claims", "asked_at", "claim_id")
        return visit.page("claims.html", claims=shown, following=following)
