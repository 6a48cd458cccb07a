"""The process of row_lock.py: books one request after the other, on as many connections as it was given."""

import asyncio
import os
from collections.abc import Iterator

import asyncpg
import uvloop

from youai_bench import gate
from youai_bench.systems import sql_peer
from youai_bench.systems.sql_peer import InOrder
from youai_bench.work import Ask

_LOCK = "SELECT capacity, taken, sequence, waiting FROM slot WHERE slot_id = $1 FOR UPDATE"
_BOOK = """
WITH fresh AS (
    INSERT INTO booking (request_id, slot_id, partition, venue_id, party_size, log_offset, town, status, rank, since)
    VALUES ($1, $2, $3, $4, 1, $5, 'town-1', $6, $7, $7) ON CONFLICT DO NOTHING RETURNING 1
), decided AS (
    INSERT INTO decision (partition, log_offset, index, slot_id, request_id, type, decided_at, data)
    SELECT $3, $5, 0, $2, $1, 'booking-' || $6, $8, $9 FROM fresh
), counted AS (
    UPDATE slot SET taken = $10, sequence = $7, waiting = $11::integer, waiting_places = $11::integer
    WHERE slot_id = $2 AND EXISTS (SELECT FROM fresh)
)
INSERT INTO receipt (partition, log_offset, slot_id, record_id, kind, original, why)
SELECT $3, $5, $2, $1, CASE WHEN f IS NULL THEN 'repeat' ELSE 'decided' END, b.log_offset, ''
FROM (SELECT 1) AS one LEFT JOIN fresh AS f ON true
LEFT JOIN booking AS b ON f IS NULL AND b.slot_id = $2 AND b.request_id = $1
RETURNING kind
"""
"""All rows of a booking at once; of a repeat, its receipt alone, which points to the first. It sees a first one that
was committed while this waited for the lock: a statement looks at the moment in which it begins."""


async def main() -> None:
    """Book everything, then stay to be ended; exit code 1 with a traceback where anything fails."""
    work = sql_peer.given_work()
    asks = list(work)
    loser = work.loser
    size = int(os.environ["BENCH_POOL"])
    connections = [await asyncpg.connect(os.environ["BENCH_DATABASE"]) for _ in range(size)]
    statements = [(await c.prepare(_LOCK), await c.prepare(_BOOK)) for c in connections]
    events = InOrder.connect()
    waiting = iter(enumerate(asks, 1))
    await gate.wait_for_go()
    await asyncio.gather(
        *(_book(c, *both, waiting, loser, events) for c, both in zip(connections, statements, strict=True))
    )
    events.finish()
    await gate.done()


async def _book(
    connection: "asyncpg.Connection[asyncpg.Record]",
    lock: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]",
    book: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]",
    waiting: Iterator[tuple[int, Ask]],
    loser: str,
    events: InOrder,
) -> None:
    """Take requests as they come, until there is none."""
    for number, ask in waiting:
        slot = ask.slot
        async with connection.transaction():
            capacity, taken, sequence, queue = await lock.fetchrow(slot.slot_id)  # type: ignore[misc]
            outcome = "confirmed" if taken < capacity else loser
            sequence += 1
            taken += outcome == "confirmed"
            place, ahead = (queue + 1, queue) if outcome == "waitlisted" else (None, None)
            queue += outcome == "waitlisted"
            data = sql_peer.data(ask, outcome, number, sequence, taken, place, ahead)
            kind = await book.fetchval(
                *(ask.request_id, slot.slot_id, slot.partition, ask.venue_id, number, outcome, sequence),
                *(sql_peer.DECIDED_AT, data, taken, queue),
            )
        if kind == "decided":
            events.publish(slot.slot_id, sequence, slot.partition, outcome, data)


if __name__ == "__main__":
    uvloop.run(main())
