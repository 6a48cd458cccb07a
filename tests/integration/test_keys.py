"""Idempotency keys are forgotten by their age, a bounded number at a time, and nothing is done twice for it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import youai_catalog
import youai_demand
from youai_runtime import database, keys

from tests.support.catalog_alone import database_of
from tests.support.stack import Stack

NOW = datetime(2027, 1, 31, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest_asyncio.fixture(params=[youai_catalog, youai_demand], ids=["catalog", "demand"])
async def pool(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[database.Pool]:
    """The tables of a service that has keys, empty."""
    service: str = request.param.__name__.removeprefix("youai_")
    async with database_of(stack, "template1", service) as (_name, dsn):
        await database.migrate(dsn, Path(str(request.param.__file__)).parent / "migrations")
        pool = await database.connect_pool(dsn, name="test", size=4)
        yield pool
        pool.terminate()


async def put(pool: database.Pool, ages: dict[str, timedelta]) -> None:
    """Keys that were used so long before NOW."""
    await pool.executemany(
        "INSERT INTO idempotency (key_hash, body_hash, answer, created_at) VALUES ($1, 'b', 'a', $2)",
        [(name.encode(), NOW - age) for name, age in ages.items()],
    )


async def left(pool: database.Pool) -> set[str]:
    return {row["key_hash"].decode() for row in await pool.fetch("SELECT key_hash FROM idempotency")}


async def prune(pool: database.Pool) -> int:
    async with pool.acquire() as connection:
        return await keys.prune(connection, NOW - 30 * DAY)


async def test_only_what_is_older_is_forgotten(pool: database.Pool) -> None:
    second = timedelta(seconds=1)
    await put(pool, {"new": 0 * DAY, "just kept": 30 * DAY, "just gone": 30 * DAY + second, "old": 400 * DAY})
    assert await prune(pool) == 2
    assert await left(pool) == {"new", "just kept"}
    assert await prune(pool) == 0


async def test_a_turn_is_bounded_and_begins_with_the_oldest(
    pool: database.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_FORGOTTEN", 2)
    await put(pool, {f"{days}": days * DAY for days in (35, 33, 34, 31, 32)})
    found = []
    for _ in range(4):
        found.append(await prune(pool))
        found.append(len(await left(pool)))
    assert found == [2, 3, 2, 1, 1, 0, 0, 0]
    await put(pool, {f"{days}": days * DAY for days in (35, 33, 34)})
    await prune(pool)
    assert await left(pool) == {"33"}


async def test_a_key_that_a_call_looks_at_is_not_waited_for(pool: database.Pool) -> None:
    await put(pool, {"held": 40 * DAY, "old": 40 * DAY})
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM idempotency WHERE key_hash = 'held' FOR UPDATE")
        assert await prune(pool) == 1
        assert await left(pool) == {"held"}
    assert await prune(pool) == 1
