"""What the fake PostgreSQL does when things go wrong: what crashes keep, cuts leave unknown and freezes lose.

In virtual time, in the simulator's loop.
"""

import asyncio
import ctypes
import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from youai_matching import store
from youai_proof.sim.loop import PROCESS, Process, SimLoop
from youai_proof.sim.postgres import Server, client
from youai_proof.sim.postgres.tokens import SqlError
from youai_runtime import database, lane, leader
from youai_runtime.errors import is_database_transient, may_be_committed

from tests.contract.postgres_databases import MIGRATIONS

PUT = "INSERT INTO slot_rule (slot_id, rule_version) VALUES ($1, 'v')"
LOCK = "SELECT FROM relay FOR UPDATE"


class World:
    """A server with matching's database, in virtual time."""

    def __init__(self, loop: SimLoop, seed: int) -> None:
        self.loop = loop
        self.server = Server(random.Random(seed), process=lambda: PROCESS.get().name)
        self.faults = self.server.faults
        self.database = self.server.create("matching", database.RUNTIME_MIGRATIONS, MIGRATIONS["matching"])

    async def pool(self, size: int = 3) -> Any:
        return await client.connect_pool(self.server, "matching", name="test", size=size)

    def spawn(self, process: Process, work: Any) -> Any:
        """Run something as a process."""
        # What a killed process was doing never ends, so it must never be collected.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(work))
        return self.loop.spawn(process, work)

    def slots(self) -> list[str]:
        return [row["slot_id"] for row in self.database.rows("slot_rule")]


def run(play: Callable[[World], Awaitable[Any]], seed: int = 1) -> Any:
    loop = SimLoop(random.Random(seed))

    async def main() -> Any:
        return await play(World(loop, seed))

    try:
        found = loop.run_until_complete(main())
        assert loop.errors == []
        return found
    finally:
        loop.close()


def test_a_commit_whose_answer_is_lost_stands_or_not() -> None:
    async def play(world: World) -> tuple[bool, bool]:
        pool = await world.pool()
        world.faults.cut_commit = 1.0
        with pytest.raises((OSError, asyncpg.PostgresConnectionError)) as caught:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(PUT, "x")
        world.faults.calm()
        assert may_be_committed(caught.value)
        assert connection.is_closed()
        assert await pool.fetchval("SELECT 1") == 1
        await asyncio.sleep(1)
        (kind,) = world.faults.injected
        return kind == "database-cut-after-commit", world.slots() == ["x"]

    found = {run(play, seed) for seed in range(20)}
    assert found == {(True, True), (False, False)}


def test_a_statement_that_is_cut_undoes_its_transaction() -> None:
    async def play(world: World) -> None:
        pool = await world.pool()
        with pytest.raises(asyncpg.InterfaceError, match="closed"):  # noqa: PT012
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(PUT, "x")
                world.faults.cut = 1.0
                with pytest.raises(asyncpg.ConnectionDoesNotExistError):
                    await connection.execute(PUT, "y")
        world.faults.calm()
        assert await pool.execute(PUT, "x") == "INSERT 0 1", "waits until the server sees that the other is gone"
        assert world.slots() == ["x"]

    for seed in range(10):
        run(play, seed)


def test_a_crash_keeps_what_was_committed_and_nothing_else() -> None:
    async def play(world: World) -> None:
        pool = await world.pool()
        await pool.execute(PUT, "x")
        async with pool.acquire() as connection:
            with pytest.raises(Exception) as caught:  # noqa: PT011, PT012 - any that says it is away
                async with connection.transaction():
                    await connection.execute(PUT, "y")
                    world.server.restart(2.0)
                    await connection.execute(PUT, "z")
            assert is_database_transient(caught.value)
        with pytest.raises(ConnectionRefusedError):
            await pool.fetchval("SELECT 1")
        await asyncio.sleep(2.1)
        with pytest.raises(asyncpg.CannotConnectNowError):
            await pool.fetchval("SELECT 1")
        await asyncio.sleep(0.3)
        assert world.slots() == ["x"]
        assert await pool.fetchval("SELECT count(*) FROM slot_rule") == 1

    run(play)


def test_a_crash_may_lose_a_watermark_but_nothing_that_was_waited_for() -> None:
    async def play(world: World, synced: bool) -> int:
        pool = await world.pool()
        async with pool.acquire() as connection, connection.transaction():
            await lane._lock_progress(connection, store.DECIDER, 0)
        async with pool.acquire() as connection:
            await store.raise_watermarks(connection, {0: 5})
        assert world.database.rows("lane_progress")[0]["published_offset"] == 5
        if synced:
            await pool.execute(PUT, "x")
        world.server.stop()
        found: int = world.database.rows("lane_progress")[0]["published_offset"]
        return found

    assert {run(lambda world: play(world, False), seed) for seed in range(10)} == {-1, 5}
    assert {run(lambda world: play(world, True), seed) for seed in range(10)} == {5}


def test_a_killed_process_holds_its_locks_until_the_server_sees_it() -> None:
    async def play(world: World) -> tuple[float, list[str]]:
        world.faults.notice_s = (2.0, 3.0)
        pool = await world.pool()
        process = Process("worker")

        async def work() -> None:
            own = await world.pool()
            async with own.acquire() as connection, connection.transaction():
                await connection.execute(PUT, "x")
                await connection.execute(LOCK)
                await asyncio.sleep(60)

        world.spawn(process, work())
        await asyncio.sleep(1)
        world.loop.kill(process)
        world.server.kill("worker")
        begun = world.loop.time()
        await pool.execute(LOCK)
        return world.loop.time() - begun, world.slots()

    took, slots = run(play)
    assert 2.0 < took < 3.1
    assert slots == []


def test_a_commit_on_its_way_stands_though_its_process_was_killed() -> None:
    async def play(world: World) -> tuple[str, ...]:
        process = Process("worker")

        async def work() -> None:
            own = await world.pool()
            async with own.acquire() as connection, connection.transaction():
                await connection.execute(PUT, "x")

        kept = world.spawn(process, work())
        await asyncio.sleep(world.server.random.uniform(0.0, 0.012))
        world.loop.kill(process)
        world.server.kill("worker")
        await asyncio.sleep(1)
        assert not kept.done() or world.slots()
        return tuple(world.slots())

    assert {run(play, seed) for seed in range(60)} == {(), ("x",)}


def test_a_frozen_process_loses_its_transaction_and_learns_it_at_its_next_statement() -> None:
    async def play(world: World) -> None:
        process = Process("worker")
        failed: list[BaseException] = []

        async def work() -> None:
            own = await world.pool()
            try:
                async with own.acquire() as connection, connection.transaction():
                    await connection.execute(LOCK)
                    await asyncio.sleep(1)
                    await connection.execute(PUT, "x")
            except Exception as error:
                failed.append(error)

        task = world.spawn(process, work())
        await asyncio.sleep(0.5)
        world.loop.freeze(process)
        pool = await world.pool()
        await asyncio.sleep(6)
        begun = world.loop.time()
        await pool.execute(LOCK)
        assert 3.0 < world.loop.time() - begun < 4.0, "ten seconds after the statement before"
        await asyncio.sleep(10)
        world.loop.thaw(process)
        await task
        assert is_database_transient(failed[0])
        assert world.slots() == []

    for seed in range(6):
        run(play, seed)


def test_waits_are_bounded() -> None:
    async def play(world: World) -> None:
        pool = await world.pool()
        async with pool.acquire() as holder, holder.transaction():
            await holder.execute(LOCK)
            begun = world.loop.time()
            with pytest.raises(asyncpg.LockNotAvailableError):
                await pool.execute(LOCK)
            assert world.loop.time() - begun == pytest.approx(5.0, abs=0.1)
        world.faults.stall, world.faults.stall_s = 1.0, (20.0, 20.0)
        begun = world.loop.time()
        async with pool.acquire() as connection:
            with pytest.raises(TimeoutError):
                await connection.execute(LOCK)
            assert world.loop.time() - begun == pytest.approx(10.0, abs=0.1)
            world.faults.calm()
        assert await pool.fetchval("SELECT 1") == 1

    run(play)


def test_one_leads_and_another_takes_over_when_the_first_is_gone() -> None:
    async def play(world: World) -> None:
        leaders: dict[str, leader.Leader] = {}

        async def lead(name: str) -> None:
            made = leaders[name] = leader.Leader("l", "matching", 7, turn, every_s=0.2)
            await made.run()

        async def turn() -> None:
            turns.append(PROCESS.get().name)

        turns: list[str] = []
        processes = [Process(name) for name in ("a", "b")]
        for process in processes:
            world.spawn(process, lead(process.name))
        await asyncio.sleep(5)
        assert sum(one.leading for one in leaders.values()) == 1
        (first,) = set(turns)
        process = next(one for one in processes if one.name == first)
        world.loop.kill(process)
        world.server.kill(first)
        turns.clear()
        await asyncio.sleep(5)
        assert set(turns) == {"a", "b"} - {first}

    async def connect(dsn: str, **options: Any) -> Any:
        return await client.connect(servers[-1], dsn, **options)

    servers: list[Server] = []

    async def noted(world: World) -> None:
        servers.append(world.server)
        await play(world)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg, "connect", connect)
        for seed in range(4):
            run(noted, seed)


def test_what_is_not_known_is_said_so() -> None:
    async def play(world: World) -> None:
        pool = await world.pool()
        for statement in (
            "SELECT nothing FROM slot",
            "SELECT 1 FROM nowhere",
            "SELECT regexp_replace('a', 'b', 'c')",
            "UPDATE slot SET nothing = 1",
            "INSERT INTO slot_rule (nothing) VALUES (1)",
            "INSERT INTO slot_rule (slot_id) VALUES ('x') ON CONFLICT (seed) DO NOTHING",
            "LISTEN x",
        ):
            with pytest.raises(SqlError):
                await pool.execute(statement)

    run(play)
