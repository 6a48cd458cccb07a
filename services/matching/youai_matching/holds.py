"""Routes of holds: a venue accepts what is held for it, or declines it."""

from typing import Annotated

import asyncpg
import msgspec
from fastapi import Depends, FastAPI
from youai_contracts.events import HoldAccepted, HoldDeclined
from youai_runtime import keys
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.keys import Key

from youai_matching import admission, desk, ids
from youai_matching.desk import Desk
from youai_matching.forms import PathId, Taken
from youai_matching.rates import Rates


def add(app: FastAPI, at: Desk, authenticate: Authenticator, rates: Rates) -> None:
    """Add the routes."""
    caller = Annotated[Principal, Depends(authenticate)]

    @app.post("/v1/bookings/{request_id}/accept", status_code=202, response_model=Taken)
    async def accept_hold(request_id: PathId, who: caller, key: Key = None) -> Taken:
        return await answer(request_id, who, key, "accept")

    @app.post("/v1/bookings/{request_id}/decline", status_code=202, response_model=Taken)
    async def decline_hold(request_id: PathId, who: caller, key: Key = None) -> Taken:
        return await answer(request_id, who, key, "decline")

    async def answer(request_id: str, who: Principal, key: str | None, kind: str) -> Taken:
        who.require("venue-staff", "center")
        rates.count(who)
        row = await at.own_booking(who, request_id)
        held = _held_since(row)
        key = keys.required(key or f"{kind}-{held}")
        command_id = ids.command_id(kind, who.organization_id, f"{kind} {request_id}", key)
        digest = ids.body_hash(request_id)
        if await at.is_taken(command_id, digest):
            return Taken(request_id=command_id)
        if row["status"] == "received":
            raise admission.undecided()
        if row["hold_until"] is None:
            raise admission.not_held()
        cls = HoldAccepted if kind == "accept" else HoldDeclined
        event = cls(slot_id=row["slot_id"], request_id=request_id, held=held, actor=desk.actor(who))
        await at.take(command_id, kind, event, row, digest, reserve=held if kind == "accept" else None)
        return Taken(request_id=command_id)


def _held_since(row: asyncpg.Record) -> int:
    """The sequence of the booking's last promotion: a hold that follows another is another answer's."""
    decisions = (msgspec.json.decode(data) for data in row["decisions"] or ())
    return max((decision["sequence"] for decision in decisions if decision["outcome"] == "promoted"), default=0)
