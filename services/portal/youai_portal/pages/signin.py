"""Sign-in and sign-out: the development page to pick organization and role, or the way to the OIDC issuer and back."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from youai_runtime import logs
from youai_runtime.auth import ROLES
from youai_runtime.problems import Problem

from youai_portal.signin import OidcSignIn, Person
from youai_portal.store import people
from youai_portal.web import Desk, Visit, back_path, seat_hash

log = logs.get(__name__)

MOST_FOUND = 20
_WAY_S = 600


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages that fit the way of signing in; those of another way are not there."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.post("/signout")
    async def sign_out(visit: here) -> Response:
        await visit.form()
        if visit.seat is not None:
            async with desk.pool.acquire() as connection:
                await people.end(connection, seat_hash(visit.seat))
        response = visit.go("/")
        response.delete_cookie(desk.cookie, path="/", secure=desk.secure, httponly=True, samesite="lax")
        return response

    if isinstance(desk.sign_in, OidcSignIn):
        _add_oidc(routes, desk, desk.sign_in)
    elif desk.sign_in.kind == "development":
        _add_development(routes, desk)
    else:

        @routes.get("/signin")
        async def none(visit: here) -> Response:
            raise Problem(503, "no-sign-in", "本站还没有配置登录。", "Sign-in is not set up here.")


def _add_development(routes: APIRouter, desk: Desk) -> None:
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/signin")
    async def pick(visit: here) -> Response:
        text = visit.q("q")
        async with desk.pool.acquire() as connection:
            found = await people.find_organizations(connection, text, MOST_FOUND)
        template = "parts/organizations.html" if visit.partial else "signin.html"
        return visit.page(template, forms=True, q=text, found=found, back=back_path(visit.q("back", 500)))

    @routes.post("/signin")
    async def picked(visit: here) -> Response:
        form = await visit.form()
        role, organization_id = form.get("role", ""), form.get("organization_id", "")
        async with desk.pool.acquire() as connection:
            organization = await people.organization(connection, organization_id)
        if role not in ROLES or organization is None:
            raise Problem(422, "invalid", "请选择单位和身份。", "Pick an organization and a role.")
        person = Person(f"{role}.{organization_id}", organization_id, (role,))
        ends = datetime.now(UTC) + timedelta(hours=desk.session_hours)
        await _seat(visit, person, None, ends)
        return visit.go(back_path(form.get("back", "")))


def _add_oidc(routes: APIRouter, desk: Desk, oidc: OidcSignIn) -> None:
    here = Annotated[Visit, Depends(desk.visit)]
    way_cookie = f"{desk.cookie}-way"

    @routes.get("/signin")
    async def begin(visit: here) -> Response:
        url, kept = await oidc.begin()
        kept |= {"back": back_path(visit.q("back", 500)), "until": str(int(time.time()) + _WAY_S)}
        response = RedirectResponse(url, 303, {"Cache-Control": "no-store"})
        sealed = visit.seal.sign("way", msgspec.json.encode(kept).hex())
        response.set_cookie(
            way_cookie, sealed, max_age=_WAY_S, path="/", secure=desk.secure, httponly=True, samesite="lax"
        )
        return response

    @routes.get("/signin/back")
    async def back(visit: here) -> Response:
        sealed = visit.seal.open("way", visit.request.cookies.get(way_cookie, ""))
        kept = msgspec.json.decode(bytes.fromhex(sealed), type=dict[str, str]) if sealed else {}
        if not kept or int(kept["until"]) < time.time():
            raise Problem(401, "sign-in-refused", "登录已超时，请从头再来。", "That took too long. Start again.")
        if visit.q("error"):
            raise Problem(401, "sign-in-refused", "统一身份认证拒绝了登录。", "The identity provider refused.")
        found = await oidc.finish(kept, visit.q("state", 500), visit.q("code", 4_000))
        who = found.principal
        person = Person(who.subject, who.organization_id, tuple(sorted(who.roles)))
        longest = datetime.now(UTC) + timedelta(hours=desk.session_hours)
        ends = min(datetime.fromtimestamp(found.expires_at, UTC), longest)
        await _seat(visit, person, found.token, ends)
        response = visit.go(back_path(kept["back"]))
        response.delete_cookie(way_cookie, path="/", secure=desk.secure, httponly=True, samesite="lax")
        return response


async def _seat(visit: Visit, person: Person, token: str | None, ends: datetime) -> None:
    """Give the browser a new session (never the one that it brought), and forget the old one."""
    fresh = secrets.token_urlsafe(32)
    async with visit.desk.pool.acquire() as connection, connection.transaction():
        if visit.seat is not None:
            await people.end(connection, seat_hash(visit.seat))
        await people.begin(connection, seat_hash(fresh), person, token, ends)
    visit.seat = fresh
    age = max(1, int((ends - datetime.now(UTC)).total_seconds()))
    visit.new_cookies[visit.desk.cookie] = (visit.seal.sign("seat", fresh), age)
    log.info("signed-in", organization_id=person.organization_id, roles=list(person.roles))
