"""Statements by themselves: what the fake PostgreSQL and the real one both do. Where they differ, the fake is wrong."""

import asyncpg
import pytest

from tests.contract.postgres_databases import Postgres, contract_dsns, fake_postgres, postgres, real_postgres

__all__ = ["contract_dsns", "fake_postgres", "postgres", "real_postgres"]

PUT = "INSERT INTO slot_rule (slot_id, rule_version, seed) VALUES ($1, 'v', $2)"


async def test_many_statements_at_once_stand_or_fall_together(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await postgres.matching.executemany(PUT, [("x", "0"), ("y", "1"), ("x", "2")])
    assert await postgres.rows("matching", "slot_rule") == []


async def test_a_copy_stands_or_falls_as_a_whole(postgres: Postgres) -> None:
    connection = await postgres.connection()
    columns = ("partition", "log_offset", "kind")
    done = await connection.copy_records_to_table("receipt", columns=columns, records=[(0, 1, "a"), (0, 2, "b")])
    assert done == "COPY 2"
    assert await connection.copy_records_to_table("receipt", columns=columns, records=[]) == "COPY 0"
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.copy_records_to_table("receipt", columns=columns, records=[(0, 3, "c"), (0, 1, "d")])
    with pytest.raises(asyncpg.NotNullViolationError):
        await connection.copy_records_to_table("receipt", columns=columns, records=[(0, 3, None)])
    assert [row["kind"] for row in await postgres.rows("matching", "receipt")] == ["a", "b"]


async def test_what_statements_say_that_they_did(postgres: Postgres) -> None:
    done = postgres.matching.execute
    assert await done(PUT, "x", "0") == "INSERT 0 1"
    assert await done(f"{PUT} ON CONFLICT DO NOTHING", "x", "0") == "INSERT 0 0"
    assert await done("UPDATE slot_rule SET seed = 'b' WHERE slot_id = 'none'") == "UPDATE 0"
    assert await done("SELECT FROM slot_rule") == "SELECT 1"
    assert await done("DELETE FROM slot_rule") == "DELETE 1"


async def test_a_cursor_needs_a_transaction_and_keeps_what_it_saw(postgres: Postgres) -> None:
    await postgres.matching.executemany(PUT, [(f"{n}", None) for n in range(5)])
    connection = await postgres.connection()
    with pytest.raises(asyncpg.NoActiveSQLTransactionError):
        async for _ in connection.cursor("SELECT 1"):
            pass
    seen: list[str] = []
    async with connection.transaction():
        async for row in connection.cursor("SELECT slot_id FROM slot_rule ORDER BY slot_id", prefetch=2):
            if not seen:
                await postgres.matching.execute("DELETE FROM slot_rule")
            seen.append(row["slot_id"])
    assert seen == ["0", "1", "2", "3", "4"]


async def test_records(postgres: Postgres) -> None:
    row = await postgres.matching.fetchrow("SELECT 1 AS a, 'x' AS b, NULL AS c")
    assert (row["a"], row[1], row["c"], list(row), dict(row), len(row)) == (1, "x", None, [1, "x", None], {
        "a": 1, "b": "x", "c": None,
    }, 3)  # fmt: skip
    assert list(row.keys()) == ["a", "b", "c"]
    with pytest.raises(KeyError):
        row["d"]
    assert await postgres.matching.fetchrow("SELECT 1 WHERE false") is None
    assert await postgres.matching.fetchval("SELECT 1 WHERE false") is None


async def test_a_row_cannot_be_upserted_twice_at_once(postgres: Postgres) -> None:
    twice = (
        "INSERT INTO offer (offer_id, title) SELECT * FROM unnest($1::text[], $2::text[])"
        " ON CONFLICT (offer_id) DO UPDATE SET title = excluded.title"
    )
    await postgres.notify.execute(twice, ["a", "b"], ["1", "2"])
    for ids in (["a", "a"], ["c", "c"]):
        with pytest.raises(asyncpg.CardinalityViolationError):
            await postgres.notify.execute(twice, ids, ["3", "4"])
    assert [row["title"] for row in await postgres.rows("notify", "offer")] == ["1", "2"]


async def test_what_is_rolled_back_leaves_a_gap_in_the_identities(postgres: Postgres) -> None:
    put = "INSERT INTO outbox (topic, headers) VALUES ('t', '{}') RETURNING id"
    first = await postgres.matching.fetchval(put)
    connection = await postgres.connection()
    with pytest.raises(RuntimeError):  # noqa: PT012
        async with connection.transaction():
            await connection.fetchval(put)
            raise RuntimeError
    assert await postgres.matching.fetchval(put) == first + 2


async def test_nulls_are_neither_equal_nor_different(postgres: Postgres) -> None:
    ask = postgres.matching.fetchval
    await postgres.matching.execute(PUT, "x", None)
    for condition, found in (
        ("seed = NULL", 0),
        ("seed <> 'a'", 0),
        ("NOT (seed = 'a')", 0),
        ("seed IS NULL", 1),
        ("seed IS DISTINCT FROM 'a'", 1),
        ("seed NOT IN ('a', 'b')", 0),
        ("slot_id NOT IN (SELECT seed FROM slot_rule)", 0),
        ("slot_id = ANY (ARRAY['x', NULL])", 1),
        ("slot_id <> ALL (ARRAY['y', NULL])", 0),
        ("coalesce(seed, 'a') = 'a' OR seed = 'b'", 1),
        ("(slot_id, seed) = ('x', 'a')", 0),
        ("slot_id = 'x' AND seed = 'a'", 0),
    ):
        assert await ask(f"SELECT count(*) FROM slot_rule WHERE {condition}") == found, condition


async def test_the_time_is_that_of_the_transactions_begin(postgres: Postgres) -> None:
    connection = await postgres.connection()
    async with connection.transaction():
        assert await connection.fetchval("SELECT now()") == await connection.fetchval("SELECT now()")
    earlier = await connection.fetchval("SELECT now()")
    assert earlier < await connection.fetchval("SELECT now() + interval '1 day'")
    assert earlier > await connection.fetchval("SELECT now() - make_interval(secs => $1)", 60.0)
