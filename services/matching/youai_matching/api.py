"""Matching's HTTP: ask for places, cancel, read one's booking and a slot."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import msgspec
from fastapi import Depends, FastAPI, Header, Request, Response
from youai_contracts import topics
from youai_contracts.events import Actor, BookingCancelled, BookingRequested, SlotRecord
from youai_runtime import keys, logs, problems
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.database import Pool
from youai_runtime.errors import may_be_committed
from youai_runtime.http import Checks, create_app, current_traceparent
from youai_runtime.kafka import partition_of
from youai_runtime.keys import Key
from youai_runtime.live import Listener, Listeners, LiveStream, State
from youai_runtime.problems import Problem

from youai_matching import admission, answers, batch, door, ids, requests
from youai_matching.forms import BookingBody, PathId, Taken
from youai_matching.requests import Command
from youai_matching.rule_files import RuleBook
from youai_matching.sources import SOURCE

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]

log = logs.get(__name__)


def make_api(
    *,
    pool: Pool,
    appender: door.Appender,
    authenticate: Authenticator,
    rules: RuleBook,
    listeners: Listeners,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""
    app = create_app(
        "Youai matching", ready=ready, lifespan=lifespan, large_bodies={"/v1/bookings:batch": batch.MOST_BYTES}
    )
    caller = Annotated[Principal, Depends(authenticate)]

    @app.post("/v1/bookings", status_code=202, response_model=Taken)
    async def request_booking(body: BookingBody, who: caller, response: Response, key: Key = None) -> Taken:
        who.require("venue-staff", "center")
        request_id = ids.command_id("booking", who.organization_id, "bookings", keys.required(key))
        venue_id = body.venue_id or who.organization_id
        digest = ids.body_hash(body.slot_id, venue_id, body.party_size, body.auto_accept)
        async with pool.acquire() as connection:
            known = await requests.facts(
                connection,
                venue_id=venue_id,
                organization_id=who.organization_id,
                slot_id=body.slot_id,
                request_id=request_id,
            )
        response.headers["Location"] = f"/v1/bookings/{request_id}"
        if known.body_hash is not None:
            admission.same_body(known.body_hash, digest)
            return Taken(request_id=request_id)
        admission.admit(known, body.party_size)
        now = datetime.now(UTC)
        event = BookingRequested(
            slot_id=body.slot_id,
            request_id=request_id,
            venue_id=venue_id,
            town=known.town,
            party_size=body.party_size,
            auto_accept=body.auto_accept,
            requested_at=now,
            actor=Actor(subject=who.subject, organization_id=who.organization_id),
        )
        await _take(pool, appender, request_id, "booking", event, venue_id, body.party_size, digest, None)
        return Taken(request_id=request_id)

    @app.post("/v1/bookings:batch", response_model=None)
    async def request_bookings(body: batch.BatchBody, who: caller, request: Request) -> dict[str, Any]:
        who.require("venue-staff", "center")
        english = problems.wants_english(request.headers.get("accept-language", ""))
        return await batch.take(pool, appender, who, body, english)

    @app.get("/v1/bookings/{request_id}")
    async def read_booking(request_id: PathId, who: caller) -> dict[str, Any]:
        row = await _own_booking(pool, who, request_id)
        return answers.booking(rules, row)

    @app.delete("/v1/bookings/{request_id}", status_code=202, response_model=Taken)
    async def cancel_booking(request_id: PathId, who: caller, key: Key = None) -> Taken:
        who.require("venue-staff", "center")
        row = await _own_booking(pool, who, request_id)
        command_id = ids.command_id(
            "cancel", who.organization_id, f"cancel {request_id}", keys.required(key or "cancel")
        )
        digest = ids.body_hash(request_id)
        async with pool.acquire() as connection:
            taken = await connection.fetchval("SELECT true FROM request WHERE request_id = $1", command_id)
        if taken:
            return Taken(request_id=command_id)
        if row["status"] == "received":
            raise Problem(
                409,
                "undecided",
                "这份点单还没有裁定，请稍后再取消。",
                "Not decided yet: cancel once it is.",
                admission.after(1),
            )
        if row["status"] in ("rejected", "released"):
            raise Problem(
                409, "ended", "这份点单已经结束，没有可取消的。", "This booking has ended: there is nothing to cancel."
            )
        event = BookingCancelled(
            slot_id=row["slot_id"],
            request_id=request_id,
            actor=Actor(subject=who.subject, organization_id=who.organization_id),
        )
        await _take(pool, appender, command_id, "cancel", event, row["venue_id"], row["party_size"], digest, request_id)
        return Taken(request_id=command_id)

    @app.get("/v1/bookings/{request_id}/events", response_model=None)
    async def booking_events(request_id: PathId, who: caller, last: LastEventId = None) -> LiveStream:
        row = await _own_booking(pool, who, request_id)
        listener = _listen(listeners, row["slot_id"])

        async def look() -> State:
            async with pool.acquire() as connection:
                now = await requests.booking(connection, request_id)
                slot = await requests.slot(connection, row["slot_id"])
            assert now is not None
            told = answers.booking(rules, now)
            ended = told["status"] in ("rejected", "released", "refused")
            sequence = str(slot["sequence"]) if slot else "0"
            return State("end" if ended else "booking", msgspec.json.encode(told).decode(), sequence)

        return LiveStream(listeners, listener, look, last)

    @app.get("/v1/slots/{slot_id}/events", response_model=None)
    async def slot_events(slot_id: PathId, who: caller, last: LastEventId = None) -> LiveStream:
        await read_slot(slot_id, who)
        listener = _listen(listeners, slot_id)

        async def look() -> State:
            async with pool.acquire() as connection:
                row = await requests.slot(connection, slot_id)
            assert row is not None
            return State("slot", msgspec.json.encode(answers.slot(row)).decode(), str(row["sequence"]))

        return LiveStream(listeners, listener, look, last)

    @app.get("/v1/slots/{slot_id}")
    async def read_slot(slot_id: PathId, who: caller) -> dict[str, Any]:
        async with pool.acquire() as connection:
            row = await requests.slot(connection, slot_id)
        if row is None:
            raise admission.slot_unknown()
        return answers.slot(row)

    return app


async def _take(
    pool: Pool,
    appender: door.Appender,
    command_id: str,
    kind: str,
    event: SlotRecord,
    venue_id: str,
    party_size: int,
    digest: bytes,
    booking_id: str | None,
) -> None:
    """Keep a command, then append it. 503 only before it is kept; after that, 504 says that the outcome is open."""
    partition = partition_of(event.slot_id.encode(), topics.SLOT_LOG.partitions)
    if not appender.open_for(partition):
        raise problems.unavailable()
    message = door.record(event, id=command_id, source=SOURCE, traceparent=current_traceparent())
    actor: Actor = event.actor  # type: ignore[attr-defined]
    command = Command(
        request_id=command_id,
        kind=kind,
        slot_id=event.slot_id,
        partition=partition,
        booking_id=booking_id,
        organization_id=actor.organization_id,
        venue_id=venue_id,
        party_size=party_size,
        body_hash=digest,
        data=message.value,
        traceparent=current_traceparent(),
    )
    sent = False
    try:
        async with pool.acquire() as connection:
            sent = True
            taken = await requests.insert(connection, command)
    except Exception as error:
        if not (sent and may_be_committed(error)):
            raise
        log.warning("row-unknown", request_id=command_id, error=repr(error))
        raise admission.unknown() from None
    if taken is not None:  # the same key a moment ago, in another tab: that call appends
        admission.same_body(taken, digest)
        return
    try:
        await appender.append(message, partition)
    except door.Unknown:
        raise admission.unknown() from None


async def _own_booking(pool: Pool, who: Principal, request_id: str) -> asyncpg.Record:
    async with pool.acquire() as connection:
        row = await requests.booking(connection, request_id)
        if row is None:
            raise problems.not_found("点单", "booking")
        if not await requests.in_scope(connection, who.organization_id, row["venue_id"]):
            raise problems.forbidden("这是其他单位的点单。", "This booking is another organization's.")
    return row


def _listen(listeners: Listeners, slot_id: str) -> Listener:
    listener = listeners.join(slot_id)
    if listener is None:
        raise problems.unavailable(5)
    return listener
