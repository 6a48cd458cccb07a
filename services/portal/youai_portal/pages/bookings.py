"""A venue's bookings: the list, and one with its live state, a hold's answer, why, what else there is, receipts."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_runtime import logs, problems

from youai_portal import queue, refusals, why
from youai_portal.clients import Refused
from youai_portal.store import bookings, offers, people
from youai_portal.web import Desk, Visit, back_path, part, segment

log = logs.get(__name__)

MOST = 30
LOST = ("waitlisted", "rejected", "released", "lapsed", "displaced")
ANSWERS = ("accept", "decline")


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/bookings")
    async def mine(visit: here) -> Response:
        return await show_all(visit)

    @routes.get("/bookings/{request_id}")
    async def one(request_id: str, visit: here) -> Response:
        return await show(visit, request_id)

    @routes.get("/bookings/{request_id}/state")
    async def state(request_id: str, visit: here) -> Response:
        return visit.page("parts/booking_state.html", **await context(visit, request_id))

    @routes.post("/bookings/{request_id}/cancel")
    async def cancel(request_id: str, visit: here) -> Response:
        form = await visit.form()
        visit.require("venue-staff", "center")
        try:
            await visit.call(
                "matching", "DELETE", f"/v1/bookings/{segment(request_id)}", key=f"cancel-{request_id}"[:200]
            )
        except Refused as refused:
            return await show_all(visit, refused)
        return visit.go(back_path(form.get("back", ""), "/bookings"))

    @routes.post("/bookings/{request_id}/{command}")
    async def answer(request_id: str, command: str, visit: here) -> Response:
        """Accept or decline what is held. Two tabs' taps on one hold have one key, of the decision that held it."""
        if command not in ANSWERS:
            raise problems.not_found("操作", "command")
        form = await visit.form()
        visit.require("venue-staff", "center")
        held = form.get("held", "")
        path = f"/v1/bookings/{segment(request_id)}/{command}"
        try:
            await visit.call("matching", "POST", path, key=f"{command}-{held}" if held.isdecimal() else None)
        except Refused as refused:
            return await show(visit, request_id, refusals.plain(refused, visit.lang), command)
        back = back_path(form.get("back", ""), f"/bookings/{segment(request_id)}")
        return visit.go(f"{back}{'&' if '?' in back else '?'}done={command}-{held}")


async def context(visit: Visit, request_id: str) -> dict[str, Any]:
    """What a booking's page shows: its state here, and what matching tells of it beside, if it can be asked."""
    who = visit.who
    async with visit.desk.pool.acquire() as connection:
        known = await bookings.one(connection, request_id)
        if known is None or not await people.acts_for(connection, who.organization_id, known["venue_id"]):
            raise problems.not_found("点单", "booking")
        slot = await offers.slot(connection, known["slot_id"])
        others: list[dict[str, Any]] = []
        if known["status"] in LOST:
            others = await bookings.alternatives(connection, known["slot_id"], known["venue_id"], known["party_size"])
    told = await _asked(visit, f"/v1/bookings/{segment(request_id)}")
    booking = _merged(known, told)
    draw = None
    if slot and slot["mode"] == "draw":
        draw = await _asked(visit, f"/v1/slots/{segment(known['slot_id'])}")
    return {
        "booking": booking,
        "slot": slot,
        "draw": draw,
        "why": why.sentences(booking, slot, visit.lang),
        "others": others,
        "can_act": who.has("venue-staff", "center"),
        "done": visit.q("done"),
        "server_now": (told or {}).get("server_time") or datetime.now(UTC),
    }


def tag(found: dict[str, Any]) -> str:
    """Changes whenever the shown state does."""
    booking, slot = found["booking"], found["slot"] or {}
    named = [booking.get(name) for name in ("status", "sequence", "place", "ahead", "hold_until", "reason")]
    session = [slot.get(name) for name in ("revised_at", "state", "capacity", "overrides")]
    others = [(one["slot_id"], one["free"]) for one in found["others"]]
    return repr((named, session, others, (found["draw"] or {}).get("seed"), len(booking["receipts"])))


async def _asked(visit: Visit, path: str) -> dict[str, Any] | None:
    """Matching's answer, or None: then the page shows what the portal knows itself."""
    try:
        return await visit.call("matching", "GET", path)
    except Refused as refused:
        log.warning("matching-not-asked", path=path, why=refused.detail)
        return None


def _merged(known: dict[str, Any], told: dict[str, Any] | None) -> dict[str, Any]:
    """A booking as the page shows it: the portal's own state, or matching's where that has gone further."""
    ours = known | {"receipts": [], "why": None, "number": None, "entered": known["status"] == "entered"}
    if told is None:
        return ours
    further = {name: value for name, value in told.items() if name in ours or name in ("why", "number", "receipts")}
    receipts = told.get("receipts") or []
    sequence = receipts[-1]["sequence"] if receipts else None
    return ours | further | {"sequence": sequence if sequence is not None else known["sequence"], "receipts": receipts}


async def show(visit: Visit, request_id: str, refused: Refused | None = None, wanted: str = "") -> Response:
    """A booking's page; after a refusal with its words, or with what had happened to the hold before."""
    found = await context(visit, request_id)
    already = None
    if refused is not None and refused.code == "not-held":
        already = _already(visit, found["booking"], wanted)
        refused = None if already else refused
    live_of = f"booking={segment(request_id)}" + (f"&done={segment(visit.q('done'))}" if visit.q("done") else "")
    return visit.page(
        "booking.html",
        min(refused.status, 503) if refused else 409 if already else 200,
        refused=refused,
        already=already,
        live_of=live_of,
        **found,
    )


def _already(visit: Visit, booking: dict[str, Any], wanted: str) -> str | None:
    """What had happened to a hold when its answer came: in another window perhaps, or by the clock."""
    match booking["status"], booking["reason"]:
        case "confirmed", "accepted":
            if wanted == "accept":
                return visit.t(
                    "这份名额已经确认过了（可能在另一个窗口），不用再按。",
                    "This was accepted already, perhaps in another tab.",
                )
            return visit.t(
                "这份名额在此之前已经确认（可能在另一个窗口）。不要了，请按“取消点单”。",
                "This was accepted before, perhaps in another tab. To give it back, cancel the booking.",
            )
        case "released", "declined":
            return visit.t(
                "这份名额在此之前已经放弃（可能在另一个窗口），已让给下一位。",
                "This was declined before, perhaps in another tab; the places went to the next in line.",
            )
        case (("waitlisted" | "lapsed"), ("hold-lapsed" | "hold-lapsed-again")):
            return visit.t(
                "保留时间已过，名额已让给下一位。", "The time was over: the places went to the next in line."
            )
        case (("waitlisted" | "displaced"), ("capacity-cut" | "capacity-cut-closed")):
            return visit.t(
                "主办单位刚刚减少了名额，保留的名额已收回。",
                "The provider has just cut the places: yours were taken back.",
            )
        case "confirmed", _:
            return visit.t("这份点单已经是预约成功。", "This booking is confirmed already.")
    return None


async def show_all(visit: Visit, refused: Refused | None = None) -> Response:
    """My bookings, live ones unless all are asked for."""
    live = visit.q("all") != "1"
    async with visit.desk.pool.acquire() as connection:
        rows = await bookings.bookings(
            connection, visit.who.organization_id, live=live, after=visit.after("bookings"), limit=MOST + 1
        )
    shown, following = part(rows, MOST, "bookings", "asked_at", "request_id")
    shown = await queue.placed(visit, shown)
    status = min(refused.status, 503) if refused else 200
    return visit.page("bookings.html", status, bookings=shown, following=following, live=live, refused=refused)
