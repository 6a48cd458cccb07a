"""Matching's HTTP: ask for places, cancel, read one's booking and a slot."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import msgspec
from fastapi import Depends, FastAPI, Header, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from youai_contracts import topics
from youai_contracts.events import Actor, BookingCancelled, BookingRequested, SlotRecord
from youai_runtime import logs, problems
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.database import Pool
from youai_runtime.errors import may_be_committed
from youai_runtime.http import Checks, create_app, current_traceparent
from youai_runtime.kafka import partition_of
from youai_runtime.problems import Problem

from youai_matching import door, ids, requests
from youai_matching.domain.receipts import instant
from youai_matching.domain.rules import Text
from youai_matching.requests import Command, Facts
from youai_matching.rule_files import RuleBook
from youai_matching.streams import SOURCE

log = logs.get(__name__)

_ID = r"^[^\x00-\x20\x7f]+$"
_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="1 to 200 visible ASCII characters; the same key gets the same answer"),
]
RequestId = Annotated[str, Path(max_length=200, pattern=_ID)]


class BookingBody(BaseModel):
    """What a venue asks for: fields as in `booking-requested`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    slot_id: str = Field(min_length=1, max_length=200, pattern=_ID)
    party_size: int = Field(ge=1, le=100_000)
    venue_id: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=_ID, description="default: the token's organization"
    )
    auto_accept: bool = False


class Taken(BaseModel):
    """The door's answer: taken in, not yet decided."""

    request_id: str
    status: str = "received"


def make_api(
    *,
    pool: Pool,
    appender: door.Appender,
    authenticate: Authenticator,
    rules: RuleBook,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """The app; everything that it needs from outside is passed in."""
    app = create_app("Youai matching", ready=ready, lifespan=lifespan)
    caller = Annotated[Principal, Depends(authenticate)]

    @app.post("/v1/bookings", status_code=202, response_model=Taken)
    async def request_booking(body: BookingBody, who: caller, response: Response, key: Key = None) -> Taken:
        who.require("venue-staff", "center")
        request_id = ids.command_id("booking", who.organization_id, "bookings", _key(key))
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
            _same_body(known.body_hash, digest)
            return Taken(request_id=request_id)
        _admit(known, body.party_size)
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

    @app.get("/v1/bookings/{request_id}")
    async def read_booking(request_id: RequestId, who: caller) -> dict[str, Any]:
        row = await _own_booking(pool, who, request_id)
        decisions = [msgspec.json.decode(data) for data in row["decisions"] or ()]
        place, ahead = (row["before"][0] + 1, row["before"][1]) if row["before"] else (None, None)
        reason = _reason(rules, decisions[-1], place, ahead) if decisions else None
        return {
            "request_id": request_id,
            "slot_id": row["slot_id"],
            "venue_id": row["venue_id"],
            "party_size": row["party_size"],
            "status": "refused" if row["receipt"] == "refused" else row["status"],
            "place": place,
            "ahead": ahead,
            "reason": decisions[-1]["reason"] if decisions else None,
            "reason_zh": reason.zh if reason else None,
            "reason_en": reason.en if reason else None,
            "requested_at": row["created_at"],
            "receipts": decisions,
        }

    @app.delete("/v1/bookings/{request_id}", status_code=202, response_model=Taken)
    async def cancel_booking(request_id: RequestId, who: caller, key: Key = None) -> Taken:
        who.require("venue-staff", "center")
        row = await _own_booking(pool, who, request_id)
        command_id = ids.command_id("cancel", who.organization_id, f"cancel {request_id}", _key(key or "cancel"))
        digest = ids.body_hash(request_id)
        async with pool.acquire() as connection:
            taken = await connection.fetchval("SELECT true FROM request WHERE request_id = $1", command_id)
        if taken:
            return Taken(request_id=command_id)
        if row["status"] == "received":
            raise Problem(
                409, "undecided", "这份点单还没有裁定，请稍后再取消。", "Not decided yet: cancel once it is.", _after(1)
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

    @app.get("/v1/slots/{slot_id}")
    async def read_slot(slot_id: RequestId, who: caller) -> dict[str, Any]:
        async with pool.acquire() as connection:
            row = await requests.slot(connection, slot_id)
        if row is None:
            raise _slot_unknown()
        return _slot(row)

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
        raise _unknown() from None
    if taken is not None:  # the same key a moment ago, in another tab: that call appends
        _same_body(taken, digest)
        return
    try:
        await appender.append(message, partition)
    except door.Unknown:
        raise _unknown() from None


def _unknown() -> Problem:
    return Problem(
        504,
        "unknown",
        "暂时无法确认，请用同一个键再问一次；请求不会丢失，也不会重复。",
        "Unknown: ask again with the same key. Nothing is lost and nothing is done twice.",
        _after(2),
    )


def _admit(known: Facts, party_size: int) -> None:
    """Refuse what cannot be a request, before anything is written."""
    if known.venue_kind is None and not known.in_scope:
        raise Problem(
            404, "venue-unknown", "没有这个单位。", "There is no such venue, or it was not read yet.", _after(1)
        )
    if not known.in_scope:
        raise problems.forbidden(
            "只能为本单位或下级单位点单。", "You can book for your own organization and those below it alone."
        )
    if known.venue_kind is None:
        raise Problem(
            404,
            "venue-unknown",
            "本单位还没有登记。",
            "Your organization is not registered, or was not read yet.",
            _after(1),
        )
    if known.venue_kind != "venue":
        raise Problem(
            422, "not-a-venue", "只有基层阵地可以点单。", "Only venues book; this organization is a provider."
        )
    if known.phase is None:
        raise _slot_unknown()
    if known.phase == "cancelled":
        raise Problem(409, "slot-cancelled", "本场活动已取消。", "This session was cancelled.")
    now_ms = time.time() * 1000
    if known.phase == "closed" or now_ms >= known.closes_at:
        raise Problem(409, "slot-closed", "本场预约已截止。", "Booking of this session has closed.")
    if now_ms < known.opens_at:
        opens = instant(known.opens_at)
        wait = min(int((known.opens_at - now_ms) / 1000) + 1, 3600)
        raise Problem(425, "early", f"预约将于 {opens} 开放。", f"Booking opens at {opens}.", _after(wait))
    if party_size > known.capacity:
        raise Problem(
            422,
            "party-too-large",
            f"要{party_size}个名额，而本场一共只有{known.capacity}个。",
            f"You ask for {party_size} places and the session has {known.capacity} in all.",
        )


async def _own_booking(pool: Pool, who: Principal, request_id: str) -> asyncpg.Record:
    async with pool.acquire() as connection:
        row = await requests.booking(connection, request_id)
        if row is None:
            raise problems.not_found("点单", "booking")
        if not await requests.in_scope(connection, who.organization_id, row["venue_id"]):
            raise problems.forbidden("这是其他单位的点单。", "This booking is another organization's.")
    return row


def _reason(rules: RuleBook, last: dict[str, Any], place: int | None, ahead: int | None) -> Text:
    """Why, with the place in the queue as it is now; the receipts keep the words of their time."""
    version = rules.by_version.get(last["rule_version"])
    if place is None or version is None:
        return Text(last["reason_zh"], last["reason_en"])
    numbers: dict[str, int | str | None] = {name: last[name] for name in ("capacity", "party_size", "taken")}
    return version.say(last["reason"], {**numbers, "place": place, "ahead": ahead})


def _slot(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "slot_id": row["slot_id"],
        "offer_id": row["offer_id"],
        "session_id": row["session_id"],
        "phase": row["phase"],
        "capacity": row["capacity"],
        "taken": row["taken"],
        "free": row["capacity"] - row["taken"],
        "waiting": row["waiting"],
        "waiting_places": row["waiting_places"],
        "opens_at": instant(row["opens_at"]),
        "closes_at": instant(row["closes_at"]),
        "starts_at": instant(row["starts_at"]),
        "ends_at": instant(row["ends_at"]),
        "sequence": row["sequence"],
        "rule_version": row["rule_version"],
    }


def _slot_unknown() -> Problem:
    return Problem(
        404,
        "slot-unknown",
        "没有这个场次，或它刚发布、还在登记。",
        "There is no such slot, or it was not read yet.",
        _after(1),
    )


def _same_body(first: bytes, now: bytes) -> None:
    if first != now:
        raise Problem(
            409,
            "key-reused",
            "这个键已用于另一个请求，请换一个新键。",
            "This key was used for another request: take a new one.",
        )


def _key(key: str | None) -> str:
    if key is None or not _KEY.match(key):
        raise Problem(
            400,
            "key-missing",
            "请带上 Idempotency-Key 请求头（1 到 200 个可见 ASCII 字符）。",
            "Send an Idempotency-Key header of 1 to 200 visible ASCII characters.",
        )
    return key


def _after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}
