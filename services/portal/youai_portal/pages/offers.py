"""Offers: what the city has, one offer with its sessions, and asking for places in a slot (点单)."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from youai_runtime import problems

from youai_portal.clients import Refused
from youai_portal.store import demands, offers, people
from youai_portal.web import Desk, Fields, Visit, new_key, part, segment

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

    @routes.get("/slots/{slot_id}")
    async def slot(slot_id: str, visit: here) -> Response:
        return await show(visit, slot_id)

    @routes.get("/slots/{slot_id}/state")
    async def state(slot_id: str, visit: here, request: Request) -> Response:
        found = await context(visit, slot_id)
        tag = etag(found)
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response = visit.page("parts/slot_state.html", **found)
        response.headers["ETag"] = tag
        return response

    @routes.post("/slots/{slot_id}/book")
    async def book(slot_id: str, visit: here) -> Response:
        form = await visit.form()
        who = visit.require("venue-staff", "center")
        venue_id = form.get("venue_id") or who.organization_id
        try:
            size = form.get("party_size", "")
            if not (size.isdecimal() and len(size) < 7 and int(size) > 0):
                raise Refused(422, "invalid", visit.t("请填写人数（至少1人）。", "Say how many places, at least one."))
            body = {"slot_id": slot_id, "party_size": int(size), "venue_id": venue_id}
            answer = await visit.call("matching", "POST", "/v1/bookings", body=body, key=form.get("key") or new_key())
        except Refused as refused:
            return await show(visit, slot_id, refused, form)
        async with desk.pool.acquire() as connection:
            await people.note_asked(connection, str(answer["request_id"]), slot_id, venue_id, int(size))
        return visit.go(f"/slots/{segment(slot_id)}" + (f"?venue={segment(venue_id)}" if "venue_id" in form else ""))


async def context(visit: Visit, slot_id: str) -> dict[str, Any]:
    """What a slot's page shows to this visit: its sums, and the venue's own bookings in it."""
    venue_id = await acting_for(visit)
    async with visit.desk.pool.acquire() as connection:
        slot = await offers.slot(connection, slot_id)
        if slot is None:
            raise problems.not_found("场次", "session")
        own = await offers.own_in_slot(connection, slot_id, venue_id) if venue_id else []
    now = datetime.now(UTC)
    if slot["state"] != "open":
        phase = "cancelled"
    elif now < slot["opens_at"]:
        phase = "early"
    else:
        phase = "open" if now < slot["closes_at"] else "closed"
    return {
        "slot": slot,
        "own": own,
        "phase": phase,
        "venue_id": venue_id,
        "can_book": visit.person is not None and visit.person.has("venue-staff", "center") and bool(venue_id),
    }


async def acting_for(visit: Visit) -> str:
    """The venue that this visit looks for: its own, or the one that it names and stands above."""
    if visit.person is None or visit.person.kind == "provider":
        return ""
    named, own = visit.q("venue", 200), visit.person.organization_id
    if not named or named == own:
        return own
    async with visit.desk.pool.acquire() as connection:
        return named if await people.acts_for(connection, own, named) else own


def etag(found: dict[str, Any]) -> str:
    """Changes whenever the shown state does."""
    own = ",".join(f"{one['request_id'][:8]}:{one['status']}:{one['place']}:{one['ahead']}" for one in found["own"])
    return f'"{found["slot"]["sequence"]}-{found["phase"]}-{abs(hash(own))}"'


async def show(
    visit: Visit, slot_id: str, refused: Refused | None = None, form: dict[str, str] | None = None
) -> Response:
    """A slot's page; after a refusal with its words."""
    found = await context(visit, slot_id)
    return visit.page(
        "slot.html",
        min(refused.status, 503) if refused else 200,
        refused=refused,
        form=Fields({"key": new_key(), "party_size": "1"} | (form or {})),
        live_of=f"slot={segment(slot_id)}" + (f"&venue={segment(visit.q('venue', 200))}" if visit.q("venue") else ""),
        **found,
    )
