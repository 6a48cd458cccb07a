"""Routes of bookings: ask for places, one or many at a time, read what became of them, stream it, cancel."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from youai_contracts.events import BookingCancelled, BookingRequested
from youai_runtime import description, keys, logs, problems
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.errors import is_database_transient
from youai_runtime.keys import Key
from youai_runtime.live import Listener, LiveStream, State
from youai_runtime.observed import current_traceparent
from youai_runtime.problems import Problem
from youai_runtime.quick import QuickApp, Told, plain_first

from youai_matching import admission, answers, batch, desk, direct, ids, requests
from youai_matching.desk import Desk
from youai_matching.direct import Wanted
from youai_matching.forms import BookingBody, PathId, Taken
from youai_matching.rates import Rates
from youai_matching.reservations import Asked

log = logs.get(__name__)

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]
Prefer = Annotated[
    str | None, Header(description="wait=N (RFC 7240): wait up to N seconds (at most 2) for the decision, then 200")
]

MOST_WAIT_S = 2
_DECIDED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Decided within the time that `Prefer` gave: as GET answers",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
ENDED = ("rejected", "released", "lapsed", "displaced", "refused")
_WAIT = re.compile(r"(?:^|[,;])\s*wait=([0-9]{1,9})\s*(?:$|[,;])")


def add(app: QuickApp, at: Desk, authenticate: Authenticator, rates: Rates) -> None:
    """Add the routes."""
    caller = Annotated[Principal, Depends(authenticate)]

    async def book(wanted: Wanted, who: Principal, key: str | None, prefer: str | None) -> Told:
        who.require("venue-staff", "center")
        rates.count(who)
        asking = Asking(at, who)
        request_id = asking.id_of(keys.required(key))
        headers = {"location": f"/v1/bookings/{request_id}"}
        wait_s = _preferred_wait(prefer)
        listener = at.listeners.join(wanted.slot_id) if wait_s else None  # before it is asked: no answer is missed
        is_taken = False
        try:
            await _ask(at, asking(wanted, request_id))
            is_taken = True
            if listener is not None and await _decided_within(at, listener, request_id, wait_s):
                told = await told_now(at, await at.own_booking(who, request_id))
                return 200, told, headers | {"preference-applied": f"wait={wait_s}"}
        except Exception as error:
            # What was asked is taken by now, whether or not the database can be asked what became of it.
            if not (is_taken and is_database_transient(error)):
                raise
            log.warning("waits-no-longer", request_id=request_id, error=repr(error))
        finally:
            if listener is not None:
                at.listeners.leave(listener)
        return 202, {"request_id": request_id, "status": "received"}, headers

    @app.post(
        direct.PATH,
        status_code=202,
        response_model=Taken,
        responses=_DECIDED,
    )
    async def request_booking(body: BookingBody, who: caller, key: Key = None, prefer: Prefer = None) -> Response:
        status, told, headers = await book(Wanted(**body.model_dump()), who, key, prefer)
        return JSONResponse(told, status, headers)

    direct.add(app, authenticate, book)

    async def book_all(items: list[batch.Item], who: Principal, request: Request) -> Response:
        who.require("venue-staff", "center")
        rates.count(who, -(-len(items) // batch.ITEMS_A_WRITE))
        english = problems.wants_english(request.headers.get("accept-language", ""))
        return Response(await batch.take(at, who, items, english), media_type="application/json")

    async def request_bookings(body: batch.BatchBody, who: caller, request: Request) -> Response:
        return await book_all(batch.items_of(body), who, request)

    async def plain(request: Request) -> Response | None:
        items = batch.read(request.headers.get("content-type", ""), await request.body())
        return None if items is None else await book_all(items, await authenticate(request), request)

    app.router.add_api_route(
        batch.PATH,
        request_bookings,
        methods=["POST"],
        response_model=None,
        route_class_override=plain_first(plain),
    )

    @app.get("/v1/bookings/{request_id}")
    async def read_booking(request_id: PathId, who: caller) -> dict[str, Any]:
        return await told_now(at, await at.own_booking(who, request_id))

    @app.delete("/v1/bookings/{request_id}", status_code=202, response_model=Taken)
    async def cancel_booking(request_id: PathId, who: caller, key: Key = None) -> Taken:
        who.require("venue-staff", "center")
        rates.count(who)
        row = await at.own_booking(who, request_id)
        command_id = ids.command_id(
            "cancel", who.organization_id, f"cancel {request_id}", keys.required(key or "cancel")
        )
        digest = ids.body_hash(request_id)
        if await at.is_taken(command_id, digest):
            return Taken(request_id=command_id)
        if row["status"] == "received":
            raise admission.undecided()
        if row["status"] in ENDED:
            raise Problem(
                409, "ended", "这份点单已经结束，没有可取消的。", "This booking has ended: there is nothing to cancel."
            )
        event = BookingCancelled(slot_id=row["slot_id"], request_id=request_id, actor=desk.actor(who))
        await at.take(command_id, "cancel", event, row, digest)
        return Taken(request_id=command_id)

    @app.get("/v1/bookings/{request_id}/events", response_class=Response, responses=description.STREAM)
    async def booking_events(request_id: PathId, who: caller, last: LastEventId = None) -> Response:
        row = await at.own_booking(who, request_id)
        listener = at.listen(row["slot_id"])

        async def look() -> State:
            async with at.pool.acquire() as connection:
                now = await requests.booking(connection, request_id)
                slot = await requests.slot(connection, row["slot_id"])
                assert now is not None
                told = answers.booking(at.rules, now, await at.stories.of(connection, now))
            sequence = str(slot["sequence"]) if slot else "0"
            return State("end" if told["status"] in ENDED else "booking", msgspec.json.encode(told).decode(), sequence)

        return LiveStream(at.listeners, listener, look, last)


async def told_now(at: Desk, row: Any) -> dict[str, Any]:
    """A booking as it is told, with the server's time beside it."""
    async with at.pool.acquire() as connection:
        story = await at.stories.of(connection, row)
    return answers.booking(at.rules, row, story) | {"server_time": desk.server_time()}


class Asking:
    """Makes of what somebody wants in one call what the database takes in."""

    def __init__(self, at: Desk, who: Principal) -> None:
        self._at = at
        self._organization_id = who.organization_id
        self._actor = desk.actor(who)
        self._now = datetime.now(UTC)
        self._traceparent = current_traceparent()

    def id_of(self, key: str) -> str:
        """The request that an Idempotency-Key stands for."""
        return ids.command_id("booking", self._organization_id, "bookings", key)

    def __call__(self, body: Wanted, request_id: str) -> Asked:
        """A booking as the database takes it in."""
        venue_id = body.venue_id or self._organization_id
        partition, is_open = self._at.is_open(body.slot_id)
        event = BookingRequested(
            slot_id=body.slot_id,
            request_id=request_id,
            venue_id=venue_id,
            town="",
            party_size=body.party_size,
            auto_accept=body.auto_accept,
            requested_at=self._now,
            actor=self._actor,
        )
        more = (True,) if body.overlap_ok else ()  # a key that was first used before this field was there stays good
        digest = ids.body_hash(body.slot_id, venue_id, body.party_size, body.auto_accept, *more)
        return Asked(event, partition, body.overlap_ok, is_open, digest, self._traceparent)


async def _ask(at: Desk, wanted: Asked) -> None:
    admission.accept(await at.collector.take(wanted), wanted.body_hash, wanted.event.party_size)


def _preferred_wait(prefer: str | None) -> int:
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MOST_WAIT_S) if found else 0


async def _decided_within(at: Desk, listener: Listener, request_id: str, wait_s: int) -> bool:
    """Whether the booking is decided before `wait_s` seconds are over; looks when its slot is told of, at most."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        listener.wake.clear()
        async with at.pool.acquire() as connection:
            if await requests.is_decided(connection, listener.key, request_id):
                return True
        left = until - loop.time()
        if left <= 0:
            return False
        await listener.woken(left)
