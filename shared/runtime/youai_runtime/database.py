"""PostgreSQL: the pool and the migrations."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy
from pogo_core.util import migrate as pogo

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes are generic in their stubs alone
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

PROBE_S = 2.0
"""How long readiness waits for the database before it says that it is away."""

RUNTIME_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_119_001


class _BoundedPool(Pool):
    """A pool where nobody waits for ever: not for a connection, and not for a cancelled statement's end at release."""

    def __init__(self, *arguments: Any, wait_s: float, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._wait_s = wait_s

    def acquire(self, *, timeout: float | None = None) -> Any:
        return PoolAcquireContext(self, self._wait_s if timeout is None else timeout)


async def connect_pool(dsn: str, *, name: str, size: int, wait_s: float = 5.0, statement_s: float = 10.0) -> Pool:
    """A pool of at most `size` connections, opened when first used, so that a service starts without its database.

    Every wait is bounded: `wait_s` for a connection, 5 s for a lock, `statement_s` for a statement's answer, 10 s for
    the server's own work on it and for an idle transaction. What takes longer raises TimeoutError or asyncpg's errors.
    """
    return await _BoundedPool(
        dsn,
        wait_s=wait_s,
        min_size=0,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        timeout=wait_s,
        command_timeout=statement_s,
        reset=_nothing_to_reset,
        server_settings={
            "application_name": name,
            "lock_timeout": "5s",
            "statement_timeout": "10s",
            "idle_in_transaction_session_timeout": "10s",
        },
    )


async def trouble(pool: Pool, statement: str) -> dict[str, str]:
    """What readiness says of the database: nothing where `statement` is answered within PROBE_S, else why not."""
    try:
        async with asyncio.timeout(PROBE_S):
            await pool.fetchval(statement)
    except Exception as error:
        return {"database": repr(error)}
    return {}


async def _nothing_to_reset(_connection: Connection) -> None:
    """No code here leaves session state behind, so the round trip that would clear it at each release is spared."""


async def migrate(dsn: str, service_migrations: Path) -> None:
    """Bring the database up: the runtime's own tables, then the service's. Safe to run from many places at once."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await pogo.apply(connection, RUNTIME_MIGRATIONS, schema_name="runtime")
        await pogo.apply(connection, service_migrations, schema_name="service")
    finally:
        await connection.close()
