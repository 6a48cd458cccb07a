"""Demand's HTTP: who may call what, the public table and its cursor; the commands are in `commands`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Response
from pydantic import BaseModel
from youai_runtime import fields, keys, pages, problems
from youai_runtime.auth import ROLES, Authenticator, Principal
from youai_runtime.database import Pool
from youai_runtime.description import again
from youai_runtime.fields import Id
from youai_runtime.http import Checks, create_app
from youai_runtime.keys import Key, Keyed

from youai_demand import commands, residents, views
from youai_demand.forms import (
    ClaimForm,
    ClaimView,
    DemandForm,
    DemandsQuery,
    DemandsView,
    FulfilForm,
    HandBackForm,
    ResidentView,
    ScheduleForm,
    TakenView,
    WholeView,
    WithdrawForm,
)

DEMAND = "/v1/demands/{demand_id}"

DemandId = Annotated[Id, Path()]
ClaimId = Annotated[Id, Path()]
Holding = Callable[..., Callable[..., Any]]


def make_api(
    *,
    pool: Pool,
    authenticate: Authenticator,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""

    def holding(*roles: str) -> Callable[..., Any]:
        async def caller(who: Annotated[Principal, Depends(authenticate)]) -> Principal:
            who.require(*roles)
            return who

        return caller

    app = create_app("Youai demand", ready=ready, lifespan=lifespan)
    app.include_router(_demand_routes(pool, holding))
    app.include_router(_claim_routes(pool, holding))
    app.include_router(_resident_routes(pool, holding))
    return app


def _demand_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["demands"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    poster = Annotated[Principal, Depends(holding(*commands.POSTING_ROLES))]
    venue = Annotated[Principal, Depends(holding("venue-staff", "center"))]

    @routes.post("/v1/demands", status_code=201, response_model=WholeView, responses=again(WholeView))
    async def post(who: poster, body: DemandForm, key: Key = None) -> Response:
        """Post a demand; a repeat of its key gets the same answer with 200."""
        keyed = Keyed.of(who, "POST /v1/demands", keys.required(key), body)
        new, answer = await commands.post(pool, who, keyed, body)
        return _answer(answer, 201 if new else 200)

    @routes.get("/v1/demands", response_model=DemandsView)
    async def listed(query: Annotated[DemandsQuery, Query()], who: reader) -> Response:
        """The public table of demands, the latest first."""
        after = pages.after(query, "demands", 2)
        async with pool.acquire() as connection:
            rows = await views.table(connection, query, after and (_posted_at(after[0]), after[1]), query.limit + 1)
        shown, following = pages.part(rows, query, "demands", ("posted_at", "demand_id"))
        return _json({"demands": shown, "next_cursor": following})

    @routes.get(DEMAND, response_model=WholeView)
    async def read(demand_id: DemandId, who: reader) -> Response:
        """A demand with its claims and its story; what people wrote beside is shown to whom it is of."""
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            view = await views.whole(connection, demand_id, who.organization_id, commands.now())
        if view is None:
            raise problems.not_found("需求", "demand")
        return _json(view)

    @routes.post(DEMAND + "/fulfil", response_model=WholeView)
    async def fulfil(demand_id: DemandId, who: venue, body: FulfilForm, key: Key = None) -> Response:
        """The venue says that it was done, and rates it."""
        keyed = _keyed(who, "fulfil", demand_id, key, body)
        return _answer(await commands.fulfil(pool, who, keyed, demand_id, body))

    @routes.post(DEMAND + "/withdraw", response_model=WholeView)
    async def withdraw(demand_id: DemandId, who: venue, body: WithdrawForm, key: Key = None) -> Response:
        """The venue takes the demand back; claims end. Asking again is harmless: the first reason stands."""
        keyed = _keyed(who, "withdraw", demand_id, key, body)
        return _answer(await commands.withdraw(pool, who, keyed, demand_id, body))

    return routes


def _claim_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["claims"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    provider = Annotated[Principal, Depends(holding("provider-staff"))]

    @routes.post(DEMAND + "/claims", status_code=202, response_model=TakenView)
    async def claim(demand_id: DemandId, who: provider, body: ClaimForm | None = None, key: Key = None) -> Response:
        """Ask for a demand. Taken in, not yet decided: read the claim, or the topic youai.claim.v1."""
        body = body or ClaimForm()
        keyed = Keyed.of(who, f"POST /v1/demands/{demand_id}/claims", keys.required(key), body)
        answer = await commands.claim(pool, who, keyed, demand_id, body)
        taken = _answer(answer, 202)
        taken.headers["Location"] = f"/v1/demands/{demand_id}/claims/{keyed.id('claim')}"
        return taken

    @routes.get(DEMAND + "/claims/{claim_id}", response_model=ClaimView)
    async def read(demand_id: DemandId, claim_id: ClaimId, who: reader) -> Response:
        """A claim, for whom it or its demand is of."""
        async with pool.acquire() as connection:
            found = await views.claim(connection, demand_id, claim_id, who.organization_id)
        if found is None:
            raise problems.not_found("接单", "claim")
        view, own = found
        if not own:
            raise problems.forbidden("这是其他单位的接单。", "This claim is another organization's.")
        return _json(view)

    @routes.post(DEMAND + "/schedule", response_model=WholeView)
    async def schedule(demand_id: DemandId, who: provider, body: ScheduleForm, key: Key = None) -> Response:
        """The claiming provider says when and where, or says it anew."""
        keyed = _keyed(who, "schedule", demand_id, key, body)
        return _answer(await commands.schedule(pool, who, keyed, demand_id, body))

    @routes.post(DEMAND + "/hand-back", status_code=202, response_model=WholeView)
    async def hand_back(demand_id: DemandId, who: provider, body: HandBackForm, key: Key = None) -> Response:
        """The claiming provider gives the demand back: it is open again once matching has ended the claim."""
        keyed = _keyed(who, "hand-back", demand_id, key, body)
        return _answer(await commands.hand_back(pool, who, keyed, demand_id, body), 202)

    return routes


def _resident_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["residents"])
    anybody = Annotated[Principal, Depends(holding(*ROLES))]  # who may is told there, where each attempt is logged

    @routes.get(DEMAND + "/resident", response_model=ResidentView)
    async def look_up(demand_id: DemandId, who: anybody, response: Response) -> ResidentView:
        """On whose behalf: for the posting venue and the center alone; every look-up is logged. 410 once erased."""
        response.headers["Cache-Control"] = "no-store"
        return await residents.look_up(pool, who, demand_id)

    @routes.delete(DEMAND + "/resident", status_code=204)
    async def erase(demand_id: DemandId, who: anybody) -> None:
        """Erase the resident's data for good; the reference stays."""
        await residents.erase(pool, who, demand_id)

    return routes


def _keyed(who: Principal, call: str, demand_id: str, key: str | None, body: BaseModel) -> Keyed | None:
    """These calls may be repeated without a key too: what is done already is not done again."""
    return Keyed.of(who, f"POST /v1/demands/{demand_id}/{call}", keys.required(key), body) if key is not None else None


def _posted_at(text: str) -> datetime:
    at = fields.instant(text)
    if at is None:
        raise pages.bad_cursor()
    return at


def _answer(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")


def _json(value: Any) -> Response:
    return _answer(msgspec.json.encode(value))
