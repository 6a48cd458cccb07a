"""Portal's HTTP: the pages put together, what every answer carries, and errors told in plain words."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote

import asyncpg
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from youai_runtime import logs, problems
from youai_runtime.database import Pool
from youai_runtime.errors import is_database_transient
from youai_runtime.http import Checks, create_app
from youai_runtime.problems import Problem

from youai_portal.clients import Refused, Services
from youai_portal.live import Hub
from youai_portal.pages import (
    bookings,
    claims,
    demand_new,
    demands,
    home,
    inbox,
    ledger,
    live,
    manage,
    offer_import,
    offers,
    resources,
    search,
    signin,
    slots,
)
from youai_portal.signin import SignIn
from youai_portal.web import HERE, Desk, Visit

log = logs.get(__name__)

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_PAGES = (
    home,
    demand_new,
    demands,
    offer_import,
    offers,
    slots,
    bookings,
    manage,
    claims,
    live,
    inbox,
    resources,
    ledger,
    search,
    signin,
)
_OURS = ("/livez", "/readyz", "/metrics", "/openapi.json")


def make_api(
    *,
    pool: Pool,
    hub: Hub,
    services: Services,
    sign_in: SignIn,
    secure: bool,
    session_hours: float,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""
    desk = Desk(pool, hub, services, sign_in, secure, session_hours)
    app = create_app("Youai portal", ready=ready, lifespan=lifespan, large_bodies=offer_import.LARGE_BODIES)
    for kind in (Problem, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _teller(desk))
    for module in _PAGES:
        router = APIRouter(route_class=_PageRoute, include_in_schema=False)
        module.add(router, desk)
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_middleware(_Headers)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    return app


class _PageRoute(APIRoute):
    """Turns what a page's code raises into what can be told."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler with its errors turned."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Refused as refused:
                headers = {"Retry-After": refused.retry_after} if refused.retry_after else {}
                raise Problem(refused.status, refused.code, refused.detail, refused.detail, headers) from None
            except (Problem, HTTPException, RequestValidationError):
                raise
            except Exception as error:
                if is_database_transient(error):
                    log.warning("store-away", error=repr(error), path=request.url.path)
                    raise Problem(
                        503,
                        "unavailable",
                        "系统暂时不可用，请稍后刷新。",
                        "The system is away for the moment. Try again soon.",
                    ) from None
                log.error("failed", path=request.url.path, exc_info=error)
                raise Problem(
                    500, "internal", "系统内部错误，已记录。", "Something went wrong inside; it has been logged."
                ) from None

        return handle


def _teller(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def tell(request: Request, error: Exception) -> Response:
        if request.url.path in _OURS:
            return await _as_json(request, error)
        problem = _problem(error)
        if problem.status == 401 and problem.code == "sign-in":
            return _to_sign_in(request)
        try:
            visit: Visit = getattr(request.state, "visit", None) or await desk.visit(request)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return await _as_json(request, problem)
        if visit.partial:
            return visit.page("parts/refusal.html", problem.status, problem=problem)
        response = visit.page("error.html", problem.status, problem=problem)
        response.headers.update(problem.headers)
        return response

    return tell


def _to_sign_in(request: Request) -> Response:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = "/signin" if request.method != "GET" else f"/signin?back={quote(back, safe='/')}"
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": where})
    return Response(status_code=303, headers={"Location": where})


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        known = {404: ("没有这个页面。", "There is no such page."), 405: ("这个地址不接受这种请求。", "Not here.")}
        zh, en = known.get(error.status_code, ("请求被拒绝。", str(error.detail)))
        return Problem(error.status_code, "refused", zh, en)
    return Problem(422, "invalid", "地址里的参数有误。", "Something in the address does not fit.")


async def _as_json(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return await problems.on_invalid(request, error)
    if isinstance(error, HTTPException):
        return await problems.on_http(request, error)
    return await problems.on_problem(request, error)


class _Headers:
    """Adds what keeps pages from being framed, sniffed or fed with foreign scripts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        static = scope["path"].startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"same-origin"),
                    (b"x-frame-options", b"DENY"),
                ]
                if static and message["status"] == 200:
                    added.append((b"cache-control", b"public, max-age=31536000, immutable"))
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        await self._app(scope, receive, with_headers)
