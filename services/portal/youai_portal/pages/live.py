"""One live connection a page (Server-Sent Events): the badge, and the state of whatever is on show."""

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
from youai_portal.pages import bookings, demands, slots
from youai_portal.queue import Remembered
from youai_portal.store import bookings as booking_store
from youai_portal.store import inbox, offers
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
        slot_id, demand_id, request_id = (visit.q(name, 200) for name in ("slot", "demand", "booking"))
        if slot_id:
            subjects += await _of_slot(visit, slot_id)
            reads["state"] = _slot(visit, slot_id)
        elif request_id:
            found = await bookings.context(visit, request_id)
            subjects += await _of_slot(visit, found["booking"]["slot_id"])
            reads["state"] = _booking(visit, request_id)
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
    remembered: Remembered = {}

    async def read() -> tuple[str, str]:
        found = await slots.context(visit, slot_id, remembered)
        for about in [*remembered][:-1]:  # one's own place moves for as long as the page is open
            del remembered[about]
        return slots.etag(found), visit.fragment("parts/slot_state.html", **found)

    return read


def _booking(visit: Visit, request_id: str) -> Read:
    """Matching is asked again only when what the portal itself knows of the booking has changed."""
    last: tuple[object, tuple[str, str]] | None = None

    async def read() -> tuple[str, str]:
        nonlocal last
        async with visit.desk.pool.acquire() as connection:
            pulse = await booking_store.pulse(connection, request_id)
        if last is None or last[0] != pulse:
            found = await bookings.context(visit, request_id)
            last = pulse, (bookings.tag(found), visit.fragment("parts/booking_state.html", **found))
        return last[1]

    return read


async def _of_slot(visit: Visit, slot_id: str) -> list[str]:
    """What a slot's page watches: its bookings, and its offer, where sessions are changed."""
    async with visit.desk.pool.acquire() as connection:
        slot = await offers.slot(connection, slot_id)
    return [f"slot:{slot_id}", *([f"offer:{slot['offer_id']}"] if slot else [])]


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
