"""Catalog's HTTP: organizations, offers and sessions; `resource_api` and `place_api` have the rest of the calls."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request, Response
from youai_runtime import fields, keys, pages, problems
from youai_runtime.auth import ROLES, Authenticator, Principal
from youai_runtime.database import Pool
from youai_runtime.description import again
from youai_runtime.fields import Id
from youai_runtime.http import Checks, create_app
from youai_runtime.keys import Key, Keyed
from youai_runtime.pages import Page

from youai_catalog import answers, offer_import_api, offers, organization_store, organizations, sessions, store
from youai_catalog.answers import Holding
from youai_catalog.domain import Organization
from youai_catalog.forms import OfferForm, OffersQuery, OpenForm, OrganizationForm, OrganizationsQuery, ReasonForm
from youai_catalog.place_api import place_routes
from youai_catalog.resource_api import resource_routes
from youai_catalog.session_forms import AttendanceForm, SessionRevisionForm
from youai_catalog.views import (
    AttendanceView,
    ImportedView,
    OffersView,
    OfferView,
    OfferWithSessionsView,
    OrganizationsView,
    OrganizationView,
    SessionsView,
    SessionView,
)

IMPORT = "/v1/organizations:import"
SESSIONS = "/v1/offers/{offer_id}/sessions"
ATTENDANCE = "/v1/sessions/{session_id}/attendance"
LARGE_BODIES = {
    IMPORT: 4 * 1024 * 1024,
    offer_import_api.IMPORT: offer_import_api.MOST_BODY,
    SESSIONS: 512 * 1024,
    ATTENDANCE: 1024 * 1024,
}

OfferId = Annotated[Id, Path()]
SessionId = Annotated[Id, Path()]


def make_api(
    *,
    pool: Pool,
    authenticate: Authenticator,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""

    def holding(*roles: str) -> Callable[..., Any]:
        async def caller(request: Request) -> Principal:
            who = await authenticate(request)
            who.require(*roles)
            return who

        return caller

    app = create_app("Youai catalog", ready=ready, lifespan=lifespan, large_bodies=LARGE_BODIES)
    app.include_router(_organization_routes(pool, holding))
    app.include_router(_offer_routes(pool, holding))
    app.include_router(offer_import_api.import_routes(pool, holding))
    app.include_router(_session_routes(pool, holding))
    app.include_router(resource_routes(pool, holding))
    app.include_router(place_routes(pool, holding))
    return app


def _organization_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["organizations"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    registrar = Annotated[Principal, Depends(holding("center", "platform"))]

    @routes.post(
        "/v1/organizations", status_code=201, response_model=OrganizationView, responses=again(OrganizationView)
    )
    async def register(request: Request, who: registrar, body: OrganizationForm, response: Response) -> Organization:
        """Register an organization, or write its new state (200)."""
        fields = body.model_dump() | {"categories": tuple(dict.fromkeys(body.categories))}
        organization = Organization(**fields)
        try:
            new = await organizations.register(pool, who, organization)
        except organizations.Refused as refused:
            raise answers.refused(request, refused.faults, of_file=False) from None
        response.status_code = 201 if new else 200
        return organization

    @routes.post(IMPORT, response_model=ImportedView, openapi_extra=answers.FILE)
    async def import_file(request: Request, who: registrar) -> ImportedView:
        """Register all organizations of a CSV file, or of an Excel workbook's first sheet.

        The first row is organization_id,parent_id,kind,level,name,town,categories. Nothing is merged if a row is wrong.
        """
        excel = answers.is_excel(request)
        try:
            body = await request.body()
            imported, unchanged = await organizations.import_file(pool, who, body, excel=excel)
        except organizations.Refused as refused:
            raise answers.refused(request, refused.faults, of_file=True) from None
        return ImportedView(imported=imported, unchanged=unchanged)

    @routes.get("/v1/organizations", response_model=OrganizationsView)
    async def listed(query: Annotated[OrganizationsQuery, Query()], who: reader) -> Response:
        """Organizations by id."""
        (after,) = pages.after(query, "organizations", 1) or ("",)
        async with pool.acquire() as connection:
            rows = await organization_store.listed(connection, query, after, query.limit + 1)
        return answers.page("organizations", rows, query, "organizations", ("organization_id",))

    @routes.get("/v1/organizations/{organization_id}", response_model=OrganizationView)
    async def read(organization_id: Annotated[Id, Path()], who: reader) -> Response:
        """An organization."""
        async with pool.acquire() as connection:
            row = await organization_store.one(connection, organization_id)
        if row is None:
            raise problems.not_found("单位", "organization")
        return answers.as_json(row)

    return routes


def _offer_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["offers"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    publisher = Annotated[Principal, Depends(holding("provider-staff", "center"))]

    @routes.post("/v1/offers", status_code=201, response_model=OfferView, responses=again(OfferView))
    async def publish(who: publisher, body: OfferForm, key: Key = None) -> Response:
        """Publish an offer; a repeat of its key gets the same answer with 200."""
        keyed = Keyed.of(who, "POST /v1/offers", keys.required(key), body)
        new, answer = await offers.publish(pool, who, keyed, body)
        return answers.answer(answer, 201 if new else 200)

    @routes.get("/v1/offers", response_model=OffersView)
    async def listed(query: Annotated[OffersQuery, Query()], who: reader) -> Response:
        """The published offers by id."""
        (after,) = pages.after(query, "offers", 1) or ("",)
        async with pool.acquire() as connection:
            rows = await store.offers(connection, query, after, query.limit + 1)
        return answers.page("offers", rows, query, "offers", ("offer_id",))

    @routes.get("/v1/offers/{offer_id}", response_model=OfferWithSessionsView)
    async def read(offer_id: OfferId, query: Annotated[Page, Query()], who: reader) -> Response:
        """An offer, withdrawn ones too, with its sessions by start: `cursor` and `limit` are theirs."""
        after = pages.after(query, "sessions", 2)
        if after is not None and fields.instant(after[0]) is None:
            raise pages.bad_cursor()
        async with pool.acquire() as connection:
            offer = await store.offer(connection, offer_id)
            if offer is None:
                raise problems.not_found("项目", "offer")
            rows = await store.sessions(connection, offer_id, after, query.limit + 1)
        return answers.page("sessions", rows, query, "sessions", ("starts_at", "session_id"), offer)

    @routes.post("/v1/offers/{offer_id}/withdraw", response_model=OfferView)
    async def withdraw(offer_id: OfferId, who: publisher, body: ReasonForm) -> Response:
        """Withdraw an offer and cancel all its sessions. Asking again is harmless: the first reason stands."""
        return answers.as_json(await offers.withdraw(pool, who, offer_id, body.reason))

    @routes.post(
        SESSIONS,
        status_code=201,
        response_model=SessionView | SessionsView,
        responses=again(SessionView | SessionsView),
    )
    async def open_sessions(
        offer_id: OfferId, who: publisher, body: Annotated[OpenForm, Body()], key: Key = None
    ) -> Response:
        """Open a session, up to 200 of them, or those of a recurrence, all or none.

        A repeat of the key gets the same answer with 200.
        """
        keyed = Keyed.of(who, f"POST /v1/offers/{offer_id}/sessions", keys.required(key), body)
        new, answer = await offers.open_sessions(pool, who, keyed, offer_id, body)
        return answers.answer(answer, 201 if new else 200)

    return routes


def _session_routes(pool: Pool, holding: Holding) -> APIRouter:
    routes = APIRouter(tags=["sessions"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    publisher = Annotated[Principal, Depends(holding("provider-staff", "center"))]

    @routes.get("/v1/sessions/{session_id}", response_model=SessionView)
    async def read(session_id: SessionId, who: reader) -> Response:
        """A session."""
        async with pool.acquire() as connection:
            view = await store.session(connection, session_id)
        if view is None:
            raise problems.not_found("场次", "session")
        return answers.as_json(view)

    @routes.patch("/v1/sessions/{session_id}", response_model=SessionView)
    async def revise(session_id: SessionId, who: publisher, body: SessionRevisionForm, key: Key = None) -> Response:
        """Change capacity, times or place of a session until it has ended; a repeat of the key gets the same answer.

        Fields that are left out stay. `opens_at` changes until booking has opened, `closes_at` until it has closed.
        """
        keyed = Keyed.of(who, f"PATCH /v1/sessions/{session_id}", keys.required(key), body)
        return answers.answer(await sessions.revise(pool, who, keyed, session_id, body, datetime.now(UTC)))

    @routes.post(ATTENDANCE, response_model=AttendanceView)
    async def attendance(session_id: SessionId, who: publisher, body: AttendanceForm, key: Key = None) -> Response:
        """Say of at most 2,000 bookings how many came, once the session has started; the latest word stands."""
        keyed = Keyed.of(who, f"POST /v1/sessions/{session_id}/attendance", keys.required(key), body)
        return answers.answer(await sessions.record_attendance(pool, who, keyed, session_id, body, datetime.now(UTC)))

    @routes.post("/v1/sessions/{session_id}/cancel", response_model=SessionView)
    async def cancel(session_id: SessionId, who: publisher, body: ReasonForm) -> Response:
        """Cancel a session. Asking again is harmless: the first reason stands."""
        return answers.as_json(await offers.cancel(pool, who, session_id, body.reason))

    return routes
