"""The route of overrides: the guidance center gives a venue places, past opening, queue and shares, and says why."""

from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI
from youai_contracts.events import OverrideRequested
from youai_runtime import keys, problems
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.keys import Key
from youai_runtime.problems import Problem

from youai_matching import admission, desk, ids, requests
from youai_matching.desk import Desk
from youai_matching.forms import OverrideBody, PathId, Taken
from youai_matching.rates import Rates


def add(app: FastAPI, at: Desk, authenticate: Authenticator, rates: Rates) -> None:
    """Add the route."""
    caller = Annotated[Principal, Depends(authenticate)]

    @app.post("/v1/slots/{slot_id}/overrides", status_code=202, response_model=Taken)
    async def override(slot_id: PathId, body: OverrideBody, who: caller, key: Key = None) -> Taken:
        who.require("center")
        rates.count(who)
        command_id = ids.command_id("override", who.organization_id, f"override {slot_id}", keys.required(key))
        digest = ids.body_hash(slot_id, *body.model_dump().values())
        request_id = body.request_id or command_id
        if await at.is_taken(command_id, digest):
            return Taken(request_id=request_id)
        async with at.pool.acquire() as connection:
            known = await requests.override_facts(
                connection, who.organization_id, slot_id, body.venue_id, body.request_id
            )
        _admit(at, body, known)
        event = OverrideRequested(
            slot_id=slot_id,
            request_id=request_id,
            venue_id=body.venue_id,
            town=known["town"],
            party_size=body.party_size,
            capacity=body.capacity,
            explanation=body.explanation,
            actor=desk.actor(who),
        )
        await at.take_for(command_id, "override", event, body.request_id, body.venue_id, body.party_size, digest)
        return Taken(request_id=request_id)


def _admit(at: Desk, body: OverrideBody, known: asyncpg.Record) -> None:
    """Refuse what the decider would: what is decided there is decided again, and this only spares the wait."""
    if known["venue_kind"] is not None and not known["in_scope"]:
        raise problems.forbidden("只能为本市的单位安排。", "You can give places to organizations below yours alone.")
    if known["venue_kind"] != "venue":
        raise Problem(404, "venue-unknown", "没有这个单位。", "There is no such venue, or it was not read yet.")
    if known["phase"] is None:
        raise admission.slot_unknown()
    if known["phase"] == "cancelled":
        raise admission.slot_cancelled()
    version = at.rules.by_version.get(known["rule_version"])
    if version is not None and version.override is None:
        raise Problem(
            409, "no-override", "本场的规则版本没有指导中心安排这一条。", "This slot's rule version has no overrides."
        )
    party_size, free = body.party_size, max(known["capacity"], body.capacity or 0) - known["taken"]
    if body.request_id is None:
        if known["request_id"] is not None:
            raise Problem(
                409,
                "already-live",
                "该单位在本场已有一份预约或候补，请写明是哪一份（request_id）。",
                "The venue has a request here already: name it as request_id.",
                extra={"request_id": known["request_id"], "state": known["status"]},
            )
    else:
        if known["request_id"] is None:
            raise problems.not_found("点单", "booking of this venue in this slot")
        if known["status"] not in ("entered", "waitlisted", "promoted"):
            raise Problem(
                409,
                "not-waiting",
                "这份点单不在候补或抽签中。",
                "This booking is neither in the queue nor in the draw.",
            )
        party_size = 0 if known["status"] == "promoted" else known["party_size"]  # which holds its places already
    if party_size > free:
        raise Problem(
            409,
            "override-full",
            f"名额不够：共{known['capacity']}个，已占{known['taken']}个。要增加名额，请写明新的总数（capacity）。",
            f"Too few places: {known['taken']} of {known['capacity']} are taken. To add places, say the new capacity.",
            extra={"capacity": known["capacity"], "taken": known["taken"]},
        )
