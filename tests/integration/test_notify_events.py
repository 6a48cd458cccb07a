"""What notify's events carry beside the words: the trace of their cause, and whether their kind was muted."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest_asyncio
from youai_contracts.events import Event

from tests.support.notify_alone import TOPIC, Alone, Rec, apply, database_of, id_of, serving
from tests.support.stack import Stack
from tests.unit.notify.story import PROVIDER, VENUE, booking, claim, claim_requested, offer, posted, session


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[Alone]:
    """Notify over an empty database."""
    async with database_of(stack) as dsn, serving(stack, dsn) as served:
        yield served


def trace(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


async def read(alone: Alone, event: Event, traceparent: bytes) -> str:
    """Let a lane work an event that has this trace context; returns its `ce_id`."""
    (record,) = alone.log.append(event)
    traced = replace(cast(Rec, record), headers=[*record.headers, ("traceparent", traceparent)])
    async with alone.pool.acquire() as connection, connection.transaction():
        await apply(connection, event.topic.name, traced.partition, [traced])
    return id_of(record)


async def traces(alone: Alone) -> dict[str, str | None]:
    """The trace context of each notification-sent in the outbox, by the event that caused it."""
    found: dict[str, str | None] = {}
    sources = [event.source_id for event in await alone.sent()]
    rows = await alone.pool.fetch("SELECT headers FROM outbox WHERE topic = $1 ORDER BY id", TOPIC)
    for source, row in zip(sources, rows, strict=True):
        headers: dict[bytes, Any] = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
        given = headers.get(b"traceparent")
        found[source] = None if given is None else given.decode()
    return found


async def test_a_notification_carries_the_trace_of_what_it_tells_of(alone: Alone) -> None:
    await alone.read(offer(), session())
    one = await read(alone, booking("confirmed"), trace(1).encode())
    two = await read(alone, booking("rejected", request_id="r-2"), trace(2).encode())
    assert await traces(alone) == {one: trace(1), two: trace(2)}


async def test_what_was_held_keeps_its_own_trace_and_not_that_of_what_released_it(alone: Alone) -> None:
    early = await read(alone, booking("confirmed"), trace(1).encode())
    claimed = await read(alone, claim("confirmed"), trace(3).encode())
    assert await alone.held() == 2
    await alone.read(offer())
    await read(alone, session(), trace(2).encode())
    await alone.read(posted())
    await read(alone, claim_requested(), trace(4).encode())
    assert await traces(alone) == {early: trace(1), claimed: trace(3)}
    assert {event.recipient_id for event in await alone.sent()} >= {VENUE, PROVIDER}


async def test_a_trace_that_is_none_is_left_out_and_stops_nobody(alone: Alone) -> None:
    (held, *told) = [
        await read(alone, booking("confirmed", slot_id=slot, request_id=f"r-{number}"), made_up)
        for number, (slot, made_up) in enumerate(
            [("slot-1", b"00-\x00"), ("slot-1", b"\xff" * 9), ("slot-1", b"x" * 99)]
        )
    ]
    await alone.read(offer(), session())
    assert await traces(alone) == dict.fromkeys((held, *told))


async def test_an_event_says_whether_its_kind_was_muted_then(alone: Alone) -> None:
    venue = alone.as_(VENUE)
    await alone.read(offer(), session())
    await venue.post("/v1/preferences", {"muted": ["booking-rejected"]})
    await alone.read(
        booking("rejected"),
        booking("confirmed", request_id="r-2"),
        booking("rejected", venue_id="s-2", request_id="r-3"),
    )
    await venue.post("/v1/preferences", {"muted": []})
    await alone.read(booking("rejected", request_id="r-4"))
    told = [(event.recipient_id, event.kind, event.muted) for event in await alone.sent()]
    assert told == [
        (VENUE, "booking-rejected", True),
        (VENUE, "booking-confirmed", False),
        ("s-2", "booking-rejected", False),
        (VENUE, "booking-rejected", False),
    ]
