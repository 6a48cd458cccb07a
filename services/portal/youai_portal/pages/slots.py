"""A slot's page: its live state, the waiting room before it opens, and asking for places in it (点单)."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from youai_runtime import problems

from youai_portal import queue, refusals
from youai_portal.clients import Refused
from youai_portal.domain import LIVE
from youai_portal.store import bookings, offers, people
from youai_portal.web import Desk, Fields, Visit, new_key, segment


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

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
            wishes = {name: True for name in ("auto_accept", "overlap_ok") if form.get(name) == "1"}
            body = {"slot_id": slot_id, "party_size": int(size), "venue_id": venue_id} | wishes
            answer = await visit.call("matching", "POST", "/v1/bookings", body=body, key=form.get("key") or new_key())
        except Refused as refused:
            if refused.code == "key-reused":
                form.pop("key", None)
            return await show(visit, slot_id, refusals.plain(refused, visit.lang), form)
        async with desk.pool.acquire() as connection:
            await people.note_asked(connection, str(answer["request_id"]), slot_id, venue_id, int(size))
        return visit.go(f"/slots/{segment(slot_id)}" + (f"?venue={segment(venue_id)}" if "venue_id" in form else ""))


async def context(visit: Visit, slot_id: str, remembered: queue.Remembered | None = None) -> dict[str, Any]:
    """What a slot's page shows to this visit: its sums, and the venue's own bookings in it."""
    venue_id = await acting_for(visit)
    async with visit.desk.pool.acquire() as connection:
        slot = await offers.slot(connection, slot_id)
        if slot is None:
            raise problems.not_found("场次", "session")
        own = await bookings.own_in_slot(connection, slot_id, venue_id) if venue_id else []
        manages = await managing(visit, connection, slot)
    own = await queue.placed(visit, own, remembered)
    return {
        "slot": slot,
        "own": own,
        "phase": phase(slot, datetime.now(UTC)),
        "venue_id": venue_id,
        "can_book": visit.person is not None and visit.person.has("venue-staff", "center") and bool(venue_id),
        "manages": manages,
        "done": visit.q("done"),
        "live": [one for one in own if one["status"] in (*LIVE, "received")],
    }


def phase(slot: dict[str, Any], now: datetime) -> str:
    """Whether a session can be booked now: `cancelled`, `early`, `open` or `closed`."""
    if slot["state"] != "open":
        return "cancelled"
    if now < slot["opens_at"]:
        return "early"
    return "open" if now < slot["closes_at"] else "closed"


async def managing(visit: Visit, connection: Any, slot: dict[str, Any]) -> str:
    """`provider` or `center` for who has a page of its own to manage the session, else empty."""
    person = visit.person
    if person is None or slot["provider_id"] is None or not person.has("center", "provider-staff"):
        return ""
    if not await people.acts_for(connection, person.organization_id, slot["provider_id"]):
        return ""
    return "center" if person.has("center") else "provider"


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
    slot = found["slot"]
    own = [(one["request_id"], one["status"], one["sequence"], one["place"], one["ahead"]) for one in found["own"]]
    shown = (slot["sequence"], slot["revised_at"], slot["capacity"], slot["state"], found["phase"], own)
    return f'"{hashlib.sha256(repr(shown).encode()).hexdigest()[:24]}"'


async def show(
    visit: Visit, slot_id: str, refused: Refused | None = None, form: dict[str, str] | None = None
) -> Response:
    """A slot's page; after a refusal with its words."""
    found = await context(visit, slot_id)
    live_of = f"slot={segment(slot_id)}"
    for name in ("venue", "done"):
        live_of += f"&{name}={segment(visit.q(name, 200))}" if visit.q(name) else ""
    return visit.page(
        "slot.html",
        min(refused.status, 503) if refused else 200,
        refused=refused,
        form=Fields({"key": new_key(), "party_size": "1"} | (form or {})),
        live_of=live_of,
        **found,
    )
