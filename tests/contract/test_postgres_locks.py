"""Who waits for whom, and what is seen after: what the fake PostgreSQL and the real one both do.

Where they differ, the fake is wrong.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest
from youai_runtime import outbox
from youai_runtime.errors import is_database_transient

from tests.contract.postgres_databases import Postgres, contract_dsns, fake_postgres, postgres, real_postgres

__all__ = ["contract_dsns", "fake_postgres", "postgres", "real_postgres"]

PUT = "INSERT INTO slot_rule (slot_id, rule_version, seed) VALUES ($1, 'v', $2)"
UPSERT = f"{PUT} ON CONFLICT (slot_id) DO UPDATE SET seed = slot_rule.seed || excluded.seed"
CHANGE = "UPDATE slot_rule SET seed = seed || $2 WHERE slot_id = $1"
READ = "SELECT seed FROM slot_rule WHERE slot_id = $1"


async def seed(postgres: Postgres, slot_id: str = "x") -> str | None:
    found: str | None = await postgres.matching.fetchval(READ, slot_id)
    return found


@asynccontextmanager
async def open_transaction(postgres: Postgres, *statements: tuple[Any, ...], **settings: str) -> AsyncIterator[Any]:
    """A connection in a transaction that has run these statements. It is committed at the end."""
    connection = await postgres.connection(**settings)
    async with connection.transaction():
        for statement, *arguments in statements:
            await connection.execute(statement, *arguments)
        yield connection


async def waiting(postgres: Postgres, connection: Any, statement: str, *arguments: Any) -> "asyncio.Task[Any]":
    """A statement that was begun on a connection, and waits for a lock."""
    task = asyncio.create_task(connection.fetch(statement, *arguments))
    await postgres.until_it_waits(connection, task)
    return task


async def test_a_change_waits_for_the_one_before_and_builds_on_it(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    other = await postgres.connection()
    async with open_transaction(postgres, (CHANGE, "x", "a")):
        task = await waiting(postgres, other, CHANGE, "x", "b")
        assert await seed(postgres) == "0", "nobody sees what is not committed"
    await task
    assert await seed(postgres) == "0ab"


@pytest.mark.parametrize("kind", ["UPDATE slot_rule SET seed = 'b' WHERE", "SELECT * FROM slot_rule WHERE"])
async def test_a_row_is_checked_again_after_the_wait(postgres: Postgres, kind: str) -> None:
    await postgres.matching.executemany(PUT, [("x", "0"), ("y", "1")])
    other = await postgres.connection()
    end = "RETURNING seed" if kind.startswith("UPDATE") else "FOR UPDATE"
    async with open_transaction(postgres, ("UPDATE slot_rule SET seed = '1' WHERE slot_id = 'x'",)):
        task = await waiting(postgres, other, f"{kind} slot_id = 'x' AND seed = '0' {end}")
    assert await task == []
    async with open_transaction(postgres, ("DELETE FROM slot_rule WHERE slot_id = 'x'",)):
        task = await waiting(postgres, other, f"{kind} slot_id IN ('x', 'y') {end}")
    assert len(await task) == 1


async def test_what_did_not_match_at_first_is_not_found_after_the_wait(postgres: Postgres) -> None:
    """A statement goes by the rows that were committed when it began."""
    await postgres.matching.executemany(PUT, [("x", "0"), ("y", "1")])
    other = await postgres.connection()
    async with open_transaction(postgres, (CHANGE, "x", "a"), ("UPDATE slot_rule SET seed = '0' WHERE slot_id = 'y'",)):
        task = await waiting(postgres, other, "UPDATE slot_rule SET seed = 'b' WHERE seed = '0' RETURNING slot_id")
    assert await task == []


async def test_a_row_put_back_is_another_row(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    other = await postgres.connection()
    async with open_transaction(postgres, ("DELETE FROM slot_rule WHERE slot_id = 'x'",), (PUT, "x", "0")):
        task = await waiting(postgres, other, f"{CHANGE} RETURNING seed", "x", "b")
    assert await task == []


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("statement", [PUT, f"{PUT} ON CONFLICT DO NOTHING", UPSERT])
async def test_an_insert_waits_for_who_inserts_the_same(postgres: Postgres, statement: str, commits: bool) -> None:
    other = await postgres.connection()
    try:
        async with open_transaction(postgres, (PUT, "x", "a")):
            task = await waiting(postgres, other, f"{statement} RETURNING seed", "x", "b")
            if not commits:
                raise RuntimeError
    except RuntimeError:
        pass
    if not commits:
        assert [row["seed"] for row in await task] == ["b"]
    elif statement == PUT:
        with pytest.raises(asyncpg.UniqueViolationError, match='constraint "slot_rule_pkey"'):
            await task
    else:
        assert [row["seed"] for row in await task] == (["ab"] if statement == UPSERT else [])


async def test_an_insert_that_does_nothing_waits_for_a_change_but_for_no_lock(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    other = await postgres.connection()
    nothing = f"{PUT} ON CONFLICT (slot_id) DO NOTHING RETURNING true"
    async with open_transaction(postgres, ("SELECT FROM slot_rule WHERE slot_id = 'x' FOR UPDATE",)):
        assert await other.fetch(nothing, "x", "b") == []
    async with open_transaction(postgres, (CHANGE, "x", "a")):
        task = await waiting(postgres, other, nothing, "x", "b")
    assert await task == []
    async with open_transaction(postgres, ("DELETE FROM slot_rule WHERE slot_id = 'x'",)):
        task = await waiting(postgres, other, nothing, "x", "b")
    assert [tuple(row) for row in await task] == [(True,)]


async def test_an_upsert_waits_for_a_lock(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    other = await postgres.connection()
    async with open_transaction(postgres, ("SELECT FROM slot_rule WHERE slot_id = 'x' FOR UPDATE",)):
        task = await waiting(postgres, other, UPSERT, "x", "b")
    await task
    assert await seed(postgres) == "0b"


async def test_shared_locks_go_together_and_stop_changes(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    other = await postgres.connection()
    share = "SELECT seed FROM slot_rule WHERE slot_id = 'x' FOR SHARE"
    async with open_transaction(postgres, (share,)) as one:
        assert len(await other.fetch(share)) == 1
        task = await waiting(postgres, other, CHANGE, "x", "b")
        await one.execute(CHANGE, "x", "a")
    await task
    assert await seed(postgres) == "0ab"


async def test_skip_locked_passes_over_what_is_taken(postgres: Postgres) -> None:
    await postgres.matching.executemany(PUT, [("x", "0"), ("y", "1")])
    skipping = "SELECT slot_id FROM slot_rule ORDER BY slot_id FOR UPDATE SKIP LOCKED"
    async with open_transaction(postgres, ("SELECT FROM slot_rule WHERE slot_id = 'x' FOR UPDATE",)) as one:
        assert [row["slot_id"] for row in await postgres.matching.fetch(skipping)] == ["y"]
        assert [row["slot_id"] for row in await one.fetch(skipping)] == ["x", "y"]


async def test_a_locking_read_stops_at_its_limit(postgres: Postgres) -> None:
    await postgres.matching.executemany(PUT, [("x", "0"), ("y", "1")])
    async with open_transaction(postgres, ("SELECT FROM slot_rule ORDER BY slot_id LIMIT 1 FOR UPDATE",)):
        assert await postgres.matching.execute(CHANGE, "y", "b") == "UPDATE 1"


async def test_advisory_locks_of_a_transaction(postgres: Postgres) -> None:
    other = await postgres.connection()
    lock = "SELECT pg_advisory_xact_lock(7119, 5)"
    async with open_transaction(postgres, (lock,), (lock,)):
        assert await other.fetchval("SELECT pg_try_advisory_lock(7119, 6)")
        assert not await other.fetchval("SELECT pg_try_advisory_lock(7119, 5)")
        task = await waiting(postgres, other, lock)
    await task
    assert await other.fetchval("SELECT pg_try_advisory_lock(7119, 5)")


async def test_advisory_locks_of_a_session_last_until_it_ends(postgres: Postgres) -> None:
    one, other = await postgres.connection(), await postgres.connection()
    ask = "SELECT pg_try_advisory_lock($1)"
    assert [await one.fetchval(ask, 7), await one.fetchval(ask, 7), await other.fetchval(ask, 7)] == [True, True, False]
    task = await waiting(postgres, other, "SELECT pg_advisory_lock($1)", 7)
    await one.close()
    await task
    assert not await postgres.matching.fetchval(ask, 7)


async def test_who_waits_too_long_is_told_so_and_its_transaction_is_over(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    async with open_transaction(postgres, (CHANGE, "x", "a")):
        async with open_transaction(postgres, (PUT, "z", "0"), lock_timeout="60ms") as other:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute(CHANGE, "x", "b")
            with pytest.raises(asyncpg.InFailedSQLTransactionError):
                await other.execute("SELECT 1")
            assert await postgres.matching.execute(PUT, "z", "1") == "INSERT 0 1", "its locks are free already"
        assert await other.execute("SELECT 1") == "SELECT 1"
        hasty = await postgres.connection(statement_timeout="60ms")
        with pytest.raises(asyncpg.QueryCanceledError):
            await hasty.execute(CHANGE, "x", "b")
    assert await seed(postgres) == "0a"
    assert await seed(postgres, "z") == "1"


async def test_a_deadlock_ends_one_of_the_two(postgres: Postgres) -> None:
    await postgres.matching.executemany(PUT, [("x", ""), ("y", "")])

    async def both(first: str, then: str, name: str) -> str:
        try:
            async with open_transaction(postgres, (CHANGE, first, name)) as connection:
                begun.append(name)
                while len(begun) < 2:
                    await asyncio.sleep(0)
                await connection.execute(CHANGE, then, name)
        except asyncpg.DeadlockDetectedError:
            return ""
        return name

    begun: list[str] = []
    ended = await asyncio.gather(both("x", "y", "a"), both("y", "x", "b"))
    (winner,) = filter(None, ended)
    assert (await seed(postgres, "x"), await seed(postgres, "y")) == (winner, winner)


async def test_a_statement_that_its_client_gives_up_is_undone(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    async with open_transaction(postgres, (CHANGE, "x", "a")) as holder:
        other = await postgres.connection()
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with other.transaction():
                await other.execute(PUT, "z", "0")
                await other.execute(CHANGE, "x", "b", timeout=0.05)
        assert await other.fetchval("SELECT 1") == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), postgres.matching.acquire() as third:
                await third.execute(CHANGE, "x", "c")
        assert await holder.fetchval(READ, "x") == "0a"
    assert (await seed(postgres), await seed(postgres, "z")) == ("0a", None)


async def test_who_is_idle_in_a_transaction_for_too_long_loses_it(postgres: Postgres) -> None:
    await postgres.matching.execute(PUT, "x", "0")
    idle = await postgres.connection(idle_in_transaction_session_timeout="150ms")
    other = await postgres.connection()
    assert await idle.fetchval("SELECT pg_try_advisory_lock(1)")
    with pytest.raises(Exception) as caught:  # noqa: PT011, PT012 - which one depends on what the client has read
        async with idle.transaction():
            await idle.execute(CHANGE, "x", "a")
            await (await waiting(postgres, other, CHANGE, "x", "b"))
            await idle.execute(CHANGE, "x", "c")
    assert is_database_transient(caught.value)
    assert idle.is_closed()
    assert await seed(postgres) == "0b"
    assert await other.fetchval("SELECT pg_try_advisory_lock(1)")


async def test_a_pool_that_is_empty_makes_nobody_wait_for_ever(postgres: Postgres) -> None:
    taken = [await postgres.matching.acquire() for _ in range(6)]
    with pytest.raises(TimeoutError):
        await postgres.matching.acquire(timeout=0.05)
    task = asyncio.create_task(postgres.matching.fetchval("SELECT 1"))
    await asyncio.sleep(0)
    await postgres.matching.release(taken.pop())
    assert await task == 1
    for connection in taken:
        await postgres.matching.release(connection)


async def test_two_relays_number_one_after_the_other(postgres: Postgres) -> None:
    await postgres.matching.executemany(outbox._INSERT, [("t", b"%d" % n, None, []) for n in range(5)])
    relay = outbox.Relay(postgres.matching, cast(Any, None), service="matching")
    one, other = await postgres.connection(), await postgres.connection()
    found = await asyncio.gather(relay._number(one), relay._number(other))
    assert [[row["position"] for row in rows] for rows in found] == [[1, 2, 3, 4, 5]] * 2
    assert await postgres.rows("matching", "relay") == [{"only_row": True, "last_position": 5, "published_position": 0}]


async def test_without_its_lock_a_relay_numbers_twice(postgres: Postgres) -> None:
    """Rows that were found before the wait are changed after it, whatever they are by then."""
    await postgres.matching.execute(outbox._INSERT, "t", None, None, [])
    number = (
        "WITH fresh AS (SELECT id FROM outbox WHERE position IS NULL) UPDATE outbox SET position = $1"
        " FROM fresh WHERE outbox.id = fresh.id RETURNING position"
    )
    other = await postgres.connection()
    async with open_transaction(postgres, (number, 1)):
        task = await waiting(postgres, other, number, 2)
    assert [row["position"] for row in await task] == [2]
