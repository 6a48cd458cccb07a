"""Notify's HTTP: an organization's inbox, its read marks, its badge and its preferences."""

import base64
import binascii
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from youai_contracts.events import Actor
from youai_runtime import problems
from youai_runtime.auth import ROLES, Authenticator, Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.http import Checks, create_app
from youai_runtime.live import Listeners
from youai_runtime.problems import Problem

from youai_notify import events, store
from youai_notify.forms import (
    MOST_POSITION,
    CountView,
    Id,
    InboxQuery,
    InboxView,
    NotificationView,
    PreferencesForm,
    PreferencesView,
    ReadAllForm,
    ReadAllView,
    WhoseQuery,
)

MOST_MARKED = 500
"""Read marks of one transaction."""

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-Sent Events", "content": {"text/event-stream": {}}}
}
NotificationId = Annotated[Id, Path()]
Caller = Callable[..., Any]


def make_api(
    *,
    pool: Pool,
    listeners: Listeners,
    authenticate: Authenticator,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""

    async def caller(request: Request) -> Principal:
        who = await authenticate(request)
        who.require(*ROLES)
        return who

    app = create_app("Youai notify", ready=ready, lifespan=lifespan)
    app.include_router(_inbox_routes(pool, listeners, caller))
    app.include_router(_preference_routes(pool, listeners, caller))
    return app


def _inbox_routes(pool: Pool, listeners: Listeners, caller: Caller) -> APIRouter:
    routes = APIRouter(tags=["inbox"])
    member = Annotated[Principal, Depends(caller)]

    @routes.get("/v1/inbox", response_model=InboxView)
    async def inbox(query: Annotated[InboxQuery, Query()], who: member) -> Response:
        """The inbox, the newest first."""
        async with pool.acquire() as connection:
            rows = await store.page(
                connection,
                await _whose(connection, who, query.organization_id),
                before=_before(query.cursor),
                limit=query.limit + 1,
                unread=query.unread,
                kind=query.kind,
            )
        shown = rows[: query.limit]
        following = _cursor(shown[-1]["position"]) if len(rows) > query.limit else None
        return _json({"notifications": shown, "next_cursor": following})

    @routes.get("/v1/inbox/count", response_model=CountView)
    async def count(query: Annotated[WhoseQuery, Query()], who: member) -> Response:
        """How many are unread."""
        async with pool.acquire() as connection:
            return _json(await store.count(connection, await _whose(connection, who, query.organization_id)))

    @routes.get("/v1/inbox/events", response_class=Response, responses=_STREAM)
    async def listen(
        who: member, last_event_id: Annotated[str | None, Header(description="position told last")] = None
    ) -> Response:
        """Server-Sent Events: `count` at once and whenever it changes, `notification` for each new one not muted."""
        after = _position(last_event_id)
        listener = listeners.join(who.organization_id)
        if listener is None:
            raise Problem(
                503,
                "too-many-listeners",
                "实时连接已满，请改用定时查询未读数。",
                "There are as many open streams as may be. Ask for the count now and then instead.",
                {"Retry-After": "30"},
            )
        try:
            return await events.opened(pool, listeners, listener, after)
        except BaseException:
            listeners.leave(listener)
            raise

    @routes.post("/v1/inbox/read-all", response_model=ReadAllView)
    async def read_all(who: member, body: ReadAllForm) -> ReadAllView:
        """Mark all as read that had arrived by then. Asking again is harmless."""
        total = 0
        while True:
            async with pool.acquire() as connection, connection.transaction():
                marked = await store.mark_all_read(
                    connection, who.organization_id, body.bound(), MOST_MARKED, _actor(who)
                )
            total += marked
            if marked < MOST_MARKED:
                return ReadAllView(read=total)

    @routes.post("/v1/inbox/{notification_id}/read", response_model=NotificationView)
    async def read(notification_id: NotificationId, who: member) -> Response:
        """Mark one as read. Asking again is harmless: the first time stands."""
        async with pool.acquire() as connection, connection.transaction():
            row = await store.mark_read(connection, who.organization_id, notification_id, _actor(who))
        if row is None:
            raise problems.not_found("通知", "notification in your organization's inbox")
        return _json(store.view(row))

    return routes


def _preference_routes(pool: Pool, listeners: Listeners, caller: Caller) -> APIRouter:
    routes = APIRouter(tags=["preferences"])
    member = Annotated[Principal, Depends(caller)]

    @routes.get("/v1/preferences", response_model=PreferencesView)
    async def preferences(who: member) -> Response:
        """The organization's preferences."""
        async with pool.acquire() as connection:
            return _json({"muted": await store.muted(connection, who.organization_id)})

    @routes.post("/v1/preferences", response_model=PreferencesView)
    async def prefer(who: member, body: PreferencesForm) -> Response:
        """Set the organization's preferences, whole."""
        muted = sorted(set(body.muted))
        async with pool.acquire() as connection:
            await store.mute(connection, who.organization_id, muted)
        listeners.wake([who.organization_id])
        return _json({"muted": muted})

    return routes


async def _whose(connection: Connection, who: Principal, organization_id: str | None) -> str:
    """The inbox that is asked for: one's own, or, for the center, one below it."""
    if organization_id is None or organization_id == who.organization_id:
        return who.organization_id
    if "center" in who.roles and await store.is_below(connection, who.organization_id, organization_id):
        return organization_id
    raise problems.forbidden("只能查看本单位的通知。", "You can read your own organization's inbox alone.")


def _actor(who: Principal) -> Actor:
    return Actor(subject=who.subject, organization_id=who.organization_id)


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"inbox {position}".encode()).decode().rstrip("=")


def _before(cursor: str | None) -> int | None:
    """The position before which the next part begins."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raw = ""
    name, _, position = raw.partition(" ")
    if name != "inbox" or not _is_position(position):
        raise Problem(
            422,
            "invalid",
            "游标无效，请从头开始。",
            "The cursor is none that this list gave: start from the beginning.",
        )
    return int(position)


def _position(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not _is_position(last_event_id):
        raise Problem(
            422, "invalid", "Last-Event-ID 无效。", "Last-Event-ID is none that this stream gave: leave it out."
        )
    return int(last_event_id)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MOST_POSITION
