"""One live connection a page (Server-Sent Events): the badge, and the state of the slot or the demand on show."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send
from youai_runtime import logs
from youai_runtime.errors import is_database_transient
from youai_runtime.problems import Problem

from youai_portal.live import Full, Watcher
from youai_portal.pages import demands, offers
from youai_portal.store import inbox
from youai_portal.web import Desk, Visit

log = logs.get(__name__)

Read = Callable[[], Awaitable[tuple[str, str]]]
"""Reads a state: what tells it from another, and its HTML."""


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the stream."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/events")
    async def events(visit: here) -> Response:
        """`badge` and `state`, each at once and again whenever it changes."""
        reads: dict[str, Read] = {}
        subjects: list[str] = []
        slot_id, demand_id = visit.q("slot", 200), visit.q("demand", 200)
        if slot_id:
            subjects.append(f"slot:{slot_id}")
            reads["state"] = _slot(visit, slot_id)
        elif demand_id:
            subjects.append(f"demand:{demand_id}")
            reads["state"] = _demand(visit, demand_id)
        if visit.person is not None:
            subjects.append(f"inbox:{visit.person.organization_id}")
            reads["badge"] = _badge(visit)
        for read in reads.values():
            await read()  # what is not there is a 404, not a stream
        watching = desk.hub.watch(*subjects)
        try:
            watcher: Watcher = watching.__enter__()
        except Full:
            raise Problem(
                503,
                "too-many-streams",
                "实时连接已满，本页改为定时刷新。",
                "There are as many live connections as may be; the page asks now and then instead.",
                {"Retry-After": "30"},
            ) from None
        return _Stream(_told(watcher, reads), partial(watching.__exit__, None, None, None))


class _Stream(EventSourceResponse):
    """A stream whose watcher leaves when it ends, however it ends."""

    def __init__(self, content: AsyncIterator[ServerSentEvent], leave: Callable[[], object]) -> None:
        super().__init__(content, ping=15, send_timeout=10, sep="\n")
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, then leave."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def _told(watcher: Watcher, reads: dict[str, Read]) -> AsyncIterator[ServerSentEvent]:
    told: dict[str, str] = {}
    try:
        async for _ in watcher.changes():
            for name, read in reads.items():
                tag, html = await read()
                if told.get(name) != tag:
                    yield ServerSentEvent(html, event=name, retry=2_000)
                    told[name] = tag
    except Exception as error:
        if not is_database_transient(error):
            raise
        log.warning("stream-ends", error=repr(error))  # the browser comes back by itself


def _slot(visit: Visit, slot_id: str) -> Read:
    async def read() -> tuple[str, str]:
        found = await offers.context(visit, slot_id)
        return offers.etag(found), visit.fragment("parts/slot_state.html", **found)

    return read


def _demand(visit: Visit, demand_id: str) -> Read:
    async def read() -> tuple[str, str]:
        html = visit.fragment("parts/demand_state.html", **await demands.context(visit, demand_id))
        return html, html

    return read


def _badge(visit: Visit) -> Read:
    async def read() -> tuple[str, str]:
        async with visit.desk.pool.acquire() as connection:
            number = await inbox.unread(connection, visit.who.organization_id)
        return str(number), visit.fragment("parts/badge.html", unread=number)

    return read
