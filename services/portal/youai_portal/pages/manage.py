"""A session's own desk: its provider changes it and records who came; the guidance center gives places (调配)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_contracts.codec import rfc3339
from youai_runtime import problems
from youai_runtime.problems import Problem

from youai_portal import refusals, words
from youai_portal.clients import Refused
from youai_portal.pages.slots import managing
from youai_portal.store import bookings, manage, offers, people
from youai_portal.web import Desk, Fields, Visit, new_key, part, segment

MOST_LINES = 200
MOST_WAITING = 30
MOST_SHOWN = 20
TIMES = ("opens_at", "closes_at", "starts_at", "ends_at")


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/slots/{slot_id}/manage")
    async def page(slot_id: str, visit: here) -> Response:
        return await show(visit, slot_id)

    @routes.post("/slots/{slot_id}/change")
    async def change(slot_id: str, visit: here) -> Response:
        """Say first what a change would do; do it once that was said and confirmed."""
        form = await visit.form()
        visit.require("provider-staff")
        slot, _ = await _own(visit, slot_id)
        try:
            wanted = _changes(visit, slot, form)
            async with desk.pool.acquire() as connection:
                hit = await manage.hit(connection, slot_id, int(wanted.get("capacity", slot["capacity"])))
            if form.get("said") != f"{hit.venues}-{hit.places}":
                return await show(visit, slot_id, form=form, said={"hit": hit, "wanted": wanted})
            body = wanted | {"reason": form.get("reason", "")}
            path = f"/v1/sessions/{segment(slot_id)}"
            await visit.call("catalog", "PATCH", path, body=body, key=form.get("key") or new_key())
        except Refused as refused:
            return await show(visit, slot_id, form=form, refused=refused, where="change")
        return visit.go(f"/slots/{segment(slot_id)}/manage?done=change")

    @routes.post("/slots/{slot_id}/attendance")
    async def attendance(slot_id: str, visit: here) -> Response:
        form = await visit.form(2 * MOST_LINES + 10)
        visit.require("provider-staff")
        await _own(visit, slot_id)
        try:
            lines = await _lines(visit, slot_id, form)
            path = f"/v1/sessions/{segment(slot_id)}/attendance"
            await visit.call("catalog", "POST", path, body={"attendance": lines}, key=form.get("key") or new_key())
        except Refused as refused:
            return await show(visit, slot_id, form=form, refused=refused, where="attendance")
        return visit.go(f"/slots/{segment(slot_id)}/manage?done=attendance")

    @routes.post("/slots/{slot_id}/override")
    async def override(slot_id: str, visit: here) -> Response:
        form = await visit.form()
        visit.require("center")
        await _own(visit, slot_id)
        try:
            body = await _override(visit, slot_id, form)
            path = f"/v1/slots/{segment(slot_id)}/overrides"
            answer = await visit.call("matching", "POST", path, body=body, key=form.get("key") or new_key())
        except Refused as refused:
            if refused.code == "key-reused":
                form.pop("key", None)
            return await show(visit, slot_id, form=form, refused=refusals.plain(refused, visit.lang), where="override")
        return visit.go(f"/slots/{segment(slot_id)}/manage?done=override&given={segment(str(answer['request_id']))}")


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 7 else None


def _changes(visit: Visit, slot: dict[str, Any], form: dict[str, str]) -> dict[str, Any]:
    """What the form says otherwise than the session stands. Raises Refused where it says nothing or no sense."""
    found: dict[str, Any] = {}
    capacity = _number(form.get("capacity", ""))
    if capacity is None or capacity < 1:
        raise Refused(422, "invalid", visit.t("请填写名额总数（至少1个）。", "Say how many places, at least one."))
    if capacity != slot["capacity"]:
        found["capacity"] = capacity
    for name in TIMES:
        if name not in form or form[name] == words.form_value(slot[name]):
            continue  # the form shows minutes: what was not touched stays to the second
        at = words.parse_local(form[name])
        if at is None:
            raise Refused(422, "invalid", visit.t("有一个时间没有填对。", "One of the times cannot be read."))
        found[name] = rfc3339(at)
    if form.get("venue_name", slot["venue_name"]) != slot["venue_name"]:
        found["venue_name"] = form["venue_name"]
    if not found:
        raise Refused(422, "invalid", visit.t("没有改动任何一项。", "Nothing is changed."))
    if not form.get("reason"):
        raise Refused(422, "invalid", visit.t("请写明原因，点单的单位会看到。", "Say why; those who booked read it."))
    return found


async def _lines(visit: Visit, slot_id: str, form: dict[str, str]) -> list[dict[str, Any]]:
    """A line for each booking whose number was filled in."""
    rows = [name.removeprefix("request-") for name in form if name.startswith("request-")]
    came = {form[f"request-{row}"]: form[f"came-{row}"] for row in rows if form.get(f"came-{row}")}
    numbers = {request_id: _number(text) for request_id, text in came.items()}
    if not came or None in numbers.values():
        raise Refused(422, "invalid", visit.t("请填写到场人数（没有来填0）。", "Fill in how many came, 0 for nobody."))
    async with visit.desk.pool.acquire() as connection:
        venues = await manage.venues_of(connection, slot_id, list(came))
    return [
        {"request_id": request_id, "venue_id": venues[request_id], "attended": number}
        for request_id, number in numbers.items()
        if request_id in venues
    ]


async def _override(visit: Visit, slot_id: str, form: dict[str, str]) -> dict[str, Any]:
    """An override's body: for somebody who waits, or for another venue."""
    explanation, whom = form.get("explanation", ""), form.get("whom", "")
    if not explanation:
        raise Refused(422, "invalid", visit.t("必须写明理由。", "A reason is mandatory."))
    more: dict[str, Any] = {}
    if form.get("capacity"):
        capacity = _number(form["capacity"])
        if not capacity:
            raise Refused(422, "invalid", visit.t("新的名额总数没有填对。", "The new number of places cannot be read."))
        more["capacity"] = capacity
    kind, _, id_ = whom.partition(":")
    if kind == "request":
        async with visit.desk.pool.acquire() as connection:
            booking = await bookings.one(connection, id_)
        if booking is None or booking["slot_id"] != slot_id:
            raise problems.not_found("点单", "booking")
        named = {"venue_id": booking["venue_id"], "party_size": booking["party_size"], "request_id": id_}
        return named | more | {"explanation": explanation}
    size = _number(form.get("party_size", ""))
    if kind != "venue" or not id_ or not size:
        raise Refused(422, "invalid", visit.t("请选一个单位，并填写名额数。", "Pick a venue, and say how many places."))
    return {"venue_id": id_, "party_size": size, "explanation": explanation} | more


async def _own(visit: Visit, slot_id: str) -> tuple[dict[str, Any], str]:
    """The session and in which capacity this visit manages it. Raises 404 and 403."""
    async with visit.desk.pool.acquire() as connection:
        slot = await offers.slot(connection, slot_id)
        if slot is None:
            raise problems.not_found("场次", "session")
        manages = await managing(visit, connection, slot)
    if not manages:
        raise Problem(
            403, "forbidden", "这一页只给主办单位和指导中心。", "This page is for its provider and the guidance center."
        )
    return slot, manages


async def show(
    visit: Visit,
    slot_id: str,
    *,
    form: dict[str, str] | None = None,
    refused: Refused | None = None,
    where: str = "",
    said: dict[str, Any] | None = None,
) -> Response:
    """The desk; after a refusal with its words at the form that was sent, or with what a change would do."""
    visit.require("provider-staff", "center")
    slot, manages = await _own(visit, slot_id)
    shown: dict[str, Any] = {"lines": [], "following": None, "waiting": [], "given": [], "venues": [], "fresh": None}
    async with visit.desk.pool.acquire() as connection:
        if manages == "provider":
            rows = await manage.confirmed(connection, slot_id, visit.after("attendance"), MOST_LINES + 1)
            shown["lines"], shown["following"] = part(rows, MOST_LINES, "attendance", "first_at", "request_id")
        else:
            shown["waiting"] = await manage.waiting(connection, slot_id, MOST_WAITING)
            shown["given"] = await manage.overrides(connection, slot_id, MOST_SHOWN)
            if visit.q("given", 200):
                shown["fresh"] = await bookings.one(connection, visit.q("given", 200))
            if visit.q("q"):
                found = await people.find_organizations(connection, visit.q("q"), MOST_SHOWN)
                shown["venues"] = [one for one in found if one["kind"] == "venue"]
    return visit.page(
        "manage.html",
        min(refused.status, 503) if refused else 200,
        slot=slot,
        manages=manages,
        form=Fields({"key": new_key()} | (form or {})),
        refused=refused,
        where=where,
        said=said,
        done=visit.q("done"),
        q=visit.q("q"),
        **shown,
    )
