"""Demands: the public table, one demand with its timeline, and what a provider or the venue does with it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_contracts.codec import rfc3339
from youai_runtime import problems
from youai_runtime.problems import Problem

from youai_portal import words
from youai_portal.clients import Refused
from youai_portal.store import demands as store
from youai_portal.web import Desk, Fields, Visit, new_key, part, segment

MOST = 30

COMMANDS: dict[str, tuple[str, ...]] = {
    "claim": ("provider-staff",),
    "schedule": ("provider-staff",),
    "hand-back": ("provider-staff",),
    "fulfil": ("venue-staff", "center"),
    "withdraw": ("venue-staff", "center"),
}
"""Who may send what; the service itself decides by the organization."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/demands")
    async def table(visit: here) -> Response:
        mine = visit.person.organization_id if visit.q("mine") and visit.person else ""
        wanted = store.Filter(visit.q("category"), visit.q("town"), visit.q("state"), visit.q("q"), mine)
        async with desk.pool.acquire() as connection:
            rows = await store.table(connection, wanted, visit.after("demands"), MOST + 1)
            counts = await store.states(connection, wanted)
            towns = await store.towns(connection)
        shown, following = part(rows, MOST, "demands", "posted_at", "demand_id")
        template = "parts/demand_rows.html" if visit.partial and visit.q("cursor") else "demands.html"
        return visit.page(
            template, wanted=wanted, mine=bool(mine), demands=shown, following=following, counts=counts, towns=towns
        )

    @routes.get("/demands/{demand_id}")
    async def one(demand_id: str, visit: here) -> Response:
        try:
            return await show(visit, demand_id)
        except Problem as problem:
            if problem.status == 404 and visit.q("done") == "posted":  # the lane has not read it yet
                return visit.page("pending.html")
            raise

    @routes.get("/demands/{demand_id}/state")
    async def state(demand_id: str, visit: here) -> Response:
        return visit.page("parts/demand_state.html", **await context(visit, demand_id))

    @routes.post("/demands/{demand_id}/{command}")
    async def command(demand_id: str, command: str, visit: here) -> Response:
        if command not in COMMANDS:
            raise problems.not_found("操作", "command")
        form = await visit.form()
        visit.require(*COMMANDS[command])
        path = f"/v1/demands/{segment(demand_id)}/{'claims' if command == 'claim' else command}"
        try:
            body = _body(visit, command, form)
            answer = await visit.call("demand", "POST", path, body=body, key=form.get("key") or new_key())
        except Refused as refused:
            return await show(visit, demand_id, refused=refused, form=form, command=command)
        note = answer.get("claim_id", "") if command == "claim" else ""
        return visit.go(f"/demands/{segment(demand_id)}?done={command}" + (f"&claim={segment(note)}" if note else ""))


def _body(visit: Visit, command: str, form: dict[str, str]) -> dict[str, Any]:
    """A command's body from its form. Raises Refused where a field cannot be what it must be."""
    claim = {"claim_id": form["claim_id"]} if form.get("claim_id") else {}
    match command:
        case "schedule":
            at = words.parse_local(form.get("scheduled_at", ""))
            if at is None:
                raise Refused(422, "invalid", visit.t("请填写时间。", "Say when."))
            return claim | {"scheduled_at": rfc3339(at), "place": form.get("place", ""), "note": form.get("note", "")}
        case "hand-back":
            return claim | {"reason": form.get("reason", "")}
        case "withdraw":
            return {"reason": form.get("reason", "")}
        case "fulfil":
            numbers = {name: form.get(name, "") for name in ("rating", "residents_served")}
            if not all(value.isdecimal() and len(value) < 9 for value in numbers.values()):
                raise Refused(422, "invalid", visit.t("请选择评分并填写服务人数。", "Rate it and say how many came."))
            return {name: int(value) for name, value in numbers.items()} | {"comment": form.get("comment", "")}
    return {}


async def context(visit: Visit, demand_id: str) -> dict[str, Any]:
    """What a demand's page shows to this visit."""
    async with visit.desk.pool.acquire() as connection:
        demand = await store.one(connection, demand_id)
        if demand is None:
            raise problems.not_found("需求", "demand")
        lines = await store.timeline(connection, demand_id)
        claims = await store.claims_of(connection, demand_id)
    person = visit.person
    own = [claim for claim in demand["claims"] if person and claim["provider_id"] == person.organization_id]
    asked = [claim for claim in claims if person and claim["provider_id"] == person.organization_id]
    return {
        "demand": demand,
        "timeline": [line | {"details": _shown(person, demand, bool(own), line)} for line in lines],
        "claims": claims,
        "own": own,
        "asked": asked,
        "is_venue": bool(person and person.has("venue-staff", "center") and _acts_for(person, demand["venue_id"])),
        "is_provider": bool(person and person.has("provider-staff")),
        "done": visit.q("done"),
        "asked_for": visit.q("claim"),
        "form": Fields(),
        "command": "",
        "soon": words.days_ahead(datetime.now(UTC), 3, 9),
    }


def _shown(person: Any, demand: dict[str, Any], has_it: bool, line: dict[str, Any]) -> Fields:
    """What a line tells: free text is for the demand's venue, who wrote it, who has the demand, and the center."""
    told = Fields(line["details"])
    mine = person and person.organization_id in (demand["venue_id"], line["organization_id"])
    if not (mine or has_it or (person and person.has("center"))):
        told.pop("text", None)
    return told


def _acts_for(person: Any, venue_id: str) -> bool:
    """Whether to show the venue's commands; demand itself decides whether the organization stands above the venue."""
    return person.organization_id == venue_id or person.level in ("center", "institute", "station")


async def show(
    visit: Visit,
    demand_id: str,
    *,
    refused: Refused | None = None,
    form: dict[str, str] | None = None,
    command: str = "",
) -> Response:
    """A demand's page; after a refusal with its words, and what was filled in."""
    found = await context(visit, demand_id)
    return visit.page(
        "demand.html",
        min(refused.status, 503) if refused else 200,
        refused=refused,
        live_of=f"demand={segment(demand_id)}" + (f"&claim={segment(visit.q('claim'))}" if visit.q("claim") else ""),
        **found | {"form": Fields(form or {}), "command": command},
    )
