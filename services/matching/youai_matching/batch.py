"""Many bookings in one call: each item has its own key and its own answer, as if it had come alone."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from youai_contracts import topics
from youai_contracts.events import Actor, BookingRequested
from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Pool
from youai_runtime.errors import is_database_transient
from youai_runtime.http import current_traceparent
from youai_runtime.kafka import partition_of
from youai_runtime.problems import Problem

from youai_matching import admission, door, ids, requests
from youai_matching.forms import BookingBody
from youai_matching.requests import Command
from youai_matching.sources import SOURCE

MOST_ITEMS = 1_000
MOST_BYTES = 512 * 1024


class BatchItem(BookingBody):
    """One booking of a batch, under its own key."""

    idempotency_key: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")


class BatchBody(BaseModel):
    """Up to MOST_ITEMS bookings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[BatchItem] = Field(min_length=1, max_length=MOST_ITEMS)


@dataclass
class _Item:
    body: BatchItem
    request_id: str
    venue_id: str
    digest: bytes
    problem: Problem | None = None
    twin: "_Item | None" = None
    event: BookingRequested | None = None


async def take(pool: Pool, appender: door.Appender, who: Principal, body: BatchBody, english: bool) -> dict[str, Any]:
    """Take a batch in: one question to the database, one insert, all appends side by side.

    Answers `{"results": [{idempotency_key, status, request_id | problem}]}` in the order of the items; `status` is what
    the item would have been answered alone (202, 404, 409, 425 …). Raises 503 if nothing was written.
    """
    items = [_item(who, item) for item in body.items]
    async with pool.acquire() as connection:
        known = await requests.many_facts(
            connection,
            who.organization_id,
            [(item.venue_id, item.body.slot_id, item.request_id) for item in items],
        )
    fresh: dict[str, _Item] = {}
    for item, facts in zip(items, known, strict=True):
        item.twin = fresh.get(item.request_id)
        first = item.twin.digest if item.twin else facts.body_hash
        try:
            if first is not None:
                admission.same_body(first, item.digest)
            else:
                admission.admit(facts, item.body.party_size)
                item.event = _event(who, item, facts.town)
                fresh[item.request_id] = item
        except Problem as problem:
            item.problem = problem
    await _append(pool, appender, who, list(fresh.values()))
    return {"results": [_answer(item, english) for item in items]}


def _item(who: Principal, body: BatchItem) -> _Item:
    venue_id = body.venue_id or who.organization_id
    return _Item(
        body=body,
        request_id=ids.command_id("booking", who.organization_id, "bookings", body.idempotency_key),
        venue_id=venue_id,
        digest=ids.body_hash(body.slot_id, venue_id, body.party_size, body.auto_accept),
    )


def _event(who: Principal, item: _Item, town: str) -> BookingRequested:
    return BookingRequested(
        slot_id=item.body.slot_id,
        request_id=item.request_id,
        venue_id=item.venue_id,
        town=town,
        party_size=item.body.party_size,
        auto_accept=item.body.auto_accept,
        requested_at=datetime.now(UTC),
        actor=Actor(subject=who.subject, organization_id=who.organization_id),
    )


async def _append(pool: Pool, appender: door.Appender, who: Principal, fresh: list[_Item]) -> None:
    """Keep the rows of those whose partition takes appends, in one insert; then append them all."""
    trace = current_traceparent()
    rows = []
    for item in fresh:
        assert item.event is not None
        partition = partition_of(item.event.slot_id.encode(), topics.SLOT_LOG.partitions)
        if not appender.open_for(partition):
            item.problem = problems.unavailable()
            continue
        message = door.record(item.event, id=item.request_id, source=SOURCE, traceparent=trace)
        command = Command(
            request_id=item.request_id,
            kind="booking",
            slot_id=item.event.slot_id,
            partition=partition,
            booking_id=None,
            organization_id=who.organization_id,
            venue_id=item.venue_id,
            party_size=item.body.party_size,
            body_hash=item.digest,
            data=message.value,
            traceparent=trace,
        )
        rows.append((item, message, command))
    if not rows:
        return
    try:
        async with pool.acquire() as connection:
            new = await requests.insert_many(connection, [command for _, _, command in rows])
    except Exception as error:
        if not is_database_transient(error):
            raise
        for item, _, _ in rows:  # the insert may stand: only asking again with the same key can tell
            item.problem = admission.unknown()
        return
    # Not new: the same key a moment ago, in another tab; that call appends.
    appends = [appender.append(message, c.partition) for _, message, c in rows if c.request_id in new]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    written = [item for item, _, command in rows if command.request_id in new]
    for item, outcome in zip(written, outcomes, strict=True):
        if isinstance(outcome, door.Unknown):
            item.problem = admission.unknown()
        elif isinstance(outcome, BaseException):
            raise outcome


def _answer(item: _Item, english: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"idempotency_key": item.body.idempotency_key}
    problem = item.problem or (item.twin.problem if item.twin else None)
    if problem is None:
        return {**answer, "status": 202, "request_id": item.request_id}
    after = {"retry_after": int(problem.headers["Retry-After"])} if "Retry-After" in problem.headers else {}
    detail = problem.en if english else problem.zh
    return {**answer, "status": problem.status, "code": problem.code, "detail": detail, **after}
