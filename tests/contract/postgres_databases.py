"""The two PostgreSQLs that the contract is held against: the simulator's fake, and the one that the stack runs."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
import youai_matching
import youai_notify
from youai_proof.sim.postgres import Server, client
from youai_runtime import database

from tests.support.catalog_alone import database_of
from tests.support.stack import Stack
from tests.support.waiting import eventually

MIGRATIONS = {
    name: Path(str(package.__file__)).parent / "migrations"
    for name, package in (("matching", youai_matching), ("notify", youai_notify))
}
KEYS = {
    "lane_progress": "lane, partition",
    "outbox": "id",
    "relay": "only_row",
    "organization": "organization_id",
    "slot": "slot_id",
    "booking": "slot_id, request_id",
    "decision": "partition, log_offset, index",
    "receipt": "partition, log_offset",
    "timer": "slot_id, kind, subject, due_at",
    "slot_rule": "slot_id",
    "request": "request_id",
    "point": "source",
    "offer": "offer_id",
    "session": "slot_id",
    "demand": "demand_id",
    "claim": "claim_id",
    "resource": "resource_id",
    "held": "topic, ce_id",
    "recipient": "recipient_id",
    "inbox": "notification_id",
    "live": "slot_id, venue_id",
    "revision": "slot_id, ce_id",
}
RUNTIME = ("lane_progress", "outbox", "relay")
TABLES = {
    "matching": (
        *RUNTIME,
        *["organization", "slot", "booking", "decision", "receipt", "timer", "slot_rule", "request", "point"],
    ),
    "notify": (
        *RUNTIME,
        *("organization", "offer", "session", "demand", "claim", "resource", "held"),
        *("recipient", "inbox", "live", "revision"),
    ),
}


class Postgres:
    """A server with the databases of matching and notify, empty, and a pool of each."""

    is_fake: bool

    def __init__(self) -> None:
        self.pools: dict[str, Any] = {}
        self._connections: list[Any] = []

    @property
    def matching(self) -> Any:
        return self.pools["matching"]

    @property
    def notify(self) -> Any:
        return self.pools["notify"]

    async def connection(self, service: str = "matching", **settings: str) -> Any:
        """A connection with these settings, dropped after the test."""
        made = await self._connect(service, settings)
        self._connections.append(made)
        return made

    async def _connect(self, service: str, settings: dict[str, str]) -> Any:
        raise NotImplementedError

    async def until_it_waits(self, connection: Any, task: "asyncio.Task[Any]") -> None:
        """Wait until a connection's statement waits for a lock. Fails if it has ended."""

        async def is_so() -> bool:
            assert not task.done(), f"nothing is waited for: {task}"
            return await self._waits(connection)

        await eventually(is_so, 10, "it waits")

    async def _waits(self, connection: Any) -> bool:
        raise NotImplementedError

    async def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        """A table's rows by their keys; of times is told only that they are there."""
        found = await self.pools[service].fetch(f"SELECT * FROM {table} ORDER BY {KEYS[table]}")
        rows = [plain(row) for row in found]
        for row in rows if table == "outbox" else ():
            names = row["headers"][::2]
            row["headers"] = {k: v for k, v in zip(names, row["headers"][1::2], strict=True) if k != b"ce_time"}
        return rows

    async def everything(self, service: str) -> dict[str, list[dict[str, Any]]]:
        """All tables of a database."""
        return {table: await self.rows(service, table) for table in TABLES[service]}

    async def stop(self) -> None:
        for one in (*self._connections, *self.pools.values()):
            one.terminate()


def plain(value: Any) -> Any:
    """A result without its times and its classes, to be compared."""
    if isinstance(value, datetime):
        return "a time"
    if hasattr(value, "keys"):
        found = {key: plain(value[key]) for key in value.keys()}  # noqa: SIM118 - a record is iterated by its values
        return found | {key: "a time" for key in ("sent_at", "read_at") if found.get(key)}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def failed(error: Exception) -> tuple[str, str]:
    """An error without its details."""
    return type(error).__name__, str(error).partition("\n")[0]


class Fake(Postgres):
    """The simulator's."""

    is_fake = True

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.server = Server(random.Random(seed))
        self.server.faults.latency_s = (0.0, 0.0001)
        for name, folder in MIGRATIONS.items():
            self.server.create(name, database.RUNTIME_MIGRATIONS, folder)

    async def start(self) -> None:
        for name in MIGRATIONS:
            self.pools[name] = await client.connect_pool(self.server, name, name="contract", size=6)

    async def _connect(self, service: str, settings: dict[str, str]) -> Any:
        return await client.connected(self.server, service, settings, None)

    async def _waits(self, connection: Any) -> bool:
        return connection._session.waits_for is not None


class Real(Postgres):
    """The stack's."""

    is_fake = False

    def __init__(self, dsns: dict[str, str]) -> None:
        super().__init__()
        self._dsns = dsns

    async def start(self) -> None:
        for name, dsn in self._dsns.items():
            pool = self.pools[name] = await database.connect_pool(dsn, name="contract", size=6)
            await pool.execute(f"TRUNCATE {', '.join(TABLES[name])} RESTART IDENTITY")
            await pool.execute("INSERT INTO relay DEFAULT VALUES")

    async def _connect(self, service: str, settings: dict[str, str]) -> Any:
        return await asyncpg.connect(self._dsns[service], server_settings=settings)

    async def _waits(self, connection: Any) -> bool:
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
        return bool(await self.matching.fetchval(waits, connection.get_server_pid()))


@pytest_asyncio.fixture(scope="session")
async def contract_dsns(stack: Stack) -> AsyncIterator[dict[str, str]]:
    """Databases of their own in the stack's PostgreSQL, migrated."""
    async with contextlib.AsyncExitStack() as databases:
        found = {}
        for name, folder in MIGRATIONS.items():
            _, found[name] = await databases.enter_async_context(database_of(stack, "template1", name))
            await database.migrate(found[name], folder)
        yield found


@pytest_asyncio.fixture
async def fake_postgres() -> AsyncIterator[Postgres]:
    made = Fake()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def real_postgres(contract_dsns: dict[str, str]) -> AsyncIterator[Postgres]:
    made = Real(contract_dsns)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """Both PostgreSQLs, one after the other."""
    made: Postgres = request.getfixturevalue(f"{request.param}_postgres")
    return made
