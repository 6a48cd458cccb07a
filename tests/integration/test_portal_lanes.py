"""Portal's lanes over a database of their own: a batch is a few statements, may run again, and loses nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest_asyncio
import youai_portal
from youai_contracts import codec, topics
from youai_contracts.events import BookingConfirmed, BookingWaitlisted
from youai_portal import streams
from youai_runtime import database

from tests.support.catalog_alone import database_of
from tests.support.stack import Stack


@pytest_asyncio.fixture
async def portal_database(stack: Stack) -> AsyncIterator[database.Pool]:
    async with database_of(stack, "template1", "portal") as (_name, dsn):
        await database.migrate(dsn, Path(youai_portal.__file__).parent / "migrations")
        pool = await database.connect_pool(dsn, name="test", size=4)
        yield pool
        pool.terminate()


class Counting:
    """A connection that counts its statements."""

    def __init__(self, connection: database.Connection) -> None:
        self._connection = connection
        self.statements = 0

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "fetch", "fetchrow", "fetchval", "executemany"):
            self.statements += 1
        return getattr(self._connection, name)


def rush(number: int, slots: int) -> list[Any]:
    """Records of decisions: in each slot the first half has places, the rest waits."""
    records = []
    for n in range(number):
        slot, sequence = f"s{n % slots}", n // slots + 1
        capacity = number // slots // 2
        won = sequence <= capacity
        cls = BookingConfirmed if won else BookingWaitlisted
        event = cls(
            ahead=None if won else sequence - capacity - 1,
            capacity=capacity,
            decided_at="2026-11-24T09:00:00.000Z",
            hash="0" * 64,
            log_offset=n,
            log_partition=0,
            outcome=cls.type.removeprefix("booking-"),
            party_size=1,
            place=None if won else sequence - capacity,
            previous_hash="0" * 64,
            reason="place-free" if won else "full",
            reason_en="e",
            reason_zh="中",
            request_id=f"r{n}",
            rule_version="0" * 64,
            sequence=sequence,
            slot_id=slot,
            taken=min(sequence, capacity),
            venue_id=f"v{n}",
        )
        message = codec.encode(event, id=f"0-{n}-0", source="/youai/matching", at=datetime.now(UTC))
        records.append(
            SimpleNamespace(
                partition=0,
                offset=n,
                timestamp=1_795_000_000_000,
                key=message.key,
                value=message.value,
                headers=message.headers,
            )
        )
    return records


async def test_a_batch_is_a_few_statements_and_may_run_again(portal_database: database.Pool) -> None:
    lane = streams.Bookings(topics.BOOKING)
    records = rush(4_000, 8)
    async with portal_database.acquire() as connection:
        counting = Counting(connection)
        await lane.apply(counting, 0, records)  # type: ignore[arg-type]
        assert counting.statements <= 4
        before = await connection.fetch("SELECT * FROM slot ORDER BY slot_id")
        await lane.apply(connection, 0, records[2_000:])  # read again after a crash
        assert await connection.fetch("SELECT * FROM slot ORDER BY slot_id") == before
        assert [(row["taken"], row["waiting"], row["waiting_places"]) for row in before] == [(250, 250, 250)] * 8
        assert await connection.fetchval("SELECT count(*) FROM booking WHERE status = 'waitlisted'") == 2_000
        older = rush(8, 8)
        await lane.apply(connection, 0, older)  # what is older than what is known changes nothing
        assert await connection.fetch("SELECT * FROM slot ORDER BY slot_id") == before


async def test_what_cannot_be_read_goes_to_the_dead_letters(portal_database: database.Pool) -> None:
    lane = streams.Bookings(topics.BOOKING)
    good, *_ = rush(1, 1)
    bad = SimpleNamespace(partition=0, offset=7, timestamp=1, key=b"k", value=b"\xff", headers=())
    async with portal_database.acquire() as connection:
        await lane.apply(connection, 0, [bad, good])
        assert await connection.fetchval("SELECT count(*) FROM booking") == 1
        rows = await connection.fetch("SELECT topic, value FROM outbox")
        assert [(row["topic"], row["value"]) for row in rows] == [("youai.portal.dead-letter.v1", b"\xff")]
